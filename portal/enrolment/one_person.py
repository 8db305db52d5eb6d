"""Staff say that photos which do not look alike show one person: they are enrolled after all."""

from __future__ import annotations

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from portal.audit.services import Action, Actor
from portal.batches.models import Batch, BatchItem, ItemState
from portal.batches.opening import BatchError, lock_kept
from portal.batches.services import record_event, tell_workers
from portal.database import now, writing
from portal.enrolment.likeness import best_score, like_threshold
from portal.installation.services import current_face_model
from portal.locks import lock_rows
from portal.pairs.models import OddPhoto
from portal.photos.models import Photo
from portal.photos.reasons import Reason
from portal.work.claims import requeued
from portal.work.models import WorkState

DECIDED = "Someone else has decided about these photos already."


def confirm_one_person(session: Session, actor: Actor, batch: Batch, person_id: int) -> int:
    """Enrol the photos of a batch that were held up as unlike the others of this person; returns how many.

    Raises BatchError, and Gone.
    """
    with writing(session):
        lock_kept(session, batch)
        theirs = select(BatchItem.photo_id).where(
            BatchItem.batch_id == batch.id,
            BatchItem.person_id == person_id,
            BatchItem.state == ItemState.ATTENTION,
            BatchItem.reason == Reason.UNLIKE_OTHERS,
        )
        failed = (Photo.id.in_(theirs), Photo.state == WorkState.FAILED, Photo.person_id == person_id)
        photos = lock_rows(session, select(Photo).where(*failed)).scalars().all()
        if not photos:
            raise BatchError(DECIDED)
        model = current_face_model(session)
        assert model is not None, "photos were analysed"
        ids = [photo.id for photo in photos]
        session.execute(delete(OddPhoto).where(OddPhoto.photo_id.in_(ids)))
        session.add_all(
            OddPhoto(
                photo_id=photo.id,
                organization_id=photo.organization_id,
                person_id=person_id,
                score=best_score(session, photo),
                threshold=like_threshold(model),
                checked_at=now(),
                checked_by=actor.name,
            )
            for photo in photos
        )
        session.execute(
            update(Photo)
            .where(Photo.id.in_(ids))
            .values(requeued())
            .execution_options(synchronize_session=False)
        )
        session.execute(
            update(BatchItem)
            .where(BatchItem.batch_id == batch.id, BatchItem.photo_id.in_(ids))
            .values(state=ItemState.QUEUED, reason="", detail="", finished_at=None)
            .execution_options(synchronize_session=False)
        )
        batch.reopen()
        record_event(session, actor, Action.BATCH_ONE_PERSON, batch, {"photos": len(ids)})
    tell_workers(session, batch)
    return len(ids)
