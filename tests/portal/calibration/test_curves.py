"""Reading the curves: what a threshold costs, which threshold has a rate, what a band says."""

from __future__ import annotations

import pytest

from portal.calibration.bands import Band, pair_bands, search_bands
from portal.calibration.curves import (
    Estimate,
    error_rates_at,
    fpir_of_larger,
    surely_at_most,
    threshold_for_false_pairs,
    threshold_for_fpir,
)
from tests.make.calibrations import PEOPLE, curves


def test_rates_between_two_measured_thresholds() -> None:
    rates = error_rates_at(curves(), 0.45)
    # Half the way from 1 in 100 to 1 in 1,000, in the logarithm.
    assert rates.fpir.value == pytest.approx(0.01 / 10**0.5)
    assert (rates.fpir.low, rates.fpir.high) == pytest.approx((rates.fpir.value / 2, rates.fpir.value * 2))
    assert rates.fnir is not None
    assert rates.fnir.value == pytest.approx((0.04 * 0.1) ** 0.5)
    assert rates.false_pairs.value == pytest.approx(rates.fpir.value * PEOPLE / 2)


def test_rates_at_the_ends() -> None:
    assert error_rates_at(curves(), -0.5).fpir.value == 1
    assert error_rates_at(curves(), 1.0).fpir.value == 0
    # Where one end is zero there is no logarithm: in a straight line.
    assert error_rates_at(curves(), 0.8).fpir.value == pytest.approx(0.00005)


def test_false_pairs_are_at_least_so_many_where_they_were_not_counted_to_the_end() -> None:
    assert error_rates_at(curves(), 0.24).more_false_pairs
    assert not error_rates_at(curves(), 0.26).more_false_pairs


@pytest.mark.parametrize("rate", [0.5, 0.1, 0.004, 0.001, 0.00002])
def test_the_threshold_for_an_fpir_has_that_fpir(rate: float) -> None:
    threshold = threshold_for_fpir(curves(), rate)
    assert threshold is not None
    assert error_rates_at(curves(), threshold).fpir.value == pytest.approx(rate)
    threshold = threshold_for_false_pairs(curves(), rate * PEOPLE / 2)
    assert threshold is not None
    assert error_rates_at(curves(), threshold).false_pairs.value == pytest.approx(rate * PEOPLE / 2)


def test_no_threshold_where_none_has_the_fpir() -> None:
    never = curves(fpir=Estimate(value=[1, 0.9, 0.8, 0.7, 0.6, 0.5], low=[0.0] * 6, high=[1.0] * 6))
    assert threshold_for_fpir(never, 0.1) is None
    assert surely_at_most(never, never["fpir"], 0.5) is None
    assert threshold_for_fpir(never, 1.0) == 0.2


def test_bands_of_a_search() -> None:
    # The upper end of the interval is 1 in 1,000 where the rate itself is 1 in 2,000.
    bands = search_bands(curves(), 0.4)
    strong = threshold_for_fpir(curves(), 0.0005)
    assert bands.strong == pytest.approx(strong)
    assert strong is not None
    assert [bands.of(score) for score in (strong + 0.001, strong - 0.001, 0.4, 0.399)] == [
        Band.STRONG,
        Band.POSSIBLE,
        Band.POSSIBLE,
        Band.UNLIKELY,
    ]


def test_nothing_below_the_threshold_is_strong() -> None:
    bands = search_bands(curves(), 0.7)
    assert [bands.of(score) for score in (0.71, 0.69, 0.4)] == [Band.STRONG, Band.POSSIBLE, Band.UNLIKELY]


def test_a_pair_is_strong_where_one_person_in_a_thousand_has_such_a_false_pair() -> None:
    strong = pair_bands(curves(), 0.4).strong
    assert strong is not None
    # 0.5 pairs at most are expected among 1,000 people: 1 person of them.
    assert error_rates_at(curves(), strong).false_pairs.high == pytest.approx(0.5)


def test_there_is_no_band_where_nothing_was_measured_and_no_strong_one_where_too_little_was() -> None:
    assert search_bands(None, 0.4).of(0.99) is None
    assert pair_bands(None, 0.4).of(0.99) is None
    little = curves(fpir=Estimate(value=[0.01] * 6, low=[0.0] * 6, high=[0.5] * 6))
    assert search_bands(little, 0.4).of(0.99) == Band.POSSIBLE


def test_a_larger_gallery_shows_more_wrong_names() -> None:
    assert fpir_of_larger(0.01, 10) == pytest.approx(1 - 0.99**10)
    assert fpir_of_larger(1.0, 10) == 1
