"""Where things stand in the plot of the scores: a drawing for a template, and the same as a table."""

from __future__ import annotations

from dataclasses import dataclass

from portal.calibration.curves import Curves, ErrorRates, Histogram, error_rates_at

# Units of the drawing: the scores of different people above the axis, those of one person below.
WIDTH, HEIGHT = 640.0, 300.0
LEFT, RIGHT, AXIS = 8.0, 632.0, 160.0
TALLEST = 112.0
# Steps between the numbers of the axis: the first that leaves room for all.
STEPS = (0.02, 0.05, 0.1, 0.2, 0.5)
MOST_NUMBERS = 10
BINS_OF_A_ROW = 4


@dataclass(frozen=True)
class Bar:
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Mark:
    """A score on the axis: a number of it, or a threshold."""

    x: float
    words: str


@dataclass(frozen=True)
class Row:
    """Scores from `start` on, below the next row's."""

    start: float
    different_people: int
    same_person: int | None
    rates: ErrorRates


@dataclass(frozen=True)
class Plot:
    non_mated: list[Bar]
    mated: list[Bar]
    numbers: list[Mark]
    thresholds: list[Mark]
    rows: list[Row]


def plot_of(curves: Curves, search: float, duplicates: float) -> Plot:
    """The plot of a calibration, with the thresholds (cosines) of searches and of duplicates."""
    non_mated, mated = curves["non_mated"], curves["mated"]
    start = non_mated["start"]
    thresholds = (
        [(search, "Both thresholds")]
        if search == duplicates
        else [(search, "Searches"), (duplicates, "Duplicates")]
    )
    return Plot(
        _bars(non_mated, upwards=True),
        _bars(mated, upwards=False) if mated else [],
        [Mark(_x(start, score), f"{score:.2f}") for score in _numbers(start)],
        [Mark(_x(start, score), f"{words} {score:.3f}") for score, words in thresholds],
        _rows(curves),
    )


def _x(start: float, score: float) -> float:
    share = (max(score, start) - start) / (1 - start)
    return round(LEFT + share * (RIGHT - LEFT), 2)


def _bars(histogram: Histogram, *, upwards: bool) -> list[Bar]:
    counts, start, width = histogram["counts"], histogram["start"], histogram["width"]
    tallest = max(counts)
    bars = []
    for place, count in enumerate(counts):
        if count:
            left, right = (_x(start, start + (place + end) * width) for end in (0, 1))
            height = round(max(1.0, TALLEST * count / tallest), 2)
            top = AXIS - height if upwards else AXIS
            bars.append(Bar(left, round(top, 2), round(right - left, 2), height))
    return bars


def _numbers(start: float) -> list[float]:
    step = next((step for step in STEPS if (1 - start) / step <= MOST_NUMBERS), STEPS[-1])
    first = int(start / step)
    scores = (step * number for number in range(first, round(1 / step) + 1))
    return [round(score, 2) for score in scores if score >= start]


def _rows(curves: Curves) -> list[Row]:
    different, same = curves["non_mated"], curves["mated"]
    rows = []
    for place in range(0, len(different["counts"]), BINS_OF_A_ROW):
        score = different["start"] + place * different["width"]
        bins = slice(place, place + BINS_OF_A_ROW)
        rows.append(
            Row(
                score,
                sum(different["counts"][bins]),
                sum(same["counts"][bins]) if same else None,
                error_rates_at(curves, score),
            )
        )
    return rows
