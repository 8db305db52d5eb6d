"""What a threshold costs, in words for staff."""

from __future__ import annotations

import math

from portal.calibration.curves import ErrorRates, Interval

# Rarer than this is not told apart: no organization makes that many searches.
RAREST = 1e-6
# An interval whose upper end is this many times the lower is called wide.
WIDE = 5
# From here on a rate is given as so many of 100.
OFTEN = 0.1
# Where the ends of a share lie this far apart (20 of 100) only they are given: a value between is a guess.
VAGUE = 0.2


def wrong_names(fpir: Interval) -> str:
    """ "about 1 search of an unknown person in 500 (between 1 in 900 and 1 in 300)" """
    if fpir.value < RAREST:
        return f"fewer than 1 search of an unknown person in {_number(1 / RAREST)} ({_upper_end(fpir)})"
    if fpir.value > OFTEN:
        return f"about {_of_100(fpir.value)} of 100 searches of unknown people ({_between_of_100(fpir)})"
    about = _number(1 / fpir.value)
    if fpir.low < RAREST:
        return f"about 1 search of an unknown person in {about} ({_upper_end(fpir)})"
    return (
        f"about 1 search of an unknown person in {about} (between {one_in(fpir.low)} and {one_in(fpir.high)})"
    )


def missed(fnir: Interval, who: str = "known people") -> str:
    """ "about 3 of 100 known people (between 2 and 5)" """
    if is_vague(fnir):
        return f"{_of_100(fnir.low)} to {_of_100(fnir.high)} of 100 {who}"
    if fnir.value <= 0.005:
        return f"fewer than 1 of 100 {who} (at most {math.ceil(100 * fnir.high)})"
    return f"about {_of_100(fnir.value)} of 100 {who} ({_between_of_100(fnir)})"


def share_missed(fnir: Interval) -> str:
    """ "3 in 100" """
    return "fewer than 1 in 100" if fnir.value <= 0.005 else f"{_of_100(fnir.value)} in 100"


def false_pairs(rates: ErrorRates) -> str:
    """ "about 12 false pairs (between 7 and 20)" """
    pairs = rates.false_pairs
    if rates.more_false_pairs:
        return f"at least {_number(pairs.value)} false pairs"
    if pairs.value < 0.95:
        most = max(1, math.ceil(pairs.high))
        return f"fewer than 1 false pair (at most {_number(most)})"
    low, high = _number(pairs.low), _number(pairs.high)
    noun = "false pair" if _number(pairs.value) == "1" else "false pairs"
    return f"about {_number(pairs.value)} {noun} (between {low} and {high})"


def pair_count(rates: ErrorRates) -> str:
    """ "about 12", "at least 3,400", "fewer than 1" """
    pairs = rates.false_pairs.value
    if rates.more_false_pairs:
        return f"at least {_number(pairs)}"
    return "fewer than 1" if pairs < 0.95 else f"about {_number(pairs)}"


def one_in(rate: float) -> str:
    """A rate (0…1) as "1 in 300", or "30 in 100" where it is large."""
    if rate > OFTEN:
        return f"{_of_100(rate)} in 100"
    return f"1 in {_number(1 / max(rate, RAREST))}"


def sentence(words: str) -> str:
    """The words as a sentence: it begins with a capital letter."""
    words = words.strip()
    return words[:1].upper() + words[1:]


def is_wide(interval: Interval) -> bool:
    """Whether there was so little data that the two ends of the interval say quite different things."""
    return interval.high > WIDE * interval.low


def is_vague(share: Interval) -> bool:
    """Whether hardly anything is known about a share (0…1) of people."""
    return share.high - share.low > VAGUE


def tells_little(rate: Interval, fnir: Interval | None) -> bool:
    """Whether there was too little data to tell a rate, or the share of those who are missed."""
    return is_wide(rate) or (fnir is not None and is_vague(fnir))


def _upper_end(rate: Interval) -> str:
    return f"at most {one_in(rate.high)}"


def _between_of_100(rate: Interval) -> str:
    return f"between {_of_100(rate.low)} and {_of_100(rate.high)}"


def _of_100(rate: float) -> str:
    return str(round(100 * rate))


def _number(value: float) -> str:
    """A count to two significant digits, as more would claim what nobody knows: "1,400"."""
    if value < 1:
        return "0" if value < 0.5 else "1"
    digits = max(0, math.floor(math.log10(value)) - 1)
    return f"{round(value, -digits):,.0f}"
