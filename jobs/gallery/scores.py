"""Scores that faces have with other people, and with the other faces of their own person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
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
from jobs.gallery.pairs import ranks
from jobs.gallery.quantized import ROUNDING

Mates = Mapping[int, Set[int]]


@dataclass(frozen=True)
class NonMates:
    """The people most like each of k faces who are someone else.

    `face_ids` and `person_ids`: int64 (k,), the faces and whose they are, in the order of the face ids.
    `scores`: float32 (k, limit), cosine, -1…1, best first; NaN where there are fewer other people.
    `others`: int64 (k, limit), the ids of the people who have these scores; 0 where there are fewer.
    """

    face_ids: NDArray[np.int64]
    person_ids: NDArray[np.int64]
    scores: NDArray[np.float32]
    others: NDArray[np.int64]


@dataclass(frozen=True)
class OwnScores:
    """How much each of k faces is like the face of its own person that it is most like.

    `face_ids` and `person_ids`: int64 (k,), in the order of the people's and the faces' ids. `scores`:
    float32 (k,), cosine, -1…1.
    """

    face_ids: NDArray[np.int64]
    person_ids: NDArray[np.int64]
    scores: NDArray[np.float32]

    def rows(self) -> Iterator[tuple[int, int, float]]:
        """(face id, person id, score) of each, as Python's own numbers."""
        columns = (self.face_ids, self.person_ids, self.scores)
        return zip(*(column.tolist() for column in columns), strict=True)


def non_mates(rows: Rows, given: Places, limit: int, mates: Mates) -> NonMates:
    """The `limit` (at least 1) people most like each of the rows `given`, by the best of their faces.

    Neither a face's own person nor those whom `mates` has for that person are among them. Of equal scores
    the person with the lower id comes first.
    """
    given = given[np.argsort(rows.face_ids[given])]
    scores = np.full((len(given), limit), np.nan, np.float32)
    others = np.zeros((len(given), limit), np.int64)
    for first, end in portions(0, len(given), PROBES_AT_ONCE):
        best = _Best(rows, given[first:end], limit, mates)
        for start, stop in portions(0, len(rows), ROWS_AT_ONCE):
            best.meet(start, stop)
        scores[first:end], others[first:end] = best.scores, best.others
    return NonMates(rows.face_ids[given], rows.person_ids[given], scores, others)


class _Best:
    """The best other people so far of a few hundred faces: people who can't be among them are passed over."""

    def __init__(self, rows: Rows, given: Places, limit: int, mates: Mates) -> None:
        self._rows, self._given, self._mates = rows, given, mates
        self._probes = Probes(rows.vectors[given])
        self.scores = np.full((len(given), limit), np.nan, np.float32)
        self.others = np.zeros((len(given), limit), np.int64)
        self._floors = self._first_floors(limit)

    def _first_floors(self, limit: int) -> NDArray[np.float64]:
        """Scores that `limit` other people certainly reach, from one face each of some people.

        Of as many scores as this, even if all that must not count are the highest, `limit` that count are
        left.
        """
        people, sample = np.unique(self._rows.person_ids[:ROWS_AT_ONCE], return_index=True)
        scores = np.sort(self._rows.vectors[self._given] @ self._rows.vectors[sample].T, axis=1)[:, ::-1]
        owners = self._rows.person_ids[self._given].tolist()
        place = limit + np.array([len(self._mates.get(owner, ())) for owner in owners], np.intp)
        # With the person itself, who does not count either, `place` begins at 0.
        floors = scores[np.arange(len(owners)), place.clip(max=len(people) - 1)].astype(np.float64)
        return np.where(place < len(people), floors - ROUNDING, -np.inf)

    def meet(self, start: int, stop: int) -> None:
        """Compare with the rows start…stop of the gallery."""
        places, numbers = self._probes.reaching(self._rows, slice(start, stop), self._floors)
        others = self._rows.person_ids[start + places]
        counts = self._counts(numbers, others)
        places, numbers, others = places[counts], numbers[counts], others[counts]
        scores = cosines(self._rows.vectors, self._given[numbers], start + places)
        if len(scores):
            self._merge(numbers, others, scores)

    def _counts(self, numbers: Places, others: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the people are neither the face's own nor its mates."""
        owners = self._rows.person_ids[self._given[numbers]]
        both = zip(owners.tolist(), others.tolist(), strict=True)
        mates = [other in self._mates.get(owner, ()) for owner, other in both]
        return np.asarray((owners != others) & ~np.array(mates, bool))

    def _merge(self, numbers: Places, others: NDArray[np.int64], scores: NDArray[np.float32]) -> None:
        known_at, known = np.nonzero(~np.isnan(self.scores))
        numbers = np.concatenate([known_at, numbers])
        others = np.concatenate([self.others[known_at, known], others])
        scores = np.concatenate([self.scores[known_at, known], scores])
        # Each person once, with its best face.
        order = np.lexsort((-scores, others, numbers))
        first = np.ones(len(order), bool)
        first[1:] = np.diff(numbers[order]).astype(bool) | np.diff(others[order]).astype(bool)
        numbers, others, scores = numbers[order[first]], others[order[first]], scores[order[first]]
        order = np.lexsort((others, -scores, numbers))
        rank = ranks(numbers[order])
        limit = self.scores.shape[1]
        order, rank = order[rank < limit], rank[rank < limit]
        self.scores[numbers[order], rank], self.others[numbers[order], rank] = scores[order], others[order]
        last = self.scores[:, -1].astype(np.float64)
        self._floors = np.fmax(self._floors, last)


def similarity_within(rows: Rows, person_ids: Iterable[int]) -> OwnScores:
    """Each face of these people with its highest score to another face of the same person.

    People with one face, or none, are left out.
    """
    wanted = np.flatnonzero(np.isin(rows.person_ids, np.fromiter(set(person_ids), np.int64)))
    order = wanted[np.lexsort((rows.face_ids[wanted], rows.person_ids[wanted]))]
    begins = np.flatnonzero(np.diff(rows.person_ids[order], prepend=-1))
    kept, scores = [], []
    for theirs in np.split(order, begins[1:]):
        if len(theirs) > 1:
            kept.append(theirs)
            scores.append(_highest(rows.vectors[theirs].astype(np.float64)))
    places = np.concatenate([np.empty(0, np.intp), *kept])
    return OwnScores(
        rows.face_ids[places], rows.person_ids[places], np.concatenate([np.empty(0, np.float32), *scores])
    )


def _highest(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    """Of each row the highest cosine to another row; (n, d) with n of at least 2 -> float32 (n,)."""
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    highest = np.empty(len(vectors), np.float32)
    for first, end in portions(0, len(vectors), PROBES_AT_ONCE):
        scores = vectors[first:end] @ vectors.T
        scores[np.arange(end - first), np.arange(first, end)] = -np.inf
        highest[first:end] = scores.max(axis=1).clip(-1, 1)
    return highest
