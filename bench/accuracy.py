"""Whether a threshold costs what the portal says it does: chosen on half of the people, tested on the others.

    python -m bench.accuracy --models DIR --faces DIR [--model NAME …]

The people are halved again in every split. One photo of each person is enrolled, the others are probes. The
rates at thresholds are measured on the first half by jobs.error_rates, and thresholds are chosen by them.
They are tested on the second half: each person as an unknown one, against the others of that half and
against the gallery of the first, and the further photos of those who have some against the enrolled one.

What is stated is the interval of the rate itself. A test strays from its own rate by chance: at 1 in 333,
710 searches show two wrong names on average, and often none. So what was achieved is held against both: the
interval, and a prediction interval (95 % too), which is what such a test shows where the rate is any of
those that the stated interval finds likely.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench import arguments
from bench.rows import Row, show
from jobs.error_rates.measuring import measure
from jobs.error_rates.samples import Mated, NonMated
from jobs.faces import models as packs
from jobs.faces.opening import open_engine
from jobs.faces.pipeline import FacePipeline, UnusablePhoto
from portal.calibration.curves import Curves, Interval, error_rates_at, threshold_for_fpir
from portal.chunks import chunks

SPLITS = 200
FPIRS = (0.003, 0.01)
SCORES_OF_EACH = 10
# Draws from the interval of a rate, for the prediction interval.
DRAWS = 2_000
# Half the width of a 95 % interval in standard deviations.
NORMAL_95 = 1.96
BATCH = 16


@dataclass(frozen=True)
class Half:
    """Scores of half of the people: each person's with the others, and of probes with their own photo."""

    # The enrolled photos: rows of the scores.
    enrolled: NDArray[np.intp]
    non_mated: NonMated
    mated: Mated


@dataclass(frozen=True)
class Outcome:
    """What a split's threshold was said to cost, and what it did cost."""

    threshold: float
    fpir: Interval
    fnir: Interval
    # Of the other half.
    achieved_fpir: float
    achieved_fnir: float
    people: int
    # Of the other half's people in the gallery of the first.
    fpir_among_the_first: float


def run(models: Path, faces: Path, model_names: Sequence[str]) -> list[Row]:
    """FPIR and FNIR at thresholds for each of FPIRS: stated, achieved, how often the one is in the other."""
    paths = sorted(faces.glob("*/*.jpg"))
    return [row for name in model_names for row in _rows_of(models, name, paths)]


def _rows_of(models: Path, name: str, paths: list[Path]) -> list[Row]:
    people, templates = _templates(models, name, paths)
    scores, random = templates @ templates.T, np.random.default_rng(20)
    splits = [_split(scores, people, random) for _ in range(SPLITS)]
    rows = []
    for fpir, outcomes in zip(FPIRS, zip(*splits, strict=True), strict=True):
        rows += _rows(f"{name}: FPIR {fpir:g}", outcomes, random)
    return rows


