"""The fit of a tail, on tails whose shape and scale are known."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.error_rates.tail import PRIOR, Tail, fit_tail


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.3])
def test_a_known_tail_is_found_again(shape: float) -> None:
    uniform = np.random.default_rng(1).random(50_000)
    excess = -np.log(uniform) if shape == 0 else (1 - uniform**shape) / shape
    tail = fit_tail(np.sort(0.04 * excess), np.ones(50_000, np.int64))
    assert tail.shape == pytest.approx(shape, abs=0.02)
    assert tail.scale == pytest.approx(0.04, rel=0.02)
    # Its own quantiles, down to 1 in 10,000.
    for share in (0.5, 0.01, 0.0001):
        score = 0.04 * (-np.log(share) if shape == 0 else (1 - share**shape) / shape)
        assert tail.share_at_least(np.array([score]))[0] == pytest.approx(share, rel=0.3)


def test_few_scores_say_little_about_the_shape() -> None:
    # Equal steps: a tail that ends, of shape 1 by themselves.
    few = fit_tail(np.linspace(0, 0.1, 50), np.ones(50, np.int64))
    assert few.shape == pytest.approx(50 / (50 + PRIOR), abs=0.05)
    many = fit_tail(np.linspace(0, 0.1, 50_000), np.ones(50_000, np.int64))
    assert many.shape == pytest.approx(1, abs=0.01)


def test_scores_count_as_often_as_their_weights_say() -> None:
    excess = np.sort(np.random.default_rng(2).exponential(0.04, 200))
    weights = np.random.default_rng(3).integers(0, 4, 200)
    weighted = fit_tail(excess, weights)
    repeated = fit_tail(np.repeat(excess, weights), np.ones(int(weights.sum()), np.int64))
    assert (weighted.scale, weighted.shape) == pytest.approx((repeated.scale, repeated.shape))


def test_no_lighter_than_an_exponential_tail_of_the_same_mean() -> None:
    ends = Tail(scale=0.06, shape=0.5)
    assert ends.no_lighter == Tail(scale=pytest.approx(0.04), shape=0.0)  # type: ignore[arg-type]
    heavy = Tail(scale=0.04, shape=-0.2)
    assert heavy.no_lighter == heavy


@pytest.mark.parametrize("count", [0, 1, 60])
def test_nothing_above_where_there_is_nothing_or_all_are_equal(count: int) -> None:
    tail = fit_tail(np.zeros(60), np.full(60, 1 if count else 0))
    assert tail.share_at_least(np.array([0.0, 0.001])).tolist() == [1, 0]
