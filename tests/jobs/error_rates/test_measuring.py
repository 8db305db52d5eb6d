"""Curves of made-up people whose true rates are known."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from jobs.error_rates import measuring
from jobs.error_rates.measuring import TAIL_LEAST, measure
from jobs.error_rates.samples import Mated, NonMated
from portal.calibration.curves import Curves, error_rates_at

# Highest scores of the made-up people: a Gumbel distribution, about as `mbf` has it among 1,000 people.
CENTRE, SCALE = 0.3, 0.03


def highest(random: np.random.Generator, people: int) -> NDArray[np.float64]:
    return CENTRE - SCALE * np.log(-np.log(random.random(people)))


def score_of(rate: float) -> float:
    """The score that is reached by this share of the made-up people."""
    return float(CENTRE - SCALE * np.log(-np.log(1 - rate)))


def strangers(scores: NDArray[np.float64], others: int = 1) -> NonMated:
    """People each of whom has these scores with someone outside of the sample."""
    rows = np.column_stack([scores, *(scores - 0.05 * (1 + number) for number in range(others - 1))])
    return NonMated(np.arange(len(scores)) + 1, scores, rows, np.zeros(len(scores), np.int64))


@cache
def many_measurements() -> list[Curves]:
    random = np.random.default_rng(4)
    return [measure(strangers(highest(random, 300)), None, 300) for _ in range(60)]


@pytest.mark.parametrize("rate", [0.2, 0.01, 0.003, 0.001])
def test_intervals_hold_the_true_rate(rate: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even one in a thousand, measured on 300 people: of 60 intervals of 95 % at most 9 may miss it."""
    monkeypatch.setattr(measuring, "REPLICATES", 150)
    found = [error_rates_at(curves, score_of(rate)).fpir for curves in many_measurements()]
    assert sum(fpir.low <= rate <= fpir.high for fpir in found) >= 51
    assert np.median([fpir.value for fpir in found]) == pytest.approx(rate, rel=0.5)


def test_two_who_are_each_others_most_alike_count_as_one() -> None:
    scores = highest(np.random.default_rng(5), 400)
    ids = np.arange(800) + 1
    twice = np.repeat(scores, 2)
    pairs = NonMated(ids, twice, twice[:, None], np.where(ids % 2, ids + 1, ids - 1))
    assert pairs.clusters.tolist() == np.repeat(np.arange(400), 2).tolist()
    alone = strangers(np.repeat(scores, 2))
    assert len(np.unique(alone.clusters)) == 800
    apart, together = (error_rates_at(measure(one, None, 800), score_of(0.2)).fpir for one in (alone, pairs))
    assert together.value == apart.value
    # Half as many independent people: an interval wider by the root of two.
    assert (together.high - together.low) / (apart.high - apart.low) == pytest.approx(2**0.5, rel=0.15)


def test_false_pairs_are_those_among_all_people() -> None:
    # Each of 500 people, of a gallery of 10,000, has two others that are like them, 0.05 apart.
    scores = highest(np.random.default_rng(6), 500)
    curves = measure(strangers(scores, others=2), None, 10_000)
    score = score_of(0.3)
    expected = ((scores >= score).mean() + (scores - 0.05 >= score).mean()) * 10_000 / 2
    found = error_rates_at(curves, score).false_pairs
    assert found.value == pytest.approx(expected, rel=0.05)
    assert found.low < expected < found.high


def test_false_pairs_are_not_told_below_what_was_collected() -> None:
    scores = highest(np.random.default_rng(7), 300)
    curves = measure(strangers(scores, others=3), None, 300)
    # Someone has three others above this, and maybe more.
    assert curves["false_pairs_from"] == pytest.approx((scores - 0.10).max())


def test_the_same_scores_give_the_same_curves() -> None:
    scores = highest(np.random.default_rng(8), 300)
    mated = Mated(np.repeat(np.arange(50), 2), np.repeat(np.linspace(0.3, 0.8, 50), 2))
    assert measure(strangers(scores), mated, 300) == measure(strangers(scores), mated, 300)


def test_missed_people_are_counted_with_all_their_photos() -> None:
    # 30 of 100 people have all four photos at 0.4, the others at 0.7.
    mated = Mated(np.repeat(np.arange(100), 4), np.repeat(np.where(np.arange(100) < 30, 0.4, 0.7), 4))
    curves = measure(strangers(highest(np.random.default_rng(9), 300)), mated, 300)
    fnir = error_rates_at(curves, 0.55).fnir
    assert fnir is not None
    assert fnir.value == pytest.approx(0.3)
    # The interval of 30 of 100 people, not of 120 of 400 photos: about 0.3 ± 0.09.
    assert (fnir.low, fnir.high) == pytest.approx((0.21, 0.39), abs=0.02)


def test_who_has_many_photos_counts_as_one_person() -> None:
    # One person with 60 good photos, 20 people with two of which one is always missed.
    scores = np.concatenate([np.full(60, 0.8), np.tile([0.4, 0.8], 20)])
    mated = Mated(np.concatenate([np.zeros(60, int), np.repeat(np.arange(20) + 1, 2)]), scores)
    curves = measure(strangers(highest(np.random.default_rng(13), 300)), mated, 300)
    fnir = error_rates_at(curves, 0.5).fnir
    assert fnir is not None
    assert fnir.value == pytest.approx(0.5 * 20 / 21)


def test_none_missed_of_a_few_does_not_mean_that_none_ever_is() -> None:
    mated = Mated(np.repeat(np.arange(30), 2), np.full(60, 0.8))
    curves = measure(strangers(highest(np.random.default_rng(10), 300)), mated, 300)
    fnir = error_rates_at(curves, 0.5).fnir
    assert fnir is not None
    assert fnir.value == 0
    assert fnir.high == pytest.approx(1 - 0.025 ** (1 / 30), rel=1e-4)


def test_the_few_who_are_far_more_alike_are_in_the_interval() -> None:
    scores = highest(np.random.default_rng(11), 500)
    scores[:5] = 0.9
    fpir = error_rates_at(measure(strangers(scores), None, 500), 0.85).fpir
    assert fpir.high > 5 / 500


def test_too_few_people_to_tell_anything() -> None:
    with pytest.raises(ValueError, match="too few"):
        measure(strangers(highest(np.random.default_rng(12), TAIL_LEAST - 1)), None, TAIL_LEAST - 1)


def test_people_who_all_have_the_same_score() -> None:
    curves = measure(strangers(np.full(200, 1.0)), None, 200)
    assert error_rates_at(curves, 0.99999).fpir.value == 1
    curves = measure(strangers(np.full(200, 0.4)), None, 200)
    assert error_rates_at(curves, 0.41).fpir.value == 0
