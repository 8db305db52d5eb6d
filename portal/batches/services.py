"""Batches, as staff handle them: started, listed, paused, cancelled, undone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, selectinload

from portal.audit.services import Action, Actor, record
from portal.batches.announcing import naming_of
from portal.batches.ending import end_items, expect_no_more, give_up_archives
from portal.batches.guessing import UnclearNames, guess
from portal.batches.models import (
    Batch,
    BatchArchive,
    BatchItem,
    Decision,
    ItemState,
    KnownPeople,
)
from portal.batches.naming import Grouping, Label
from portal.batches.opening import BatchError, lock_open
from portal.batches.progress import progress_of
from portal.batches.reasons import ItemReason
from portal.database import end_reading, writing
from portal.locks import lock
from portal.organizations.models import Organization
from portal.paging import Cursor, Page, fetch_page
from portal.people.models import Person
from portal.photos.models import Photo
from portal.queues import enqueue_archive, enqueue_enrolment, enqueue_undo
from portal.storage import PhotoStore
from portal.work.models import WorkState

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
    read first.
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
        record_event(session, actor, Action.BATCH_CREATED, batch, {"source": batch.source})
    return batch


def decide_naming(session: Session, batch: Batch, paths: Iterable[str]) -> None:
    """Guess from the names how they become people, where it was not chosen.

    Raises NotOpen, and BatchError where it is unclear.
    """
    if naming_of(batch) is not None:
        return
    grouping, label = batch.grouping, batch.label
    try:
        naming = guess(paths, Grouping(grouping) if grouping else None, Label(label) if label else None)
    except UnclearNames as question:
        raise BatchError(str(question)) from question
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


def unknown_items(session: Session, batch: Batch, ids: Collection[int]) -> list[int]:
    """Those of the numbers that no item of this batch has."""
    there = select(BatchItem.id).where(BatchItem.batch_id == batch.id, BatchItem.id.in_(ids))
    return sorted(set(ids) - set(session.scalars(there)))


def find_unfinished(session: Session, organization: Organization, source: str) -> Batch | None:
    """The batch that was started from this source and still waits for files; None if there is none."""
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


def list_batches(session: Session, organization: Organization, cursor: str | None = None) -> Page[Batch]:
    """A page of batches, the newest first. Raises paging.CursorError if the cursor is damaged."""
    rows = fetch_page(
        session,
        select(Batch).where(Batch.organization_id == organization.id),
        (Batch.id,),
        Cursor.decode(cursor, (int,)) if cursor else None,
        BATCHES_A_PAGE,
        lambda row: (row[0].id,),
        descending=True,
    )
    return Page([row[0] for row in rows.items], rows.previous, rows.next)


def list_items(
    session: Session, batch: Batch, state: ItemState, reason: str = "", cursor: str | None = None
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
        Cursor.decode(cursor, (str, int)) if cursor else None,
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


def items_needing_attention(session: Session, batch: Batch) -> Iterator[BatchItem]:
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
        # Nothing is held between two reads: a download may be slow.
        end_reading(session)
        if not items:
            return
        yield from items
        last = items[-1].id
        session.expunge_all()


def record_view(session: Session, actor: Actor, batch: Batch) -> None:
    """Write down that someone viewed a batch, and so people."""
    with writing(session):
        record_event(session, actor, Action.BATCH_VIEWED, batch)


def record_report(session: Session, actor: Actor, batch: Batch) -> None:
    """Write down that someone took the list of what needs attention out of the portal."""
    with writing(session):
        record_event(session, actor, Action.BATCH_REPORTED, batch)


def pause(session: Session, actor: Actor, batch: Batch) -> None:
    """Make the workers leave a batch alone; the few photos they are working on are finished.

    Raises BatchError, and Gone.
    """
    with writing(session):
        lock(session, batch, key_share=True)
        if batch.decision != Decision.GO_ON or batch.finished_at is not None:
            raise BatchError("Only a batch that is under way can be paused.")
        batch.decision = Decision.PAUSE
        record_event(session, actor, Action.BATCH_PAUSED, batch)


def resume(session: Session, actor: Actor, batch: Batch) -> None:
    """Go on with a paused batch. Raises BatchError, and Gone."""
    with writing(session):
        lock(session, batch, key_share=True)
        if batch.decision != Decision.PAUSE:
            raise BatchError("This batch is not paused.")
        batch.decision = Decision.GO_ON
        record_event(session, actor, Action.BATCH_RESUMED, batch)
    tell_workers(session, batch)


def cancel(session: Session, actor: Actor, batch: Batch, store: PhotoStore) -> None:
    """End a batch where it is: what is enrolled stays, the rest needs attention and keeps its files.

    Raises BatchError, and Gone.
    """
    with writing(session):
        lock(session, batch, key_share=True)
        if batch.decision not in (Decision.GO_ON, Decision.PAUSE) or batch.finished_at is not None:
            raise BatchError("This batch has already ended.")
        batch.decision, batch.announced = Decision.CANCEL, True
        waiting = (ItemState.EXPECTED, ItemState.RECEIVED)
        end_items(session, batch, ItemReason.CANCELLED, BatchItem.state.in_(waiting))
        given_up = give_up_archives(session, batch, "The batch was cancelled before it was unpacked.")
        record_event(session, actor, Action.BATCH_CANCELLED, batch)
    store.delete_archives(given_up)


def finish_without_missing(session: Session, actor: Actor, batch: Batch, store: PhotoStore) -> int:
    """Stop waiting for files that did not come; returns how many did not. Raises NotOpen, and Gone."""
    with writing(session):
        lock_open(session, batch)
        missing, given_up = expect_no_more(session, batch)
        record_event(session, actor, Action.BATCH_FINISHED, batch, {"missing": missing})
    store.delete_archives(given_up)
    return missing


def undo(session: Session, actor: Actor, batch: Batch, store: PhotoStore) -> None:
    """Have everything that a batch brought removed; a worker does it. Raises BatchError, and Gone."""
    with writing(session):
        lock(session, batch, key_share=True)
        progress = progress_of(session, batch)
        if batch.decision == Decision.UNDO:
            raise BatchError("This batch is already being undone.")
        if not progress.counts.total:
            raise BatchError("This batch has brought nothing, so there is nothing to undo.")
        if not progress.can_be_undone:
            raise BatchError("A batch can be undone within a day. This one is older.")
        batch.decision, batch.announced = Decision.UNDO, True
        batch.reopen()
        given_up = give_up_archives(session, batch, "The batch was undone before it was unpacked.")
        record_event(session, actor, Action.BATCH_UNDONE, batch)
    store.delete_archives(given_up)
    enqueue_undo(batch.id)


def enqueue_due(session: Session) -> None:
    """Tell the workers of batches that have something for them: called by the sweep."""
    going = (Batch.finished_at.is_(None), Batch.decision == Decision.GO_ON)
    received = exists().where(BatchItem.batch_id == Batch.id, BatchItem.state == ItemState.RECEIVED)
    for organization_id in session.scalars(select(Batch.organization_id).where(*going, received).distinct()):
        enqueue_enrolment(organization_id)
    for archive_id in session.scalars(
        select(BatchArchive.id)
        .join(Batch, Batch.id == BatchArchive.batch_id)
        .where(
            *going,
            BatchArchive.arrived,
            BatchArchive.state == WorkState.QUEUED,
            BatchArchive.samples.is_(None),
        )
    ):
        enqueue_archive(archive_id)
    undoing = (Batch.finished_at.is_(None), Batch.decision == Decision.UNDO)
    for batch_id in session.scalars(select(Batch.id).where(*undoing)):
        enqueue_undo(batch_id)


def tell_workers(session: Session, batch: Batch) -> None:
    """Say that a batch has photos, or ZIPs that arrived."""
    enqueue_enrolment(batch.organization_id)
    for archive_id in session.scalars(
        select(BatchArchive.id).where(
            BatchArchive.batch_id == batch.id, BatchArchive.arrived, BatchArchive.state == WorkState.QUEUED
        )
    ):
        enqueue_archive(archive_id)


def record_event(
    session: Session, actor: Actor, action: Action, batch: Batch, details: dict[str, Any] | None = None
) -> None:
    """Write down what someone did with a batch, in the caller's transaction."""
    record(
        session,
        actor,
        action,
        organization_id=batch.organization_id,
        subject_type="batch",
        subject_id=batch.id,
        details=details,
    )
