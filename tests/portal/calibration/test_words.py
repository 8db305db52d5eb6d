"""The error rates of a threshold in words."""

from __future__ import annotations

import pytest

from portal.calibration import words
from portal.calibration.curves import ErrorRates, Interval


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        (
            Interval(1 / 500, 1 / 900, 1 / 300),
            "about 1 search of an unknown person in 500 (between 1 in 900 and 1 in 300)",
        ),
        (
            Interval(1 / 1423, 0.0, 1 / 300),
            "about 1 search of an unknown person in 1,400 (at most 1 in 300)",
        ),
        (Interval(0.2, 0.154, 0.25), "about 20 of 100 searches of unknown people (between 15 and 25)"),
        (
            Interval(0.0, 0.0, 0.001),
            "fewer than 1 search of an unknown person in 1,000,000 (at most 1 in 1,000)",
        ),
    ],
)
def test_wrong_names(interval: Interval, said: str) -> None:
    assert words.wrong_names(interval) == said


def test_missed() -> None:
    assert words.missed(Interval(0.03, 0.02, 0.05)) == "about 3 of 100 known people (between 2 and 5)"
    assert words.missed(Interval(0.0, 0.0, 0.013)) == "fewer than 1 of 100 known people (at most 2)"
    assert words.missed(Interval(0.005, 0.001, 0.02)) == "fewer than 1 of 100 known people (at most 2)"
    # A value between the two would say what nobody knows.
    assert words.missed(Interval(0.0, 0.0, 0.98)) == "0 to 98 of 100 known people"


@pytest.mark.parametrize(
    ("pairs", "more", "said"),
    [
        (Interval(12, 7, 20), False, "about 12 false pairs (between 7 and 20)"),
        (Interval(1.1, 0.4, 2), False, "about 1 false pair (between 0 and 2)"),
        (Interval(0.3, 0, 2.2), False, "fewer than 1 false pair (at most 3)"),
        (Interval(3412, 3000, 4000), True, "at least 3,400 false pairs"),
    ],
)
def test_false_pairs(pairs: Interval, more: bool, said: str) -> None:
    assert words.false_pairs(ErrorRates(Interval(0, 0, 0), None, pairs, more)) == said


def test_an_interval_is_wide_where_its_ends_say_different_things() -> None:
    assert words.is_wide(Interval(0.01, 0.001, 0.02))
    assert words.is_wide(Interval(0.0, 0.0, 0.02))
    assert not words.is_wide(Interval(0.01, 0.005, 0.02))


def test_a_score_is_never_a_percentage() -> None:
    said = [words.wrong_names(Interval(rate, rate / 2, min(1, 2 * rate))) for rate in (0, 0.001, 0.1, 0.9)]
    assert not any("%" in one for one in said)
