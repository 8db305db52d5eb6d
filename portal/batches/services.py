"""Batches, as staff handle them: started, listed, paused, cancelled, undone, put right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, exists, select, update
from sqlalchemy.orm import Session, selectinload

from portal.audit.services import Action, Actor, record
from portal.batches.announcing import (
    BatchError,
    end_items,
    expect_no_more,
    give_up_archives,
    lock_open,
    naming_of,
)
from portal.batches.models import (
    Batch,
    BatchArchive,
    BatchItem,
    Decision,
    ItemState,
    KnownPeople,
)
from portal.batches.naming import Grouping, Label, guess
from portal.batches.progress import progress_of
from portal.batches.reasons import ItemReason
from portal.database import execute_change, lock, writing
from portal.enrolment import services as enrolment
from portal.enrolment.formats import format_of
from portal.enrolment.models import Photo, WorkState
from portal.enrolment.reasons import WORDS, Reason
from portal.organizations.models import Organization
from portal.paging import Cursor, Page, fetch_page
from portal.people.models import Person
from portal.queues import enqueue_archive, enqueue_enrolment, enqueue_undo
from portal.storage import PhotoStore

BATCHES_A_PAGE = 20
ITEMS_A_PAGE = 50
REPORTED_AT_ONCE = 1000


def start_batch(
    session: Session,
    organization: Organization,
    actor: Actor,
    *,
    grouping: Grouping | None,
    label: Label | None,
    known: KnownPeople,
    source: str,
) -> Batch:
    """Begin a batch; its files are announced and received next.

    grouping, label: how names become people; None where a manifest will say it, or all names have to be
    seen first.
    """
    with writing(session):
        batch = Batch(
            organization_id=organization.id,
            created_by_id=actor.user_id,
            created_by=actor.name,
            source=source[-500:],
            grouping=grouping,
            label=label,
            known=known,
        )
        session.add(batch)
        session.flush()
        _record(session, actor, Action.BATCH_CREATED, batch, {"source": batch.source})
    return batch


def decide_naming(session: Session, batch: Batch, paths: Iterable[str]) -> None:
    """Take from the names how they become people, as far as nobody chose. Raises NotOpen."""
    if naming_of(batch) is not None:
        return
    grouping, label = batch.grouping, batch.label
    naming = guess(paths, Grouping(grouping) if grouping else None, Label(label) if label else None)
    with writing(session):
        lock_open(session, batch)
        batch.grouping, batch.label = naming.grouping, naming.label


def find_batch(session: Session, organization: Organization, batch_id: int) -> Batch | None:
    """A batch of this organization; None for one that is not there or another's."""
    return session.scalar(select(Batch).where(Batch.id == batch_id, Batch.organization_id == organization.id))


def find_item(session: Session, organization: Organization, item_id: int) -> BatchItem | None:
    """An item of a batch of this organization; None for one that is not there or another's."""
    return session.scalar(
        select(BatchItem).where(BatchItem.id == item_id, BatchItem.organization_id == organization.id)
    )


def find_unfinished(session: Session, organization: Organization, source: str) -> Batch | None:
    """The batch that was begun from this source and still waits for files; None if there is none."""
    batches = session.scalars(
        select(Batch)
        .where(
            Batch.organization_id == organization.id,
            Batch.source == source[-500:],
            Batch.finished_at.is_(None),
            Batch.decision == Decision.GO_ON,
        )
        .order_by(Batch.id.desc())
    )
    return next((batch for batch in batches if progress_of(session, batch).wants_files), None)


def list_batches(session: Session, organization: Organization, after: str | None = None) -> Page[Batch]:
    """A page of batches, the newest first. Raises paging.CursorError if the cursor is damaged."""
    rows = fetch_page(
        session,
        select(Batch).where(Batch.organization_id == organization.id),
        (Batch.id,),
        Cursor.decode(after, (int,)) if after else None,
        BATCHES_A_PAGE,
        lambda row: (row[0].id,),
        descending=True,
    )
    return Page([row[0] for row in rows.items], rows.previous, rows.next)


def list_items(
    session: Session, batch: Batch, state: ItemState, reason: str = "", after: str | None = None
) -> Page[BatchItem]:
    """A page of a batch's items in a state, by reason; or those of one reason.

    Raises paging.CursorError if the cursor is damaged.
    """
    query = select(BatchItem).where(BatchItem.batch_id == batch.id, BatchItem.state == state)
    if reason:
        query = query.where(BatchItem.reason == reason)
    rows = fetch_page(
        session,
        query,
        (BatchItem.reason, BatchItem.id),
        Cursor.decode(after, (str, int)) if after else None,
        ITEMS_A_PAGE,
        lambda row: (row[0].reason, row[0].id),
    )
    return Page([row[0] for row in rows.items], rows.previous, rows.next)


