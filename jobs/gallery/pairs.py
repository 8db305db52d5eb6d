"""Pairs of faces that look alike, and what they say of the people whose faces they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.gallery.comparing import (
    PROBES_AT_ONCE,
    ROWS_AT_ONCE,
    Places,
    Probes,
    Rows,
    cosines,
    portions,
)


@dataclass(frozen=True)
class FacePairs:
    """Pairs of faces of two different people, each pair once, in the order of the face ids.

    `face_a` < `face_b`; `person_a` and `person_b` are whose they are; all int64 (pairs,). `scores` is float32
    (pairs,), cosine, -1…1. `comparisons`: how many pairs of faces of different people were compared,
    counted exactly, whatever their score.
    """

    face_a: NDArray[np.int64]
    face_b: NDArray[np.int64]
    person_a: NDArray[np.int64]
    person_b: NDArray[np.int64]
    scores: NDArray[np.float32]
    comparisons: int

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True)
class PeoplePairs:
    """Pairs of people, each pair once, in the order of the people's ids, with their most alike faces.

    `person_a` < `person_b`; `face_a` is a face of `person_a`, `face_b` one of `person_b`; all int64 (pairs,).
    `scores` is float32 (pairs,), cosine, -1…1.
    """

    person_a: NDArray[np.int64]
    person_b: NDArray[np.int64]
    face_a: NDArray[np.int64]
    face_b: NDArray[np.int64]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.scores)

    def rows(self) -> Iterator[tuple[int, int, int, int, float]]:
        """(person_a, person_b, face_a, face_b, score) of each pair, as Python's own numbers."""
        columns = (self.person_a, self.person_b, self.face_a, self.face_b, self.scores)
        return zip(*(column.tolist() for column in columns), strict=True)


def pairs_with(rows: Rows, given: Places, threshold: float) -> FacePairs:
    """The rows `given` (each once) against all rows: pairs whose score is at least `threshold`."""
    is_given = np.zeros(len(rows), bool)
    is_given[given] = True
    left, right, scores = [], [], []
    for first, end in portions(0, len(given), PROBES_AT_ONCE):
        probes = Probes(rows.vectors[given[first:end]])
        floors = np.full(end - first, float(threshold))
        for start, stop in portions(0, len(rows), ROWS_AT_ONCE):
            places, numbers = probes.reaching(rows, slice(start, stop), floors)
            a, b = given[first + numbers], start + places
            # Two that were both given meet twice: once is enough.
            once = ~is_given[b] | (rows.face_ids[a] < rows.face_ids[b])
            a, b, score = alike(rows, a[once], b[once], threshold)
            left.append(a)
            right.append(b)
            scores.append(score)
    return face_pairs(rows, left, right, scores, _comparisons(rows, given))


def alike(
    rows: Rows, left: Places, right: Places, threshold: float
) -> tuple[Places, Places, NDArray[np.float32]]:
    """Of pairs of rows those of two different people whose score is at least `threshold`, and the scores."""
    different = rows.person_ids[left] != rows.person_ids[right]
    left, right = left[different], right[different]
    scores = cosines(rows.vectors, left, right)
    # In float64, as the score and the threshold are compared when they are read from the database.
    enough = scores.astype(np.float64) >= threshold
    return left[enough], right[enough], scores[enough]


def face_pairs(
    rows: Rows,
    left: Sequence[Places],
    right: Sequence[Places],
    scores: Sequence[NDArray[np.float32]],
    comparisons: int,
) -> FacePairs:
    """Portions of pairs of rows, put together and in order."""
    a = np.concatenate([np.empty(0, np.intp), *left])
    b = np.concatenate([np.empty(0, np.intp), *right])
    score = np.concatenate([np.empty(0, np.float32), *scores])
    swap = rows.face_ids[a] > rows.face_ids[b]
    a, b = np.where(swap, b, a), np.where(swap, a, b)
    order = np.lexsort((rows.face_ids[b], rows.face_ids[a]))
    a, b = a[order], b[order]
    return FacePairs(
        rows.face_ids[a], rows.face_ids[b], rows.person_ids[a], rows.person_ids[b], score[order], comparisons
    )


def _comparisons(rows: Rows, given: Places) -> int:
    """Pairs of rows of different people of which at least one is in `given`.

    Of n rows, n(n-1)/2 pairs are there, and those of the n - k rows that were not given are not asked for;
    the pairs of one and the same person are counted in the same way, and are no comparisons.
    """
    people, of_given = np.unique(rows.person_ids[given], return_counts=True)
    theirs = rows.person_ids[np.isin(rows.person_ids, people)]
    of_all = np.bincount(np.searchsorted(people, theirs), minlength=len(people))
    same = (_couples(of_all) - _couples(of_all - of_given)).sum()
    return int(_couples(np.int64(len(rows))) - _couples(np.int64(len(rows) - len(given))) - same)


def _couples(count: NDArray[np.int64] | np.int64) -> NDArray[np.int64]:
    return np.asarray(count * (count - 1) // 2)


def best_of_people(pairs: FacePairs) -> PeoplePairs:
    """Of each two people the pair of faces that is most alike; of equals that of the lowest face ids."""
    swap = pairs.person_a > pairs.person_b
    person_a, person_b = _swapped(swap, pairs.person_a, pairs.person_b)
    face_a, face_b = _swapped(swap, pairs.face_a, pairs.face_b)
    order = np.lexsort((face_b, face_a, -pairs.scores, person_b, person_a))
    first = np.ones(len(order), bool)
    a, b = person_a[order], person_b[order]
    first[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1])
    best = order[first]
    return PeoplePairs(person_a[best], person_b[best], face_a[best], face_b[best], pairs.scores[best])


def _swapped(
    swap: NDArray[np.bool_], a: NDArray[np.int64], b: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.where(swap, b, a), np.where(swap, a, b)


def strongest_of_each(pairs: PeoplePairs, limit: int) -> tuple[PeoplePairs, int]:
    """The pairs that are among the `limit` strongest of either of their people, and how many are left out.

    Of equals the person with the lower id comes first. A person may keep more than `limit` pairs: those
    that are among the strongest of the other person.
    """
    people = np.concatenate([pairs.person_a, pairs.person_b])
    others = np.concatenate([pairs.person_b, pairs.person_a])
    order = np.lexsort((others, -np.tile(pairs.scores, 2), people))
    stays = np.zeros(len(people), bool)
    stays[order] = ranks(people[order]) < limit
    stay = stays[: len(pairs)] | stays[len(pairs) :]
    kept = PeoplePairs(
        pairs.person_a[stay],
        pairs.person_b[stay],
        pairs.face_a[stay],
        pairs.face_b[stay],
        pairs.scores[stay],
    )
    return kept, len(pairs) - len(kept)


def ranks(groups: NDArray[np.int64]) -> NDArray[np.intp]:
    """How many of the same group stand before each; equal values of `groups` (n,) lie side by side."""
    places = np.arange(len(groups))
    begins = np.ones(len(groups), bool)
    begins[1:] = groups[1:] != groups[:-1]
    return places - np.maximum.accumulate(np.where(begins, places, 0))
