"""Photos of a batch as they arrive: stored already, now given to the items that wait for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.batches.announcing import AnnouncedItem, lock_open
from portal.batches.models import Batch, BatchItem, ItemState
from portal.batches.reasons import ItemReason
from portal.database import now, writing
from portal.enrolment.formats import format_of
from portal.enrolment.reasons import Reason
from portal.queues import enqueue_enrolment
from portal.storage import PhotoStore, StoredFile

ANOTHER_ARRIVED = "Another photo of this name has arrived in this batch. Drop this one in a batch of its own."


@dataclass(frozen=True)
class Arrival:
    """A file that came for an item, in the store; or, with a reason, one that could not be kept."""

    item_id: int
    file: StoredFile | None
    reason: ItemReason | None = None


@dataclass(frozen=True)
class Receipt:
    """What became of an arrival; `problem` is in words for staff."""

    item: AnnouncedItem
    problem: str | None = None


def receive(session: Session, batch: Batch, arrivals: Sequence[Arrival], store: PhotoStore) -> list[Receipt]:
    """Give files to their items, all in one transaction, and have the workers at them.

    A file that came twice is kept once. Returns a receipt for each arrival whose item is of this batch.
    Raises NotOpen; the files are nobody's then.
    """
    unneeded: list[StoredFile] = []
    with writing(session):
        lock_open(session, batch)
        items = {
            item.id: item
            for item in session.scalars(
                select(BatchItem)
                .where(
                    BatchItem.batch_id == batch.id,
                    BatchItem.id.in_([arrival.item_id for arrival in arrivals]),
                )
                .order_by(BatchItem.id)
                .with_for_update()
                .execution_options(populate_existing=True)
            )
        }
        receipts = []
        for arrival in arrivals:
            item = items.get(arrival.item_id)
            kept, problem = (False, None) if item is None else _receive(item, arrival)
            if arrival.file is not None and not kept:
                unneeded.append(arrival.file)
            if item is not None:
                receipts.append(
                    Receipt(AnnouncedItem(item.id, item.state, item.reason, item.sha256), problem)
                )
    for file in unneeded:
        store.delete(file.key)
    if len(unneeded) < len(arrivals):
        enqueue_enrolment(batch.organization_id)
    return receipts


def _receive(item: BatchItem, arrival: Arrival) -> tuple[bool, str | None]:
    """Whether the item keeps the file, and what there is to say about it."""
    if item.state != ItemState.EXPECTED:
        same = arrival.file is not None and arrival.file.sha256 == item.sha256
        return False, None if same or item.sha256 is None else ANOTHER_ARRIVED
    reason: ItemReason | Reason | None = arrival.reason
    if arrival.file is not None:
        found = format_of(arrival.file.head)
        reason = found if isinstance(found, Reason) else None
        item.sha256, item.size_bytes = arrival.file.sha256, arrival.file.size_bytes
    if reason is not None or arrival.file is None:
        # What is no photo is not kept: there is nothing in it to be lost.
        item.state, item.reason, item.finished_at = ItemState.ATTENTION, str(reason), now()
        return False, None
    item.state, item.file_key = ItemState.RECEIVED, arrival.file.key
    return True, None
