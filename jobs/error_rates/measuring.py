"""From scores to curves: what each threshold costs, with confidence intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jobs.error_rates.rates import Exceedances
from jobs.error_rates.samples import Mated, NonMated, draws, generator
from portal.calibration.curves import Curves, Estimate, Histogram

# The tail is fitted to the highest twentieth of the people's highest scores, and to no fewer than 50 of
# them: higher up too few are left to tell its shape, lower down it is not a tail yet (Coles 2001, 4.3).
TAIL_SHARE = 0.05
TAIL_LEAST = 50

REPLICATES = 500
CONFIDENCE = 0.95
POINTS = 200
BINS = 60


def measure(non_mated: NonMated, mated: Mated | None, people: int) -> Curves:
    """The curves of a gallery of this many people.

    The same scores give the same curves. Raises ValueError with fewer people than a tail needs.
    """
    highest = non_mated.highest
    if len(highest) < TAIL_LEAST:
        raise ValueError(f"{len(highest)} people are too few to tell rates by.")
    grid = np.linspace(min(float(highest.min()), 1.0 - 1e-6), 1.0, POINTS)
    random = generator(np.column_stack([highest, non_mated.pairs]))
    drawn = draws(random, non_mated.clusters, REPLICATES)
    everybody = np.ones(len(highest), np.int64)

    def estimated(scores: NDArray[np.float64], times: float) -> Estimate:
        counted = Exceedances.of(scores, grid, None)
        fitted = Exceedances.of(scores, grid, tail_start(scores[:, 0]))
        value = fitted.per_person(everybody)
        low, _ = _ends(np.array([fitted.per_person(one) for one in drawn]))
        _, high = _ends(np.array([fitted.per_person(one, cautious=True) for one in drawn]))
        # A few who are far more alike than all others (twins, or one person enrolled twice) are no part of
        # a tail, but they were seen.
        _, seen = _ends(np.array([counted.per_person(one) for one in drawn]))
        high = np.maximum(np.maximum(high, seen), value)
        return _estimate(value * times, np.minimum(low, value) * times, high * times)

    start = min(float(highest.min()), float(mated.scores.min()) if mated else 1.0)
    return Curves(
        people=people,
        thresholds=_rounded(grid),
        fpir=estimated(highest[:, None], 1),
        fnir=_fnir(mated, grid) if mated else None,
        # Each pair is met from both of its people.
        false_pairs=estimated(non_mated.pairs, people / 2),
        false_pairs_from=_counted_from(non_mated.pairs),
        non_mated=_histogram(highest, start),
        mated=_histogram(mated.scores, start) if mated else None,
    )


def tail_start(highest: NDArray[np.float64]) -> float:
    """The score from which on the tail is fitted. `highest` is float64 (n,), n >= TAIL_LEAST."""
    exceeding = max(TAIL_LEAST, round(TAIL_SHARE * len(highest)))
    return float(np.sort(highest)[-exceeding])


def _fnir(mated: Mated, grid: NDArray[np.float64]) -> Estimate:
    """Mated scores below each threshold, counted, each person as one; people are drawn with all their photos.

    Where none of n people was missed the drawing says that none ever is. So the interval's ends are no
    nearer to 0 and 1 than those of none of n: 1 - 0.025 ** (1 / n) (Clopper & Pearson 1934).
    """
    exceedances = Exceedances.of(mated.scores[:, None], grid, None)
    drawn = draws(generator(mated.scores), mated.clusters, REPLICATES)
    weights = mated.weights
    # Rounded, as thirds of people do not add up to 1 exactly.
    missed = np.round(1 - exceedances.per_person(weights), 9)
    low, high = _ends(np.round(1 - np.array([exceedances.per_person(one * weights) for one in drawn]), 9))
    none_of_all = 1 - ((1 - CONFIDENCE) / 2) ** (1 / mated.people)
    return _estimate(missed, np.minimum(low, 1 - none_of_all), np.maximum(high, none_of_all))


def _ends(replicates: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ends of the percentile interval of each column. `replicates` is float64 (b, g)."""
    low, high = np.quantile(replicates, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return low, high


def _estimate(value: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> Estimate:
    return Estimate(value=_rounded(value), low=_rounded(low), high=_rounded(high))


def _counted_from(pairs: NDArray[np.float64]) -> float:
    """From which score on nobody has more others above than were collected."""
    last = pairs[:, -1]
    return float(np.where(np.isfinite(last), last, -1.0).max())


def _histogram(scores: NDArray[np.float64], start: float) -> Histogram:
    counts, edges = np.histogram(np.clip(scores, start, 1), BINS, (start, 1.0))
    return Histogram(start=start, width=float(edges[1] - edges[0]), counts=counts.tolist())


def _rounded(values: NDArray[np.float64]) -> list[float]:
    return [float(f"{value:.6g}") for value in values]