def people_of(session: Session, items: Sequence[BatchItem]) -> dict[int, Person]:
    """The people whom these items became, by id."""
    ids = {item.person_id for item in items if item.person_id}
    return {person.id: person for person in session.scalars(select(Person).where(Person.id.in_(ids)))}


def photos_of(session: Session, items: Sequence[BatchItem]) -> dict[int, Photo]:
    """The photos that these items became, with their faces, by id."""
    ids = {item.photo_id for item in items if item.photo_id}
    query = select(Photo).options(selectinload(Photo.faces)).where(Photo.id.in_(ids))
    return {photo.id: photo for photo in session.scalars(query)}


def attention(session: Session, batch: Batch) -> Iterator[BatchItem]:
    """All items that need attention, in the order of their rows, a thousand in memory at a time."""
    last = 0
    while True:
        items = session.scalars(
            select(BatchItem)
            .where(
                BatchItem.batch_id == batch.id,
                BatchItem.state == ItemState.ATTENTION,
                BatchItem.id > last,
            )
            .order_by(BatchItem.id)
            .limit(REPORTED_AT_ONCE)
        ).all()
        if not items:
            return
        yield from items
        last = items[-1].id
        session.expunge_all()


def record_view(session: Session, actor: Actor, batch: Batch) -> None:
    """Write down that somebody looked at a batch, and so at people."""
    with writing(session):
        _record(session, actor, Action.BATCH_VIEWED, batch)


def record_report(session: Session, actor: Actor, batch: Batch) -> None:
    """Write down that somebody took the list of what needs attention out of the portal."""
    with writing(session):
        _record(session, actor, Action.BATCH_REPORTED, batch)


def pause(session: Session, actor: Actor, batch: Batch) -> None:
    """Have the workers leave a batch alone; the few photos that they are at are finished.

    Raises BatchError, and Gone.
    """
    with writing(session):
        lock(session, batch, key_share=True)
        if batch.decision != Decision.GO_ON or batch.finished_at is not None:
            raise BatchError("Only a batch that is under way can be paused.")
        batch.decision = Decision.PAUSE
        _record(session, actor, Action.BATCH_PAUSED, batch)


def resume(session: Session, actor: Actor, batch: Batch) -> None:
    """Go on with a paused batch. Raises BatchError, and Gone."""
    with writing(session):
        lock(session, batch, key_share=True)
        if batch.decision != Decision.PAUSE:
            raise BatchError("This batch is not paused.")
        batch.decision = Decision.GO_ON
        _record(session, actor, Action.BATCH_RESUMED, batch)
    _enqueue(session, batch)


def cancel(session: Session, actor: Actor, batch: Batch, store: PhotoStore) -> None:
    """End a batch where it is: what is enrolled stays, the rest needs attention and keeps its files.

    Raises BatchError, and Gone.
    """
    with writing(session):
        lock(session, batch, key_share=True)
        if batch.decision not in (Decision.GO_ON, Decision.PAUSE) or batch.finished_at is not None:
            raise BatchError("This batch has ended already.")
        batch.decision, batch.announced = Decision.CANCEL, True
        waiting = (ItemState.EXPECTED, ItemState.RECEIVED)
        end_items(session, batch, ItemReason.CANCELLED, BatchItem.state.in_(waiting))
        given_up = give_up_archives(session, batch, "The batch was cancelled before it was unpacked.")
        _record(session, actor, Action.BATCH_CANCELLED, batch)
    store.delete_archives(given_up)


def finish_without_missing(session: Session, actor: Actor, batch: Batch, store: PhotoStore) -> int:
    """Wait no longer for files that did not come; returns how many did not. Raises NotOpen, and Gone."""
    with writing(session):
        lock_open(session, batch)
        missing, given_up = expect_no_more(session, batch)
        _record(session, actor, Action.BATCH_FINISHED, batch, {"missing": missing})
    store.delete_archives(given_up)
    return missing


def undo(session: Session, actor: Actor, batch: Batch, store: PhotoStore) -> None:
    """Have everything removed again that a batch brought; a worker does it. Raises BatchError, and Gone."""
    with writing(session):
        lock(session, batch, key_share=True)
        progress = progress_of(session, batch)
        if batch.decision == Decision.UNDO:
            raise BatchError("This batch is being undone already.")
        if not progress.counts.total:
            raise BatchError("Nothing has come with this batch, so there is nothing to undo.")
        if not progress.can_be_undone:
            raise BatchError("A batch can be undone within a day. This one is older.")
        batch.decision, batch.announced = Decision.UNDO, True
        batch.finished_at = batch.counts = None
        given_up = give_up_archives(session, batch, "The batch was undone before it was unpacked.")
        _record(session, actor, Action.BATCH_UNDONE, batch)
    store.delete_archives(given_up)
    enqueue_undo(batch.id)


