"""Choosing the thresholds of an organization."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy.orm import Session

from portal.audit.services import Action, Actor, record
from portal.calibration.services import Thresholds, thresholds_of
from portal.database import lock, writing
from portal.duplicates.scans import apply_threshold
from portal.organizations.models import Organization

# Cosines: outside of this nearly everybody, or nobody, would match.
LOWEST, HIGHEST = 0.01, 0.99


class Purpose(StrEnum):
    """What a threshold is for."""

    SEARCH = "search"
    DUPLICATES = "duplicates"


class ThresholdError(ValueError):
    """What is wrong with a threshold, in words for staff."""


def parse_threshold(text: str) -> float:
    """A threshold as somebody typed it, with a point or a comma. Raises ThresholdError."""
    try:
        threshold = float(text.strip().replace(",", "."))
    except ValueError:
        raise ThresholdError(f"Enter a number from {LOWEST} to {HIGHEST}.") from None
    if not LOWEST <= threshold <= HIGHEST:
        raise ThresholdError(f"A threshold is a number from {LOWEST} to {HIGHEST}.")
    return threshold


def choose_threshold(
    session: Session, organization: Organization, actor: Actor, purpose: Purpose, threshold: float | None
) -> bool:
    """Set a threshold, or have the face model's (None); returns whether it was another one.

    A search that is done keeps the one that it was judged by. Pairs of people are judged anew, and where
    their threshold gets lower all people are compared again. Raises ThresholdError, and Gone.
    """
    if threshold is not None:
        threshold = round(threshold, 6)
        if not LOWEST <= threshold <= HIGHEST:
            raise ThresholdError(f"A threshold is a number from {LOWEST} to {HIGHEST}.")
    with writing(session):
        lock(session, organization)
        before = thresholds_of(session, organization)
        if before is None:
            raise ThresholdError("No face model was chosen yet: that happens when the first worker starts.")
        chosen = _chosen(organization, purpose)
        if chosen == threshold:
            return False
        if purpose == Purpose.SEARCH:
            organization.search_threshold = threshold
        else:
            organization.duplicate_threshold = threshold
        record(
            session,
            actor,
            Action.THRESHOLD_CHANGED,
            organization_id=organization.id,
            subject_type="organization",
            subject_id=organization.id,
            details={"of": purpose, "from": chosen, "to": threshold},
        )
        after = thresholds_of(session, organization)
    if purpose == Purpose.DUPLICATES and after is not None:
        _judge_pairs(session, organization, actor, before, after)
    return True


def _judge_pairs(
    session: Session, organization: Organization, actor: Actor, before: Thresholds, after: Thresholds
) -> None:
    if before.duplicates != after.duplicates:
        apply_threshold(session, organization, actor, before.duplicates, after.duplicates)


def _chosen(organization: Organization, purpose: Purpose) -> float | None:
    if purpose == Purpose.SEARCH:
        return organization.search_threshold
    return organization.duplicate_threshold
