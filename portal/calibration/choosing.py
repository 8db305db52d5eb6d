"""Choosing the thresholds of an organization."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy.orm import Session

from portal.audit.services import Action, Actor, record
from portal.database import writing
from portal.installation.services import current_face_model
from portal.installation.thresholds import chosen_for, thresholds_of
from portal.locks import lock
from portal.organizations.models import Organization
from portal.pairs.locking import lock_pairs
from portal.pairs.scans import apply_threshold
from portal.queues import enqueue_scan

# Cosines: outside of this nearly everybody, or nobody, would match.
LOWEST, HIGHEST = 0.01, 0.99


class Purpose(StrEnum):
    """What a threshold is for."""

    SEARCH = "search"
    DUPLICATES = "duplicates"


class ThresholdError(ValueError):
    """What is wrong with a threshold, in words for staff."""


def parse_threshold(text: str) -> float:
    """A threshold as someone typed it, with a point or a comma. Raises ThresholdError."""
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
    """Set a threshold, or use the face model's (None); returns whether it changed.

    A search that is done keeps the one that it was judged by. Pairs of people are judged again; if
    their threshold gets lower, a scan compares all people again. Raises ThresholdError, and Gone.
    """
    if threshold is not None:
        threshold = round(threshold, 6)
        if not LOWEST <= threshold <= HIGHEST:
            raise ThresholdError(f"A threshold is a number from {LOWEST} to {HIGHEST}.")
    with writing(session):
        # Before the organization, as everywhere pairs are added; others may write audit events meanwhile.
        lock_pairs(session, organization.id)
        lock(session, organization, key_share=True)
        model, before = current_face_model(session), thresholds_of(session, organization)
        if model is None or before is None:
            raise ThresholdError(
                "No face model has been chosen yet: that happens when the first worker starts."
            )
        chosen = dict(zip(Purpose, chosen_for(organization, model), strict=True))
        if chosen[purpose] == threshold:
            return False
        record(
            session,
            actor,
            Action.THRESHOLD_CHANGED,
            organization_id=organization.id,
            subject_type="organization",
            subject_id=organization.id,
            details={"of": purpose, "from": chosen[purpose], "to": threshold},
        )
        chosen[purpose] = threshold
        organization.search_threshold = chosen[Purpose.SEARCH]
        organization.duplicate_threshold = chosen[Purpose.DUPLICATES]
        organization.thresholds_model_id = model.id
        after = model.threshold if threshold is None else threshold
        scan = None
        if purpose == Purpose.DUPLICATES and after != before.duplicates:
            scan = apply_threshold(session, organization, actor, before.duplicates, after)
    if scan is not None:
        enqueue_scan(scan.id)
    return True
