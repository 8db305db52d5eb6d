"""Rates at thresholds, from scores of which each counts as often as its person was drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.error_rates.tail import fit_tail


@dataclass(frozen=True)
class Exceedances:
    """Scores, and how many a person lie at or above each of a grid's thresholds."""

    # float64 (s,), ascending, and int64 (s,): the row of the person whose score it is.
    scores: NDArray[np.float64]
    owners: NDArray[np.int64]
    # float64 (g,), ascending.
    grid: NDArray[np.float64]
    # From here on the tail is fitted; None: the scores are counted everywhere.
    tail_from: float | None

    @classmethod
    def of(cls, rows: NDArray[np.float64], grid: NDArray[np.float64], tail_from: float | None) -> Exceedances:
        """`rows` is float64 (n, k): the k scores of each of n people, -inf where there are fewer."""
        owners = np.repeat(np.arange(len(rows)), rows.shape[1])
        scores = rows.ravel()
        kept = np.flatnonzero(scores > -np.inf)
        order = kept[np.argsort(scores[kept], kind="stable")]
        return cls(scores[order], owners[order], grid, tail_from)

    def per_person(self, drawn: NDArray[Any], cautious: bool = False) -> NDArray[np.float64]:
        """Scores at or above each threshold a person, float64 (g,), with rows as often as `drawn`.

        `drawn` is int64 or float64 (n,): a row that is a part of a person counts less than 1.
        `cautious`: by the tail that is no lighter than an exponential one.
        """
        weights, people = drawn[self.owners], drawn.sum()
        above = np.append(np.cumsum(weights[::-1])[::-1], 0)
        counted = above[np.searchsorted(self.scores, self.grid)] / people
        if self.tail_from is None:
            return np.asarray(counted, np.float64)
        first = np.searchsorted(self.scores, self.tail_from)
        tail = fit_tail(self.scores[first:] - self.tail_from, weights[first:])
        tail = tail.no_lighter if cautious else tail
        beyond = tail.share_at_least(np.maximum(self.grid - self.tail_from, 0)) * above[first] / people
        return np.asarray(np.where(self.grid < self.tail_from, counted, beyond), np.float64)