def retry(
    session: Session, actor: Actor, batch: Batch, *, reason: str = "", item: BatchItem | None = None
) -> int:
    """Have photos that need attention tried again: one, those of a reason, or all; returns how many.

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
        lock(session, batch, key_share=True)
        if batch.decision == Decision.UNDO:
            raise BatchError("The batch was undone: its photos are not there any more.")
        photos = select(BatchItem.photo_id).where(*which)
        execute_change(
            session,
            update(Photo)
            .where(Photo.id.in_(photos), Photo.state == WorkState.FAILED)
            .values(state=WorkState.QUEUED, reason=None, finished_at=None, attempts=0, claimed_by=None)
            .execution_options(synchronize_session=False),
        )
        queued = exists().where(Photo.id == BatchItem.photo_id, Photo.state == WorkState.QUEUED)
        count = 0
        for state, condition in (
            (ItemState.QUEUED, queued),
            (ItemState.RECEIVED, BatchItem.file_key.is_not(None) & (BatchItem.external_id != "")),
        ):
            count += execute_change(
                session,
                update(BatchItem)
                .where(*which, condition)
                .values(state=state, **again)
                .execution_options(synchronize_session=False),
            )
        if count:
            _reopen(batch)
            _record(session, actor, Action.BATCH_RETRIED, batch, {"photos": count})
    _enqueue(session, batch)
    return count


def replace(
    session: Session,
    organization: Organization,
    actor: Actor,
    batch: Batch,
    item: BatchItem,
    upload: enrolment.Upload,
    store: PhotoStore,
) -> None:
    """Give an item that needs attention another photo. Raises BatchError (nothing is written then), Gone."""
    found = format_of(upload.file.head)
    if isinstance(found, Reason):
        raise BatchError(f"{upload.name}: {' '.join(WORDS[found])}")
    with writing(session):
        lock(session, batch, key_share=True)
        # Photos are locked before their items, as by the worker that is done with one.
        session.execute(select(Photo.id).where(Photo.id == item.photo_id).with_for_update())
        lock(session, item)
        if item.state != ItemState.ATTENTION or batch.decision == Decision.UNDO:
            raise BatchError("This photo does not need attention any more.")
        if not item.external_id:
            raise BatchError("Nobody knows whose photo this is: correct the name of the file instead.")
        unneeded = [item.file_key] if item.file_key else []
        if item.photo_id:
            unneeded += enrolment.delete_photos(session, organization, [item.photo_id])
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
        _reopen(batch)
        _record(session, actor, Action.BATCH_RETRIED, batch, {"photos": 1})
    for key in unneeded:
        store.delete(key)
    _enqueue(session, batch)


def mark_checked(session: Session, actor: Actor, batch: Batch, item: BatchItem) -> None:
    """Take a photo with several faces off the list of those to check. Raises Gone."""
    with writing(session):
        lock(session, batch, key_share=True)
        lock(session, item)
        if item.reason == ItemReason.SEVERAL_FACES:
            item.reason = ""
            batch.finished_at = batch.counts = None
            record(
                session,
                actor,
                Action.FACE_CHECKED,
                organization_id=batch.organization_id,
                subject_type="person",
                subject_id=item.person_id,
                details={"photo": item.photo_id},
            )


def send_again(session: Session) -> None:
    """Tell the workers of batches that have something for them: called by the sweep."""
    going = (Batch.finished_at.is_(None), Batch.decision == Decision.GO_ON)
    received = exists().where(BatchItem.batch_id == Batch.id, BatchItem.state == ItemState.RECEIVED)
    for organization_id in session.scalars(select(Batch.organization_id).where(*going, received).distinct()):
        enqueue_enrolment(organization_id)
    for archive_id in session.scalars(
        select(BatchArchive.id)
        .join(Batch, Batch.id == BatchArchive.batch_id)
        .where(*going, BatchArchive.arrived, BatchArchive.state == WorkState.QUEUED)
    ):
        enqueue_archive(archive_id)
    undoing = (Batch.finished_at.is_(None), Batch.decision == Decision.UNDO)
    for batch_id in session.scalars(select(Batch.id).where(*undoing)):
        enqueue_undo(batch_id)


def _enqueue(session: Session, batch: Batch) -> None:
    enqueue_enrolment(batch.organization_id)
    for archive_id in session.scalars(
        select(BatchArchive.id).where(
            BatchArchive.batch_id == batch.id, BatchArchive.arrived, BatchArchive.state == WorkState.QUEUED
        )
    ):
        enqueue_archive(archive_id)


def _reopen(batch: Batch) -> None:
    batch.finished_at = batch.counts = None
    if batch.decision == Decision.CANCEL:
        batch.decision = Decision.GO_ON


def _record(
    session: Session, actor: Actor, action: Action, batch: Batch, details: dict[str, Any] | None = None
) -> None:
    record(
        session,
        actor,
        action,
        organization_id=batch.organization_id,
        subject_type="batch",
        subject_id=batch.id,
        details=details,
    )
