"""Items of batches: what became of their photos."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Table, bindparam, select, update
from sqlalchemy.orm import Session

from portal.batches.models import REOPENED, Batch, BatchItem, ItemState
from portal.batches.reasons import ItemReason
from portal.database import now
from portal.people.models import Person
from portal.photos.models import Photo
from portal.work.models import WorkState


def close_items(session: Session, photo_ids: Collection[int], several_faces: Collection[int] = ()) -> None:
    """Note what became of photos that a worker is done with, in the caller's transaction.

    several_faces: those of them with other faces nearly as large as the main one.
    """
    rows = session.execute(
        select(BatchItem.id, BatchItem.batch_id, Photo.id, Photo.state, Photo.reason, Person.batch_id)
        .join(Photo, BatchItem.photo_id == Photo.id)
        .join(Person, Photo.person_id == Person.id)
        .where(Photo.id.in_(photo_ids), Photo.state.in_((WorkState.DONE, WorkState.FAILED)))
    ).all()
    if not rows:
        return
    moment = now()
    closed = []
    for item_id, batch_id, photo_id, state, reason, person_batch_id in rows:
        end = ItemState.ENROLLED if person_batch_id == batch_id else ItemState.ADDED
        why: str | None = ItemReason.SEVERAL_FACES if photo_id in several_faces else ""
        if state == WorkState.FAILED:
            end, why = ItemState.ATTENTION, reason
        closed.append({"id": item_id, "state": end, "reason": why, "detail": "", "finished_at": moment})
    write_items(session, closed)
    # A batch that had ended is counted again.
    session.execute(
        update(Batch)
        .where(Batch.id.in_({row[1] for row in rows}), Batch.finished_at.is_not(None))
        .values(REOPENED)
        .execution_options(synchronize_session=False)
    )


def write_items(session: Session, values: Sequence[Mapping[str, Any]]) -> None:
    """Write new values of items, each with its `id` and the same columns as the others."""
    if values:
        # Straight to the table: there are many, and nothing of them is in the session.
        table = cast(Table, BatchItem.__table__)
        rows = [{"item_id" if name == "id" else name: value for name, value in one.items()} for one in values]
        session.connection().execute(update(table).where(table.c.id == bindparam("item_id")), rows)
