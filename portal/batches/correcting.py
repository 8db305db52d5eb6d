"""What needs attention in a batch is put right: retried, given another photo, checked."""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists, select, update
from sqlalchemy.orm import Session

from portal.audit.services import Action, Actor, record
from portal.batches.models import Batch, BatchItem, Decision, ItemState
from portal.batches.opening import BatchError, lock_kept
from portal.batches.reasons import HELD_BY_NAME, ItemReason
from portal.batches.services import record_event, tell_workers
from portal.database import execute_change, writing
from portal.locks import lock, lock_rows
from portal.organizations.models import Organization
from portal.photos import services as photos
from portal.photos.formats import format_of
from portal.photos.models import Photo
from portal.photos.reasons import WORDS, Reason
from portal.storage import PhotoStore
from portal.work.claims import requeued
from portal.work.models import WorkState


def retry(
    session: Session, actor: Actor, batch: Batch, *, reason: str = "", item: BatchItem | None = None
) -> int:
    """Retry photos that need attention: one, those with one reason, or all; returns how many.

    Photos without a file, or whose external id or name is wrong, stay as they are. Raises BatchError.
    """
    which: tuple[ColumnElement[bool], ...] = (
        BatchItem.batch_id == batch.id,
        BatchItem.state == ItemState.ATTENTION,
    )
    if item is not None:
        which += (BatchItem.id == item.id,)
    if reason:
        which += (BatchItem.reason == reason,)
    again = {"reason": "", "detail": "", "finished_at": None}
    with writing(session):
        lock_kept(session, batch)
        photos = select(BatchItem.photo_id).where(*which)
        execute_change(
            session,
            update(Photo)
            .where(Photo.id.in_(photos), Photo.state == WorkState.FAILED)
            .values(requeued())
            .execution_options(synchronize_session=False),
        )
        queued = exists().where(Photo.id == BatchItem.photo_id, Photo.state == WorkState.QUEUED)
        count = 0
        for state, condition in (
            (ItemState.QUEUED, queued),
            (
                ItemState.RECEIVED,
                BatchItem.file_key.is_not(None)
                & (BatchItem.external_id != "")
                & BatchItem.reason.not_in(HELD_BY_NAME),
            ),
        ):
            count += execute_change(
                session,
                update(BatchItem)
                .where(*which, condition)
                .values(state=state, **again)
                .execution_options(synchronize_session=False),
            )
        if count:
            _go_on_again(batch)
            record_event(session, actor, Action.BATCH_RETRIED, batch, {"photos": count})
    tell_workers(session, batch)
    return count


def replace(
    session: Session,
    organization: Organization,
    actor: Actor,
    batch: Batch,
    item: BatchItem,
    upload: photos.Upload,
    store: PhotoStore,
) -> None:
    """Give an item that needs attention another photo. Raises BatchError (nothing is written then), Gone."""
    found = format_of(upload.file.head)
    if isinstance(found, Reason):
        raise BatchError(f"{upload.name}: {' '.join(WORDS[found])}")
    with writing(session):
        lock(session, batch, key_share=True)
        # Photos are locked before their items, as in the worker that is done with one.
        lock_rows(session, select(Photo.id).where(Photo.id == item.photo_id))
        lock(session, item)
        if item.state != ItemState.ATTENTION or batch.decision == Decision.UNDO:
            raise BatchError("This photo no longer needs attention.")
        if not item.external_id:
            raise BatchError("It is not known whose photo this is: correct the name of the file instead.")
        unneeded = [item.file_key] if item.file_key else []
        if item.photo_id:
            unneeded += photos.delete_photos(session, organization, [item.photo_id])
            record(
                session,
                actor,
                Action.PHOTO_REMOVED,
                organization_id=organization.id,
                subject_type="person",
                subject_id=item.person_id,
                details={"photo": item.photo_id},
            )
        item.file_key, item.sha256 = upload.file.key, upload.file.sha256
        item.size_bytes, item.photo_id = upload.file.size_bytes, None
        item.state, item.reason, item.detail, item.finished_at = ItemState.RECEIVED, "", "", None
        _go_on_again(batch)
        record_event(session, actor, Action.BATCH_RETRIED, batch, {"photos": 1})
    for key in unneeded:
        store.delete(key)
    tell_workers(session, batch)


def mark_checked(session: Session, actor: Actor, batch: Batch, item: BatchItem) -> None:
    """Take a photo with several faces off the list of those to check. Raises Gone."""
    with writing(session):
        lock(session, batch, key_share=True)
        held = lock_rows(session, select(Photo.id).where(Photo.id == item.photo_id)).scalars().all()
        lock(session, item)
        if item.reason == ItemReason.SEVERAL_FACES:
            item.reason = ""
            session.execute(update(Photo).where(Photo.id.in_(held)).values(is_unclear=False))
            batch.reopen()
            record(
                session,
                actor,
                Action.FACE_CHECKED,
                organization_id=batch.organization_id,
                subject_type="person",
                subject_id=item.person_id,
                details={"photo": item.photo_id},
            )


def _go_on_again(batch: Batch) -> None:
    batch.reopen()
    if batch.decision == Decision.CANCEL:
        batch.decision = Decision.GO_ON
