"""Many templates against many: int8 products say which scores may be high enough, float64 decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.gallery.quantized import ROUNDING, as_probes, encode, integer_product

# The rows and the probes of one integer product: a megabyte of products or two stays near the core. More
# rows at a time make the one limit of a probe too low for most of them.
ROWS_AT_ONCE = 1024
PROBES_AT_ONCE = 512
# Pairs whose score is worked out at a time: 4,096 of 512 float64 are 17 MB, twice.
PAIRS_AT_ONCE = 4096
INT32 = np.iinfo(np.int32)

Places = NDArray[np.intp]
# Which rows of a gallery: a slice costs no copy.
Index = slice | Places


@dataclass(frozen=True)
class Rows:
    """The columns of a gallery, n faces: views that hold until the gallery changes.

    `vectors` float32 (n, d), unit rows; `codes` uint8 (n, d), `scales` and `errors` float32 (n,) as `encode`
    gives them; `face_ids` and `person_ids` int64 (n,).
    """

    vectors: NDArray[np.float32]
    codes: NDArray[np.uint8]
    scales: NDArray[np.float32]
    errors: NDArray[np.float32]
    face_ids: NDArray[np.int64]
    person_ids: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.face_ids)


def portions(start: int, stop: int, size: int) -> Iterator[tuple[int, int]]:
    """(first, end) of one portion after the other of start…stop, each of at most `size`."""
    for first in range(start, stop, size):
        yield first, min(first + size, stop)


class Probes:
    """At most a few hundred templates that are compared with the rows of a gallery, portion by portion."""

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self._vectors = vectors
        codes, scales, errors = encode(vectors)
        self._codes = as_probes(codes)
        self._scales, self._errors = scales.astype(np.float64), errors.astype(np.float64)

    def reaching(
        self, rows: Rows, index: Index, floors: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Where scores may be: (place within `index`, number of the probe) of every pair that may reach.

        `floors` is float64 (m,), the score that counts for each probe. Every pair whose cosine reaches its
        probe's floor is there; so are some whose cosine is a little below.
        """
        product = integer_product()
        if product is None:
            rough = rows.vectors[index] @ self._vectors.T
            return _reaching(rough, (floors - ROUNDING).astype(np.float32))
        scales, errors = rows.scales[index], rows.errors[index]
        products = product.run(None, {"codes": rows.codes[index], "probes": self._codes})[0]
        # Cauchy-Schwarz, with x = x̂ + e: |x·q - x̂·q̂| <= |e_x|·|q̂| + |x|·|e_q|, and |x| = 1, |q̂| <= 1 + |e_q|.
        # So a score of at least `floor` needs x̂·q̂ = product · scale_x · scale_q >= floor - bound =: need.
        longest = np.float64(errors.max())
        need = floors - self._bound(longest, slice(None))
        # One limit a probe that is right for all rows: the lowest product that `need` allows is that of the
        # greatest scale where `need` is positive, that of the smallest where it is not.
        scale = np.where(need > 0, np.float64(scales.max()), np.float64(scales.min()))
        limits = np.floor(need / (scale * self._scales)).clip(INT32.min, INT32.max).astype(np.int32)
        places, probes = _reaching(products, limits)
        # Each of the few that are left by its own scale and bound.
        rough = products[places, probes] * (scales[places].astype(np.float64) * self._scales[probes])
        near = rough + self._bound(errors[places].astype(np.float64), probes) >= floors[probes]
        return places[near], probes[near]

    def _bound(self, errors: NDArray[np.float64] | np.float64, probes: Index) -> NDArray[np.float64]:
        return errors * (1 + self._errors[probes]) + self._errors[probes] + ROUNDING


def _reaching(values: NDArray[Any], limits: NDArray[Any]) -> tuple[Places, Places]:
    """Rows and columns where `values` (n, m) reach the `limits` (m,) of their columns.

    Most columns have none: their greatest values say so in a third of the time that a look at each takes,
    and np.nonzero of two dimensions takes many times as long.
    """
    columns = np.flatnonzero(values.max(axis=0) >= limits)
    rows, found = np.divmod(np.flatnonzero(values[:, columns] >= limits[columns]), max(len(columns), 1))
    return rows, columns[found]


def cosines(
    vectors: NDArray[np.float32], left: NDArray[np.integer], right: NDArray[np.integer]
) -> NDArray[np.float32]:
    """The similarity scores of pairs of rows, -1…1: float32 (pairs,), added up in float64.

    `vectors` is float32 (n, d); `left` and `right` are the numbers of the rows, (pairs,). The same two
    templates have the same score whatever they are compared with, and equal ones have exactly 1.
    """
    scores = np.empty(len(left), np.float32)
    for first, end in portions(0, len(left), PAIRS_AT_ONCE):
        a = vectors[left[first:end]].astype(np.float64)
        b = vectors[right[first:end]].astype(np.float64)
        lengths = np.sqrt(_dots(a, a) * _dots(b, b))
        scores[first:end] = (_dots(a, b) / lengths).clip(-1, 1)
    return scores


def _dots(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.einsum("ij,ij->i", a, b))
