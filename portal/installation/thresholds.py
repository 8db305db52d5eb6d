"""The thresholds in force in an organization: the face model's own, or those that an admin chose."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from portal.installation.models import FaceModel
from portal.installation.services import current_face_model
from portal.organizations.models import Organization


@dataclass(frozen=True)
class Thresholds:
    """From which scores (cosines, -1…1) on a search says "match", and two people are shown as a pair."""

    search: float
    duplicates: float
    # Whether an admin chose it; else it is from the face model's card.
    search_chosen: bool
    duplicates_chosen: bool


def thresholds_of(session: Session, organization: Organization) -> Thresholds | None:
    """The thresholds in force; None before the first worker has chosen the installation's face model."""
    model = current_face_model(session)
    if model is None:
        return None
    search, duplicates = chosen_for(organization, model)
    return Thresholds(
        model.threshold if search is None else search,
        model.threshold if duplicates is None else duplicates,
        search is not None,
        duplicates is not None,
    )


def chosen_for(organization: Organization, model: FaceModel) -> tuple[float | None, float | None]:
    """The thresholds of searches and of duplicates that were chosen for this face model; None: its card's."""
    if organization.thresholds_model_id != model.id:
        return None, None
    return organization.search_threshold, organization.duplicate_threshold
