"""An export is taken into an organization, empty or living, without the face model where it is the same.

First all of it is checked, and if anything is wrong nothing is taken. Then people are taken some at a time,
each of them whole: an import that was interrupted is run again, finds what is there, and goes on.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.orm import Session

from portal.audit.services import Action, Actor, record
from portal.calibration.choosing import Purpose, choose_threshold
from portal.database import end_reading, writing
from portal.installation.services import current_face_model
from portal.installation.thresholds import chosen_for
from portal.organizations.models import Organization
from portal.queues import enqueue_comparison, enqueue_enrolment
from portal.storage import PhotoStore
from portal.transfer.decisions import take_pairs
from portal.transfer.into import Into, Taken, Tell
from portal.transfer.opening import ExportError, opened
from portal.transfer.report import NotTaken
from portal.transfer.staging import staged
from portal.transfer.taking import take_people

THRESHOLD_CHOSEN = "A threshold was chosen here already, and that stays."
THRESHOLD_OF_ANOTHER = "It was chosen for the scores of another face model, which mean nothing to this one."


def import_export(
    session: Session,
    organization: Organization,
    actor: Actor,
    path: Path,
    store: PhotoStore,
    tell: Tell,
) -> tuple[Taken, bool]:
    """Take an export; returns what was taken, and whether the face model is the same.

    Raises ExportError; if it is about the export, nothing was taken.
    """
    model = current_face_model(session)
    if model is None:
        raise ExportError("No face model has been chosen yet: that happens when the first worker starts.")
    end_reading(session)  # the export is checked first, which can take long
    with opened(path) as export, staged(export, store, tell) as rows:
        theirs = export.manifest.face_model
        same = theirs is not None and theirs.fingerprint == model.fingerprint
        if same and theirs is not None and theirs.dimension != model.dimension:
            raise ExportError("The export's templates are not of the face model that it names.")
        into = Into(session, organization, actor, store, model, same)
        taken = Taken()
        for purpose, threshold in (
            (Purpose.SEARCH, export.manifest.thresholds.search),
            (Purpose.DUPLICATES, export.manifest.thresholds.duplicates),
        ):
            if threshold is not None:
                _take_threshold(into, purpose, threshold, taken)
        take_people(into, rows, taken, tell)
        take_pairs(into, rows, taken, tell)
        with writing(session):
            record(
                session,
                actor,
                Action.DATA_IMPORTED,
                organization_id=organization.id,
                subject_type="organization",
                subject_id=organization.id,
                details={
                    "from": export.manifest.organization.name,
                    "people": taken.people,
                    "photos": taken.photos,
                },
            )
    if taken.queued:
        enqueue_enrolment(organization.id)
    enqueue_comparison(organization.id)
    return taken, same


def _take_threshold(into: Into, purpose: Purpose, threshold: float, taken: Taken) -> None:
    """Choose a threshold as the export has it, where none was chosen here."""
    detail = f"{threshold:.6f}, for {purpose.value}"
    if not into.same_face_model:
        taken.not_taken.append(NotTaken("threshold", THRESHOLD_OF_ANOTHER, detail=detail))
        return
    into.session.refresh(into.organization)
    chosen = dict(zip(Purpose, chosen_for(into.organization, into.face_model), strict=True))[purpose]
    if chosen is None:
        choose_threshold(into.session, into.organization, into.actor, purpose, threshold)
    elif abs(chosen - threshold) > 1e-6:
        taken.not_taken.append(NotTaken("threshold", THRESHOLD_CHOSEN, detail=detail))