def _templates(models: Path, name: str, paths: list[Path]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """A number for the person of each photo with a face, and its main face's template."""
    engine = open_engine(packs.find(name, models, announce=lambda _: None), "auto")
    pipeline, names, templates = FacePipeline(engine), [], []
    for part in chunks(paths, BATCH):
        for path, photo in zip(part, pipeline.analyse([path.read_bytes() for path in part]), strict=True):
            if not isinstance(photo, UnusablePhoto) and photo.main is not None:
                names.append(path.parent.name)
                templates.append(photo.faces[photo.main].template)
    return np.unique(names, return_inverse=True)[1], np.array(templates)


def _split(
    scores: NDArray[np.float32], people: NDArray[np.intp], random: np.random.Generator
) -> list[Outcome]:
    """What becomes of each of FPIRS."""
    shuffled = random.permutation(people.max() + 1)
    first, second = (_half(scores, people, half) for half in np.array_split(shuffled, 2))
    curves = measure(first.non_mated, first.mated, len(first.enrolled))
    return [_outcome(scores, first, second, curves, fpir) for fpir in FPIRS]


def _outcome(scores: NDArray[np.float32], first: Half, second: Half, curves: Curves, fpir: float) -> Outcome:
    threshold = threshold_for_fpir(curves, fpir)
    assert threshold is not None, "the curves end at a score that nobody has with someone else"
    rates = error_rates_at(curves, threshold)
    assert rates.fnir is not None, "there are people with several photos"
    among_the_first = scores[np.ix_(second.enrolled, first.enrolled)].max(axis=1)
    return Outcome(
        threshold,
        rates.fpir,
        rates.fnir,
        float((second.non_mated.highest >= threshold).mean()),
        float(np.average(second.mated.scores < threshold, weights=second.mated.weights)),
        len(second.enrolled),
        float((among_the_first >= threshold).mean()),
    )


def _half(scores: NDArray[np.float32], people: NDArray[np.intp], half: NDArray[np.intp]) -> Half:
    photos = np.flatnonzero(np.isin(people, half))
    whose, first = np.unique(people[photos], return_index=True)
    enrolled = photos[first]
    others = scores[np.ix_(enrolled, enrolled)].astype(np.float64)
    np.fill_diagonal(others, -np.inf)
    order = np.argsort(-others, axis=1)[:, :SCORES_OF_EACH]
    best = np.take_along_axis(others, order, axis=1)
    non_mated = NonMated(whose, best[:, 0], best, whose[order[:, 0]])
    probes = np.setdiff1d(photos, enrolled)
    of_probe = enrolled[np.searchsorted(whose, people[probes])]
    return Half(enrolled, non_mated, Mated(people[probes], scores[probes, of_probe].astype(np.float64)))


def _rows(name: str, outcomes: Sequence[Outcome], random: np.random.Generator) -> list[Row]:
    def share(inside: list[bool]) -> float:
        return float(np.mean(inside))

    def ends(stated: list[Interval]) -> str:
        low, high = np.median([(one.low, one.high) for one in stated], axis=0)
        return f"mean; stated {low:.4f} to {high:.4f}, the median"

    fpirs, fnirs = [one.fpir for one in outcomes], [one.fnir for one in outcomes]
    splits = f"of {SPLITS} splits"
    return [
        Row(f"{name}: threshold", float(np.mean([one.threshold for one in outcomes])), "score", note="mean"),
        Row(name, float(np.mean([one.achieved_fpir for one in outcomes])), "of searches", note=ends(fpirs)),
        Row(
            f"{name}: in the stated interval",
            share([one.fpir.low <= one.achieved_fpir <= one.fpir.high for one in outcomes]),
            splits,
        ),
        Row(
            f"{name}: in the first half's gallery",
            float(np.mean([one.fpir_among_the_first for one in outcomes])),
            "of searches",
            note="mean",
        ),
        Row(
            f"{name}: there, in the stated interval",
            share([one.fpir.low <= one.fpir_among_the_first <= one.fpir.high for one in outcomes]),
            splits,
        ),
        Row(
            f"{name}: in the predicted one",
            share([_is_predicted(one, random) for one in outcomes]),
            splits,
            target="≥ 0.9",
        ),
        Row(
            f"{name}: FNIR",
            float(np.mean([one.achieved_fnir for one in outcomes])),
            "of people",
            note=ends(fnirs),
        ),
        Row(
            f"{name}: FNIR in the stated interval",
            share([one.fnir.low <= one.achieved_fnir <= one.fnir.high for one in outcomes]),
            splits,
        ),
        Row(
            f"{name}: FNIR in the predicted one",
            share([_is_fnir_predicted(one) for one in outcomes]),
            splits,
            target="≥ 0.9",
        ),
    ]


def _is_predicted(outcome: Outcome, random: np.random.Generator) -> bool:
    """Whether so many wrong names are likely, where the rate is any of those of its interval.

    The logarithm of the rate is drawn from a normal distribution with the interval's ends. Wrong names come
    in twos, as both of two people who look alike are searched for.
    """
    rate = outcome.fpir
    ends = np.log([max(rate.low, 1e-6), rate.high])
    rates = np.exp(random.normal(ends.mean(), (ends[1] - ends[0]) / (2 * NORMAL_95), DRAWS))
    shown = 2 * random.binomial(outcome.people // 2, np.minimum(rates, 1)) / outcome.people
    low, high = np.quantile(shown, [0.025, 0.975])
    return bool(low <= outcome.achieved_fpir <= high)


def _is_fnir_predicted(outcome: Outcome) -> bool:
    """Whether so many missed are likely: the second half strays by as much as the first one does."""
    rate, wider = outcome.fnir, np.sqrt(2)
    low, high = (rate.value + wider * (end - rate.value) for end in (rate.low, rate.high))
    return bool(low <= outcome.achieved_fnir <= high)


def main() -> None:
    given = arguments.parse(__doc__ or "")
    show(run(given.models, given.faces, given.model))


if __name__ == "__main__":
    main()
