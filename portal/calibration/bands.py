"""Bands: what a similarity score says, in a word, by the organization's calibration."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from portal.calibration.curves import Curves, surely_at_most

# A score is strong where, by the upper end of the interval, at most this share of searches for
# unknown people reaches it, or of people has a false pair with it.
STRONG_SHARE = 0.001


class Band(StrEnum):
    """How likely it is that two faces are of one person."""

    STRONG = "strong"
    POSSIBLE = "possible"
    UNLIKELY = "unlikely"


@dataclass(frozen=True)
class Bands:
    """From which scores (cosines, -1…1) on a band begins; `possible` is None without a calibration."""

    possible: float | None
    # None: too little data to call any score strong.
    strong: float | None

    def of(self, score: float) -> Band | None:
        """The band of a score; None without a calibration."""
        if self.possible is None:
            return None
        if self.strong is not None and score >= self.strong:
            return Band.STRONG
        return Band.POSSIBLE if score >= self.possible else Band.UNLIKELY


UNCALIBRATED = Bands(None, None)


def search_bands(curves: Curves | None, threshold: float) -> Bands:
    """Bands of candidates in a search that was judged by `threshold`."""
    if curves is None:
        return UNCALIBRATED
    return _bands(threshold, surely_at_most(curves, curves["fpir"], STRONG_SHARE))


def pair_bands(curves: Curves | None, threshold: float) -> Bands:
    """Bands of pairs of people, who are compared with the duplicates' `threshold`."""
    if curves is None:
        return UNCALIBRATED
    # Each pair has two people.
    most = STRONG_SHARE * curves["people"] / 2
    return _bands(threshold, surely_at_most(curves, curves["false_pairs"], most))


def _bands(threshold: float, strong: float | None) -> Bands:
    """Nothing below the threshold is strong; above a strong score and below it, a person is possible."""
    if strong is None:
        return Bands(threshold, None)
    return Bands(min(threshold, strong), max(threshold, strong))
