"""The rows of a batch's manifest: each becomes an item, or several, before a photo has come."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal.batches.announcing import AT_ONCE
from portal.batches.cells import IdsOfList
from portal.batches.items import (
    ended,
    insert_items,
    item_values,
    items_by_key,
    names_a_person,
    shortened,
    write_items,
)
from portal.batches.manifest import ManifestRow
from portal.batches.models import Batch, BatchItem, ItemState
from portal.batches.opening import BatchError, lock_open
from portal.batches.photo_names import key_of_photo, stem_of_name
from portal.batches.reasons import ItemReason
from portal.chunks import chunks
from portal.database import now, writing
from portal.people.services import PersonError, clean_external_id, clean_name


def add_manifest(
    session: Session,
    batch: Batch,
    rows: Iterable[ManifestRow],
    reader: str | None = None,
    *,
    folder: str = "",
    typed: bool = True,
) -> int:
    """Make an item of every photo of a manifest, and of every row without one; returns how many.

    reader: identifies who reads it. folder: where it lay among the photos. typed: whether people or
    spreadsheets wrote its external IDs, which are then looked at for damage. Raises BatchError if the batch
    has a manifest or files already, NotOpen, and ManifestError from `rows`; then it has no manifest.
    """
    reader = reader or secrets.token_hex(16)
    with writing(session):
        lock_open(session, batch)
        batch.manifest_reader, batch.manifest_folder = reader, shortened(folder)
        if batch.has_manifest:
            raise BatchError("This batch already has a manifest. Drop the other one as a new batch.")
        # What an interrupted attempt left.
        of_batch = BatchItem.batch_id == batch.id
        session.execute(delete(BatchItem).where(of_batch, BatchItem.line.is_not(None)))
        if session.scalar(select(BatchItem.id).where(of_batch).limit(1)):
            raise BatchError("The manifest has to come before the photos. Drop both as a new batch.")
    count = 0
    for part in chunks(rows, AT_ONCE):
        with writing(session):
            _lock_for_reader(session, batch, reader)
            count += _add_rows(session, batch, part)
    with writing(session):
        _lock_for_reader(session, batch, reader)
        if typed:
            _hold_up_doubtful(session, batch)
        batch.has_manifest = True
    return count


def _hold_up_doubtful(session: Session, batch: Batch) -> None:
    """Hold up rows whose external IDs, beside all others of the list, look as if they were damaged."""
    expected = (BatchItem.batch_id == batch.id, BatchItem.state == ItemState.EXPECTED)
    ids = select(BatchItem.external_id).where(*expected).distinct()
    check = IdsOfList(session.scalars(ids.execution_options(yield_per=AT_ONCE)))
    doubtful = {one: doubt for one in session.scalars(ids) if (doubt := check.doubt_about(one))}
    for some in chunks(doubtful, AT_ONCE):
        rows = select(BatchItem.id, BatchItem.external_id).where(*expected, BatchItem.external_id.in_(some))
        write_items(
            session,
            [
                {"id": item_id, **ended(ItemReason.DOUBTFUL_ID, doubtful[external_id])}
                for item_id, external_id in session.execute(rows).all()
            ],
        )


def _lock_for_reader(session: Session, batch: Batch, reader: str) -> None:
    lock_open(session, batch)
    if batch.manifest_reader != reader:
        raise BatchError("The manifest came a second time while it was being read: the second one counts.")


def _add_rows(session: Session, batch: Batch, rows: Sequence[ManifestRow]) -> int:
    keys = [shortened(key_of_photo(photo)) for row in rows for photo in row.photos]
    owners = {
        item.path_key: item.external_id for item in items_by_key(session, batch, keys) if names_a_person(item)
    }
    values: list[dict[str, Any]] = []
    for row in rows:
        person = _person_of(row)
        for photo in row.photos or ("",):
            key = shortened(key_of_photo(photo))
            name_key = stem_of_name(key) if "/" in key else None
            item = item_values(batch, photo, key, name_key=name_key, line=row.line, **person)
            if "state" not in person:
                item |= _given_to_first_row(photo, key, item["external_id"], owners)
            values.append(item)
    insert_items(session, values)
    return len(values)


def _given_to_first_row(photo: str, key: str, external_id: str, owners: dict[str, str]) -> dict[str, Any]:
    """Give a photo to the first row that names it."""
    if not photo:
        return ended(ItemReason.NO_PHOTO)
    owner = owners.get(key)
    if owner is None:
        owners[key] = external_id
        return {}
    if owner == external_id:
        return {"state": ItemState.ALREADY_THERE, "finished_at": now()}
    return ended(ItemReason.PHOTO_OF_ANOTHER)


def _person_of(row: ManifestRow) -> dict[str, Any]:
    """Whom a row is about; with a state where that can't be used."""
    person = {"external_id": row.external_id[:100], "name": row.name[:200]}
    if row.problem:
        return person | ended(ItemReason.DAMAGED_CELL, row.problem)
    try:
        person["external_id"] = clean_external_id(row.external_id)
        # Enrolled people need no name here.
        person["name"] = clean_name(row.name) if row.name else ""
    except PersonError as error:
        missing = error.field == "external_id" and not row.external_id.strip()
        reasons = {"external_id": ItemReason.BAD_EXTERNAL_ID, "name": ItemReason.BAD_NAME}
        reason = ItemReason.NO_EXTERNAL_ID if missing else reasons[error.field]
        return person | ended(reason, "" if missing else str(error))
    return person
