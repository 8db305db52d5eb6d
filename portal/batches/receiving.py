"""Photos of a batch as they arrive: stored already, now given to the items that wait for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.batches.announcing import AnnouncedItem
from portal.batches.items import key_of_another
from portal.batches.models import Batch, BatchItem, ItemState
from portal.batches.opening import NotOpen, lock_open
from portal.batches.reasons import ItemReason
from portal.database import now, writing
from portal.locks import lock_rows
from portal.photos.formats import format_of
from portal.photos.reasons import Reason
from portal.queues import enqueue_enrolment
from portal.storage import PhotoStore, StoredFile


@dataclass(frozen=True)
class Arrival:
    """A file that came for an item, in the store; or, with a reason, one that could not be kept."""

    item_id: int
    file: StoredFile | None
    reason: ItemReason | None = None


def receive(
    session: Session, batch: Batch, arrivals: Sequence[Arrival], store: PhotoStore
) -> list[AnnouncedItem]:
    """Give files to their items, all in one transaction, and tell the workers.

    A file that came twice is kept once; another one of the same path gets an item of its own. Returns the
    items, of those arrivals whose items are of this batch. Raises NotOpen; the files are removed then.
    """
    try:
        received, unneeded = _give(session, batch, arrivals)
    except NotOpen:
        for arrival in arrivals:
            if arrival.file is not None:
                store.delete(arrival.file.key)
        raise
    for file in unneeded:
        store.delete(file.key)
    if len(unneeded) < len(arrivals):
        enqueue_enrolment(batch.organization_id)
    return received


def _give(
    session: Session, batch: Batch, arrivals: Sequence[Arrival]
) -> tuple[list[AnnouncedItem], list[StoredFile]]:
    """Give files to their items; returns the items, and the files that none of them keeps."""
    unneeded: list[StoredFile] = []
    with writing(session):
        lock_open(session, batch)
        batch.reopen()
        arrived = select(BatchItem).where(
            BatchItem.batch_id == batch.id, BatchItem.id.in_([arrival.item_id for arrival in arrivals])
        )
        items = {item.id: item for item in lock_rows(session, arrived).scalars()}
        received = []
        for arrival in arrivals:
            item = items.get(arrival.item_id)
            if item is not None and _is_another(item, arrival):
                item = _item_of_another(session, batch, item, arrival)
            kept = item is not None and _keeps(item, arrival)
            if arrival.file is not None and not kept:
                unneeded.append(arrival.file)
            if item is not None:
                received.append(AnnouncedItem(item.id, item.state, item.reason, item.sha256))
    return received, unneeded


def _is_another(item: BatchItem, arrival: Arrival) -> bool:
    """Whether an item that has its photo is given a different one."""
    return arrival.file is not None and item.sha256 not in (None, arrival.file.sha256)


def _item_of_another(session: Session, batch: Batch, item: BatchItem, arrival: Arrival) -> BatchItem:
    """The item of another photo of the same path, made if it is new."""
    assert arrival.file is not None
    key = key_of_another(item.path_key, arrival.file.sha256[:16])
    there = session.scalar(select(BatchItem).where(BatchItem.batch_id == batch.id, BatchItem.path_key == key))
    if there is not None:
        return there
    another = BatchItem(
        batch_id=batch.id,
        organization_id=batch.organization_id,
        path=item.path,
        path_key=key,
        external_id=item.external_id,
        name=item.name,
        state=ItemState.EXPECTED,
        reason="",
    )
    if item.line is not None:
        # A row of a manifest means one photo, and it is not known whether it is this one.
        another.state, another.reason = ItemState.ATTENTION, ItemReason.TWO_FILES
        another.external_id = another.name = ""
        another.finished_at = now()
    session.add(another)
    session.flush()
    return another


def _keeps(item: BatchItem, arrival: Arrival) -> bool:
    """Give a file to its item, if that waits for it; whether the item keeps it."""
    if item.state != ItemState.EXPECTED:
        return False
    reason: ItemReason | Reason | None = arrival.reason
    if arrival.file is not None:
        found = format_of(arrival.file.head)
        reason = found if isinstance(found, Reason) else None
        item.sha256, item.size_bytes = arrival.file.sha256, arrival.file.size_bytes
    if reason is not None or arrival.file is None:
        # What is no photo is not kept: nothing is lost with it.
        item.state, item.reason, item.finished_at = ItemState.ATTENTION, str(reason), now()
        return False
    item.state, item.file_key = ItemState.RECEIVED, arrival.file.key
    return True
