"""A scan: all faces of a gallery against all others, in blocks, so that it can stop and go on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jobs.gallery.comparing import PROBES_AT_ONCE, ROWS_AT_ONCE, Index, Probes, portions
from jobs.gallery.exact import ExactGallery
from jobs.gallery.pairs import FacePairs, alike, face_pairs, ranks

# Pairs of faces compared in a block: about 0.1 s of one thread where a pair takes 3 ns.
COMPARISONS_OF_A_BLOCK = 30_000_000
# A product with fewer probes wastes more than the shorter wait is worth.
FEWEST_OF_A_BLOCK = 64


@dataclass(frozen=True)
class Block:
    """What a block of a scan gave: the pairs, the last face that was compared, and how many faces were."""

    pairs: FacePairs
    last_face_id: int
    faces: int


class Scan:
    """The faces of a gallery in the order of their ids, each to be compared with those of higher ids.

    Progress is a face id, so any worker's gallery can go on where another's stopped, in whatever order its
    rows are. It is made in about 0.1 s for 1,000,000 faces and takes 20 bytes a face: templates and codes
    stay in the gallery, and a portion of them is copied only where the gallery's rows are out of order.
    """

    def __init__(self, gallery: ExactGallery) -> None:
        self._gallery, self._changes = gallery, gallery.changes
        self._rows = gallery.rows()
        self._order = np.argsort(self._rows.face_ids, kind="stable")
        self._in_order = bool((self._order[1:] > self._order[:-1]).all())
        self._face_ids = self._rows.face_ids[self._order]
        people = self._rows.person_ids[self._order]
        backwards = np.lexsort((-np.arange(len(people)), people))
        # How many faces of the same person come later.
        self._later = np.empty(len(people), np.int32)
        self._later[backwards] = ranks(people[backwards])

    @property
    def faces(self) -> int:
        """How many faces are to be compared."""
        return len(self._order)

    def block(self, after_face_id: int, threshold: float) -> Block:
        """Compare the next faces with all faces of higher ids.

        The next are those whose ids come after `after_face_id`, which need not be there; 0 begins.
        `threshold` is the lowest score, cosine, of a pair that counts. At the end no faces are left: `faces`
        is 0 and `last_face_id` is `after_face_id`. Raises RuntimeError if the gallery has changed since the
        scan was made.
        """
        if self._gallery.changes != self._changes:
            raise RuntimeError("The gallery has changed since this scan was made: make another.")
        first = int(np.searchsorted(self._face_ids, after_face_id, side="right"))
        rest = self.faces - first
        if not rest:
            return Block(face_pairs(self._rows, [], [], [], 0), after_face_id, 0)
        size = min(max(COMPARISONS_OF_A_BLOCK // rest, FEWEST_OF_A_BLOCK), PROBES_AT_ONCE, rest)
        pairs = self._compare(first, first + size, threshold)
        return Block(pairs, int(self._face_ids[first + size - 1]), size)

    def _compare(self, first: int, end: int, threshold: float) -> FacePairs:
        probes = Probes(self._rows.vectors[self._index(first, end)])
        floors = np.full(end - first, float(threshold))
        left, right, scores = [], [], []
        for start, stop in portions(first, self.faces, ROWS_AT_ONCE):
            places, numbers = probes.reaching(self._rows, self._index(start, stop), floors)
            higher = start + places > first + numbers
            a, b = self._order[first + numbers[higher]], self._order[start + places[higher]]
            a, b, score = alike(self._rows, a, b, threshold)
            left.append(a)
            right.append(b)
            scores.append(score)
        higher_ids = self.faces - 1 - np.arange(first, end)
        comparisons = int((higher_ids - self._later[first:end]).sum())
        return face_pairs(self._rows, left, right, scores, comparisons)

    def _index(self, start: int, stop: int) -> Index:
        return slice(start, stop) if self._in_order else self._order[start:stop]
