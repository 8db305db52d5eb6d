"""Items of batches: adding and finding them, and what became of their photos."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.orm import Session

from portal.batches.models import PATH_LENGTH, REOPENED, Batch, BatchItem, ItemState
from portal.batches.reasons import ItemReason
from portal.database import now
from portal.locks import lock_rows
from portal.people.models import Person
from portal.photos.models import Photo
from portal.work.models import WorkState


def close_items(session: Session, photo_ids: Collection[int], several_faces: Collection[int] = ()) -> None:
    """Note what became of photos that a worker is done with, in the caller's transaction.

    several_faces: those of them in which another face than the main one may be meant.
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


def items_by_key(session: Session, batch: Batch, keys: Sequence[str]) -> list[BatchItem]:
    """The items of a batch with these path keys, held, in the caller's transaction."""
    items = select(BatchItem).where(BatchItem.batch_id == batch.id, BatchItem.path_key.in_(set(keys)))
    return list(lock_rows(session, items).scalars())


def insert_items(session: Session, values: Sequence[dict[str, Any]]) -> list[BatchItem]:
    """Add items with these values (see `item_values`), in the caller's transaction, in the order given."""
    if not values:
        return []
    # Rows of one statement have the same columns.
    columns = {"state": ItemState.EXPECTED, "reason": "", "detail": "", "finished_at": None}
    columns |= dict.fromkeys(("size_bytes", "line", "dropped_path", "name_key"))
    statement = insert(BatchItem).returning(BatchItem, sort_by_parameter_order=True)
    return list(session.scalars(statement, [columns | one for one in values]))


def item_values(batch: Batch, path: str, key: str, **others: Any) -> dict[str, Any]:
    """The values of a new item of a batch."""
    person = {"external_id": "", "name": ""}
    whose = {"batch_id": batch.id, "organization_id": batch.organization_id}
    return {**whose, "path": shortened(path), "path_key": key, **person, **others}


def ended(reason: ItemReason, detail: str = "") -> dict[str, Any]:
    """The values of an item that needs attention."""
    return {"state": ItemState.ATTENTION, "reason": reason, "detail": detail[:300], "finished_at": now()}


def names_a_person(item: BatchItem) -> bool:
    """Whether a row of the manifest makes clear whose photo it is."""
    return item.line is not None and item.state != ItemState.ATTENTION


def shortened(path: str) -> str:
    """A path as long as a row can hold: its end tells more than its beginning."""
    return path[-PATH_LENGTH:]


def key_of_another(key: str, mark: str) -> str:
    """The key of a file that is not the only one of its path; the path's own without a mark."""
    return shortened(f"{key}//{mark}" if mark else key)
