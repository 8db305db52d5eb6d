"""A gallery in memory, searched exactly: the people most like the probe are always found.

int8 products of all templates give each score up to a bound; only templates that the bound can't rule
out are compared in float32, and float32 decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.gallery.comparing import Places, Rows
from jobs.gallery.pairs import FacePairs, pairs_with
from jobs.gallery.quantized import ROUNDING, as_probes, encode, integer_product
from jobs.gallery.scores import Mates, NonMates, OwnScores, non_mates, similarity_within

FIRST_CAPACITY = 1024


@dataclass(frozen=True)
class Match:
    """A person's face that is most like the probe; `score` is the cosine, -1…1."""

    face_id: int
    person_id: int
    score: float


class ExactGallery:
    """Templates of one organization and one face model, each with its face's and its person's id."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._size = 0
        self._changes = 0
        self._row_of: dict[int, int] = {}
        self._faces_of: Counter[int] = Counter()
        self._allocate(FIRST_CAPACITY)

    def __len__(self) -> int:
        return self._size

    @property
    def people(self) -> int:
        """How many people have a face here."""
        return len(self._faces_of)

    def person_ids(self) -> list[int]:
        """The people who have a face here, lowest id first."""
        return sorted(self._faces_of)

    @property
    def changes(self) -> int:
        """How often faces were added or removed: `rows` of an earlier number do not hold any more."""
        return self._changes

    @property
    def memory_bytes(self) -> int:
        """What the columns take; the rows' numbers by face come on top, about 100 bytes each."""
        return sum(column.nbytes for column in self._columns()) + 100 * self._size

    def add(self, face_ids: Sequence[int], person_ids: Sequence[int], templates: NDArray[np.float32]) -> None:
        """Add faces; one that is here already is replaced. `templates` is float32 (n, dimension), unit rows.

        Raises ValueError if the shape does not fit.
        """
        if templates.shape != (len(face_ids), self.dimension) or len(person_ids) != len(face_ids):
            raise ValueError(f"{len(face_ids)} faces came with templates of shape {templates.shape}.")
        self.remove(face_ids)
        needed = self._size + len(face_ids)
        if needed > len(self._face_ids):
            self._allocate(max(needed, 2 * len(self._face_ids)))
        rows = slice(self._size, needed)
        self._vectors[rows] = templates
        self._codes[rows], self._scales[rows], self._errors[rows] = encode(self._vectors[rows])
        self._face_ids[rows], self._person_ids[rows] = face_ids, person_ids
        self._row_of.update(zip(face_ids, range(self._size, needed), strict=True))
        self._faces_of.update(person_ids)
        self._size = needed

    def remove(self, face_ids: Sequence[int]) -> None:
        """Remove faces; those that are not here are passed over."""
        self._changes += 1
        for face_id in face_ids:
            row = self._row_of.pop(face_id, None)
            if row is None:
                continue
            person_id = int(self._person_ids[row])
            self._faces_of[person_id] -= 1
            if not self._faces_of[person_id]:
                del self._faces_of[person_id]
            last = self._size - 1
            if row != last:
                for column in self._columns():
                    column[row] = column[last]
                self._row_of[int(self._face_ids[row])] = row
            # A template that was deleted does not linger in memory.
            self._vectors[last], self._codes[last] = 0, 0
            self._size = last

    def people_among(self, person_ids: Iterable[int] | None) -> int:
        """How many of these people (None: of all) have a face here."""
        if person_ids is None:
            return self.people
        return sum(person_id in self._faces_of for person_id in set(person_ids))

    def search(
        self, probe: NDArray[np.float32], limit: int, among: Sequence[int] | None = None
    ) -> list[Match]:
        """The `limit` people most like the probe (float32 (dimension,), unit length), best first.

        among: the ids of the only people who are compared; None: all.
        """
        people = min(limit, self.people_among(among))
        if people < 1:
            return []
        meant = None if among is None else np.isin(self._person_ids[: self._size], among)
        rows = self._contenders(probe, people, meant)
        scores = self._vectors[rows] @ probe
        face_ids, person_ids = self._face_ids[rows], self._person_ids[rows]
        matches: dict[int, Match] = {}
        for place in np.lexsort((face_ids, -scores)):
            person_id = int(person_ids[place])
            if person_id not in matches:
                score = float(np.clip(scores[place], -1, 1))
                matches[person_id] = Match(int(face_ids[place]), person_id, score)
                if len(matches) == limit:
                    break
        return list(matches.values())

    def pairs_with(self, face_ids: Iterable[int], threshold: float) -> FacePairs:
        """These faces against all: every pair of faces of two people whose score is at least `threshold`.

        Faces that are not here are passed over. Exact. `threshold` is a cosine, -1…1. About 4 ns a
        pair of 512-d faces (6 where only 64 faces are given); a low threshold, which many reach, costs more.
        """
        return pairs_with(self.rows(), self._rows_of(face_ids), threshold)

    def non_mates(self, face_ids: Iterable[int], limit: int, mates: Mates) -> NonMates:
        """For each of these faces the `limit` people most like it who are someone else; exact.

        `mates`: the ids of people who are known to be the same person as another, by that person's id; they
        don't count as someone else. Faces that are not here are passed over. Raises ValueError if `limit`
        is below 1.
        """
        if limit < 1:
            raise ValueError(f"At least 1 person is looked for, not {limit}.")
        return non_mates(self.rows(), self._rows_of(face_ids), limit, mates)

    def similarity_within(self, person_ids: Iterable[int]) -> OwnScores:
        """Each face of these people with its highest score to their other faces.

        People who have one face here, or none, are left out.
        """
        return similarity_within(self.rows(), person_ids)

    def rows(self) -> Rows:
        """The columns as they are now: views, which hold as long as `changes` stays the same."""
        return Rows(*(column[: self._size] for column in self._columns()))

    def _rows_of(self, face_ids: Iterable[int]) -> Places:
        rows = {self._row_of[face_id] for face_id in face_ids if face_id in self._row_of}
        return np.array(sorted(rows), np.intp)

    def _contenders(
        self, probe: NDArray[np.float32], people: int, meant: NDArray[np.bool_] | None
    ) -> NDArray[np.intp] | slice:
        """Rows among which the best `people` people certainly are; of the rows that are meant."""
        product = integer_product()
        if product is None:
            return slice(self._size) if meant is None else np.flatnonzero(meant)
        code, scale, error = encode(probe[None])
        given = {"codes": self._codes[: self._size], "probes": as_probes(code)}
        products = product.run(None, given)[0][:, 0]
        rough = products * (self._scales[: self._size] * scale[0])
        # Cauchy-Schwarz, with x = x̂ + e: |x·q - x̂·q̂| <= |e_x|·|q̂| + |x|·|e_q|, and |x| = 1, |q̂| <= 1 + |e_q|.
        bound = self._errors[: self._size] * (1 + error[0]) + error[0] + ROUNDING
        surely = rough - bound
        if meant is not None:
            # Below any score.
            rough[~meant] = surely[~meant] = -np.inf
        count = people
        while True:
            count = min(self._size, 4 * count)
            best = np.argpartition(-surely, count - 1)[:count]
            if len(np.unique(self._person_ids[best])) >= people:
                break
        # Each of `people` different people has a score of at least `floor`: what can't reach it is out.
        best = best[np.argsort(-surely[best], kind="stable")]
        _, firsts = np.unique(self._person_ids[best], return_index=True)
        floor = surely[best[np.sort(firsts)[people - 1]]]
        return np.flatnonzero(rough + bound >= floor)

    def _columns(self) -> tuple[NDArray[Any], ...]:
        return (self._vectors, self._codes, self._scales, self._errors, self._face_ids, self._person_ids)

    def _allocate(self, capacity: int) -> None:
        held = self._columns() if self._size else ()
        self._vectors = np.zeros((capacity, self.dimension), np.float32)
        self._codes = np.zeros((capacity, self.dimension), np.uint8)
        self._scales, self._errors = np.zeros(capacity, np.float32), np.zeros(capacity, np.float32)
        self._face_ids, self._person_ids = np.zeros(capacity, np.int64), np.zeros(capacity, np.int64)
        for column, before in zip(self._columns(), held, strict=False):
            column[: self._size] = before[: self._size]
