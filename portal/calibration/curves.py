"""The curves of a calibration, and what a threshold costs by them.

A curve is read between its points: in the logarithm where both are above zero, as error rates fall
by a factor from score to score, and in a straight line where one is not.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict


class Estimate(TypedDict):
    """A value at each of the curves' thresholds, and the ends of its 95 % confidence interval."""

    value: list[float]
    low: list[float]
    high: list[float]


class Histogram(TypedDict):
    """`counts[i]` scores lie from `start + i * width` on and below the next."""

    start: float
    width: float
    counts: list[int]


class Curves(TypedDict):
    """What is stored of a calibration. Scores are cosines, -1…1."""

    # People in the gallery at the time of the calibration.
    people: int
    # The scores at which the estimates stand, ascending; the last is 1.
    thresholds: list[float]
    # Of searches for people who are not enrolled, the share (0…1) that finds someone all the same.
    fpir: Estimate
    # Of searches for people who are, the share (0…1) whose score with them stays below.
    fnir: Estimate | None
    # Pairs of two different people among all, as many as are expected (0…).
    false_pairs: Estimate
    # Below this score false pairs were not counted to the end: there are at least this many.
    false_pairs_from: float
    # Highest non-mated scores, one a person; highest mated scores, one a photo.
    non_mated: Histogram
    mated: Histogram | None


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ErrorRates:
    """What a threshold costs. Rates are 0…1; `fnir` is None where nobody has two photos."""

    fpir: Interval
    fnir: Interval | None
    false_pairs: Interval
    # There are at least this many false pairs: the threshold is below what was counted.
    more_false_pairs: bool


def error_rates_at(curves: Curves, threshold: float) -> ErrorRates:
    """The error rates at this threshold (a cosine, -1…1)."""
    grid = curves["thresholds"]
    fnir = curves["fnir"]
    return ErrorRates(
        _interval(grid, curves["fpir"], threshold),
        None if fnir is None else _interval(grid, fnir, threshold),
        _interval(grid, curves["false_pairs"], threshold),
        threshold < curves["false_pairs_from"],
    )


def threshold_for_fpir(curves: Curves, fpir: float) -> float | None:
    """The lowest threshold with at most this FPIR (0…1); None where none has it."""
    return _first_at_most(curves["thresholds"], curves["fpir"]["value"], fpir)


def threshold_for_false_pairs(curves: Curves, pairs: float) -> float | None:
    """The lowest threshold with at most this many false pairs expected; None where none has."""
    return _first_at_most(curves["thresholds"], curves["false_pairs"]["value"], pairs)


def surely_at_most(curves: Curves, estimate: Estimate, most: float) -> float | None:
    """The lowest threshold at which the upper end of the estimate's interval is at most `most`."""
    return _first_at_most(curves["thresholds"], estimate["high"], most)


def fpir_of_larger(fpir: float, times: float) -> float:
    """About the FPIR (0…1) at the same threshold in a gallery with `times` as many people.

    1 - (1 - FMR) ** N, the usual approximation: it takes all comparisons for independent and equally
    likely to go wrong, which relatives and look-alikes are not.
    """
    return 1 - math.pow(1 - min(fpir, 1.0), times)


def _interval(grid: Sequence[float], estimate: Estimate, threshold: float) -> Interval:
    value, low, high = (_at(grid, estimate[part], threshold) for part in ("value", "low", "high"))
    return Interval(value, low, high)


def _at(grid: Sequence[float], curve: Sequence[float], score: float) -> float:
    right = bisect_right(grid, score)
    if right == 0:
        return curve[0]
    if right == len(grid):
        return curve[-1]
    share = (score - grid[right - 1]) / (grid[right] - grid[right - 1])
    before, after = curve[right - 1], curve[right]
    if before > 0 and after > 0:
        return math.exp((1 - share) * math.log(before) + share * math.log(after))
    return (1 - share) * before + share * after


def _first_at_most(grid: Sequence[float], falling: Sequence[float], most: float) -> float | None:
    """Where a falling curve first is at most `most`: the inverse of `_at`."""
    right = next((place for place, value in enumerate(falling) if value <= most), None)
    if right is None or right == 0:
        return None if right is None else grid[0]
    before, after = falling[right - 1], falling[right]
    if after > 0:
        share = math.log(before / most) / math.log(before / after)
    else:
        share = (before - most) / (before - after)
    return grid[right - 1] + share * (grid[right] - grid[right - 1])
