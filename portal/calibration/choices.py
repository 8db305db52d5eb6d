"""The thresholds among which an admin chooses, each with its error rates."""

from __future__ import annotations

from dataclasses import dataclass

from portal.calibration.choosing import HIGHEST, LOWEST, Purpose
from portal.calibration.curves import (
    Curves,
    ErrorRates,
    error_rates_at,
    threshold_for_false_pairs,
    threshold_for_fpir,
)
from portal.installation.thresholds import Thresholds

# How often a search of an unknown person shows a wrong name.
FPIRS = (1 / 20, 1 / 100, 1 / 300, 1 / 1000)
# False pairs per person: of 1,000 people 50, 10, 1.
FALSE_PAIRS_OF_A_PERSON = (1 / 20, 1 / 100, 1 / 1000)


@dataclass(frozen=True)
class Choice:
    """A threshold that can be chosen; `value` is what the form sends."""

    value: str
    threshold: float
    # None without a calibration.
    rates: ErrorRates | None
    of_the_card: bool
    in_force: bool


def choices_for(purpose: Purpose, thresholds: Thresholds, card: float, curves: Curves | None) -> list[Choice]:
    """The choices, lowest threshold first: by error rates, the face model's own, and the one in force."""
    in_force, chosen = _in_force(purpose, thresholds)
    offered = {round(threshold, 3) for threshold in _with_rates(purpose, curves)}
    if chosen:
        offered = {offer for offer in offered if abs(offer - in_force) >= 0.0005} | {in_force}
    choices = [
        Choice(f"{one:.6f}", one, _rates(curves, one), False, chosen and one == in_force) for one in offered
    ]
    choices.append(Choice("card", card, _rates(curves, card), True, not chosen))
    return sorted(choices, key=lambda choice: choice.threshold)


def _in_force(purpose: Purpose, thresholds: Thresholds) -> tuple[float, bool]:
    if purpose == Purpose.SEARCH:
        return thresholds.search, thresholds.search_chosen
    return thresholds.duplicates, thresholds.duplicates_chosen


def _with_rates(purpose: Purpose, curves: Curves | None) -> list[float]:
    if curves is None:
        return []
    if purpose == Purpose.SEARCH:
        found = [threshold_for_fpir(curves, fpir) for fpir in FPIRS]
    else:
        people = curves["people"]
        found = [threshold_for_false_pairs(curves, share * people) for share in FALSE_PAIRS_OF_A_PERSON]
    return [threshold for threshold in found if threshold is not None and LOWEST <= threshold <= HIGHEST]


def _rates(curves: Curves | None, threshold: float) -> ErrorRates | None:
    return None if curves is None else error_rates_at(curves, threshold)
