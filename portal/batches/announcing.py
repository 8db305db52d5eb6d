"""What a batch will hold: the rows of its manifest, and the names of the files before they come.

Everything that was dropped has an item from here on, so that the counts always add up.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from portal.batches.manifest import ManifestRow
from portal.batches.models import PATH_LENGTH, Batch, BatchItem, Decision, ItemState
from portal.batches.naming import Grouping, Label, Naming, Unnamed, normal_path, path_key, person_of
from portal.batches.reasons import ItemReason
from portal.chunks import chunks
from portal.database import now, writing
from portal.locks import lock, lock_rows
from portal.people.services import PersonError, clean_external_id, clean_name
from portal.photos.reasons import MAX_PHOTO_BYTES

AT_ONCE = 500
# A manifest that names a photo by more folders than this is not understood.
MOST_ENDINGS = 20
# An item without a file that gets another chance when its file is dropped again.
WANTED_AGAIN = (
    ItemReason.NOT_ARRIVED,
    ItemReason.PHOTO_NOT_FOUND,
    ItemReason.TOO_LARGE,
    ItemReason.CANCELLED,
)


class BatchError(ValueError):
    """What is wrong with a batch or with a request about it, in words for staff."""


class NotOpen(BatchError):
    """The batch takes nothing at the moment: it is paused, cancelled or undone (`decision`)."""

    def __init__(self, decision: Decision) -> None:
        words = {
            Decision.PAUSE: "The batch is paused. Resume it first.",
            Decision.CANCEL: "The batch was cancelled. Start a new one.",
            Decision.UNDO: "The batch was undone. Start a new one.",
        }
        super().__init__(words[decision])
        self.decision = decision


@dataclass(frozen=True)
class DroppedFile:
    """A file that is about to come, or (with a reason) one that can't."""

    path: str
    size_bytes: int
    reason: ItemReason | None = None
    # What tells it from another file of the same path that was dropped with it.
    mark: str = ""


@dataclass(frozen=True)
class AnnouncedItem:
    """Where the portal is with a file; it is to be sent if the state is *expected*."""

    id: int
    state: ItemState
    reason: str
    sha256: str | None


def lock_open(session: Session, batch: Batch) -> None:
    """Hold a batch that is to be added to, in the caller's transaction. Raises NotOpen, and Gone."""
    lock(session, batch, key_share=True)
    if batch.decision != Decision.GO_ON:
        raise NotOpen(batch.decision)
    batch.touched_at = now()


def announce(session: Session, batch: Batch, files: Sequence[DroppedFile]) -> list[AnnouncedItem]:
    """Make the items of files that are about to come, or find them; in the order given.

    `files` are AT_ONCE at most. Raises NotOpen.
    """
    with writing(session):
        lock_open(session, batch)
        items = (_match if batch.has_manifest else _read_names)(session, batch, files)
        batch.reopen()
    return items


def add_manifest(
    session: Session, batch: Batch, rows: Iterable[ManifestRow], reader: str | None = None
) -> int:
    """Make an item of every photo of a manifest, and of every row without one; returns how many.

    reader: identifies who reads it. Raises BatchError if the batch has a manifest or
    files already, NotOpen, and ManifestError from `rows`; then the batch has no manifest.
    """
    reader = reader or secrets.token_hex(16)
    with writing(session):
        lock_open(session, batch)
        batch.manifest_reader = reader
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
        batch.has_manifest = True
    return count


def _lock_for_reader(session: Session, batch: Batch, reader: str) -> None:
    lock_open(session, batch)
    if batch.manifest_reader != reader:
        raise BatchError("The manifest came a second time while it was being read: the second one counts.")


def announce_all(session: Session, batch: Batch, left_out: int = 0) -> None:
    """Note that the names of all dropped files are known. Raises NotOpen.

    left_out: how many hidden files of the system were among them; files that are dropped again to go on
    with the batch have been counted already.
    """
    with writing(session):
        lock_open(session, batch)
        if not batch.announced:
            batch.announced = True
            batch.left_out += left_out


def naming_of(batch: Batch) -> Naming | None:
    """How the batch's names become people; None where a manifest says it, or it has not been decided yet."""
    if batch.grouping is None or batch.label is None:
        return None
    return Naming(Grouping(batch.grouping), Label(batch.label))


def shortened(path: str) -> str:
    """A path as long as a row can hold: its end tells more than its beginning."""
    return path[-PATH_LENGTH:]


def key_of_another(key: str, mark: str) -> str:
    """The key of a file that is not the only one of its path; the path's own without a mark."""
    return shortened(f"{key}//{mark}" if mark else key)


def _read_names(session: Session, batch: Batch, files: Sequence[DroppedFile]) -> list[AnnouncedItem]:
    """The items of these files, whose names say whose photos they are. Case counts: A1 and a1 are two."""
    naming = naming_of(batch)
    if naming is None:
        raise BatchError("How the names of the files are read has not been decided.")
    keys = [key_of_another(normal_path(file.path), file.mark) for file in files]
    there = {row.path_key: row for row in _items(session, batch, keys)}
    new: dict[str, dict[str, Any]] = {}
    for key, file in zip(keys, files, strict=True):
        if key in there:
            _want_again(there[key], file)
        elif key not in new:
            new[key] = _values(batch, file.path, key, **_named(file, naming))
    there |= {item.path_key: item for item in _insert(session, list(new.values()))}
    return [_announced(there[key]) for key in keys]


def _named(file: DroppedFile, naming: Naming) -> dict[str, Any]:
    """Who is on a photo by its file name, or why it can't be used."""
    values: dict[str, Any] = {"size_bytes": file.size_bytes}
    try:
        person = person_of(file.path, naming)
        values |= {"external_id": person.external_id, "name": person.name}
    except Unnamed as problem:
        return values | _ended(problem.reason, problem.detail)
    return values | _refused(file)


def _match(session: Session, batch: Batch, files: Sequence[DroppedFile]) -> list[AnnouncedItem]:
    """The items of the manifest that these files are for; a file that it does not name gets one of its own.

    A manifest may name a photo by its path or by the end of it: the longest that is named counts.
    """
    endings = [_endings(path_key(file.path)) for file in files]
    there: dict[str, BatchItem] = {}
    for row in _items(session, batch, [key for keys in endings for key in keys]):
        # The first sound row that names a photo gets it; the later ones failed when the manifest was read.
        if row.path_key not in there or (not _is_sound(there[row.path_key]) and _is_sound(row)):
            there[row.path_key] = row
    found: list[BatchItem | str] = []
    strangers: dict[str, dict[str, Any]] = {}
    for file, keys in zip(files, endings, strict=True):
        item = next((there[key] for key in keys if key in there), None)
        path = key_of_another(file.path, file.mark)
        if item is not None and item.dropped_path in (None, path):
            item.dropped_path = path
            if item.line is not None and item.size_bytes is None and item.state == ItemState.EXPECTED:
                item.size_bytes = file.size_bytes
                _set(item, **_refused(file))
            else:
                _want_again(item, file)
            found.append(item)
            continue
        if item is not None and item.state == ItemState.EXPECTED:
            # It is not known which of the two is meant: neither is taken.
            _set(item, **_ended(ItemReason.TWO_FILES))
        reason = ItemReason.NOT_IN_MANIFEST if item is None else ItemReason.TWO_FILES
        # With a key that no row of the manifest has, it is found when it is announced again.
        key = key_of_another(keys[0], file.mark or hashlib.sha256(file.path.encode()).hexdigest()[:16])
        values = _values(batch, file.path, key, size_bytes=file.size_bytes, **_ended(reason))
        strangers[key] = {**values, "dropped_path": path}
        found.append(key)
    known = {item.path_key: item for item in _items(session, batch, list(strangers))}
    new = [values for key, values in strangers.items() if key not in known]
    known |= {item.path_key: item for item in _insert(session, new)}
    return [_announced(known[item] if isinstance(item, str) else item) for item in found]


def _endings(key: str) -> list[str]:
    """A path and all of its ends, the longest first: "a/b/c.jpg", "b/c.jpg", "c.jpg"."""
    parts = shortened(key).split("/")[-MOST_ENDINGS:]
    return ["/".join(parts[start:]) for start in range(len(parts))]


def _add_rows(session: Session, batch: Batch, rows: Sequence[ManifestRow]) -> int:
    keys = [shortened(path_key(photo)) for row in rows for photo in row.photos]
    owners = {item.path_key: item.external_id for item in _items(session, batch, keys) if _is_sound(item)}
    values: list[dict[str, Any]] = []
    for row in rows:
        person = _person_of(row)
        for photo in row.photos or ("",):
            key = shortened(path_key(photo))
            item = _values(batch, photo, key, line=row.line, **person)
            if "state" not in person:
                item |= _claimed(photo, key, item["external_id"], owners)
            values.append(item)
    _insert(session, values)
    return len(values)


def _claimed(photo: str, key: str, external_id: str, owners: dict[str, str]) -> dict[str, Any]:
    """Give a photo to the first row that names it."""
    if not photo:
        return _ended(ItemReason.NO_PHOTO)
    owner = owners.get(key)
    if owner is None:
        owners[key] = external_id
        return {}
    if owner == external_id:
        return {"state": ItemState.ALREADY_THERE, "finished_at": now()}
    return _ended(ItemReason.PHOTO_OF_ANOTHER)


def _is_sound(item: BatchItem) -> bool:
    """Whether a row of the manifest makes clear whose photo it is."""
    return item.line is not None and item.state != ItemState.ATTENTION


def _person_of(row: ManifestRow) -> dict[str, Any]:
    """Whom a row is about; with a state where that can't be used."""
    person = {"external_id": row.external_id[:100], "name": row.name[:200]}
    try:
        person["external_id"] = clean_external_id(row.external_id)
        # Enrolled people need no name here.
        person["name"] = clean_name(row.name) if row.name else ""
    except PersonError as error:
        missing = error.field == "external_id" and not row.external_id.strip()
        reasons = {"external_id": ItemReason.BAD_EXTERNAL_ID, "name": ItemReason.BAD_NAME}
        reason = ItemReason.NO_EXTERNAL_ID if missing else reasons[error.field]
        return person | _ended(reason, "" if missing else str(error))
    return person


def _items(session: Session, batch: Batch, keys: Sequence[str]) -> list[BatchItem]:
    items = select(BatchItem).where(BatchItem.batch_id == batch.id, BatchItem.path_key.in_(set(keys)))
    return list(lock_rows(session, items).scalars())


def _insert(session: Session, values: Sequence[dict[str, Any]]) -> list[BatchItem]:
    if not values:
        return []
    # Rows of one statement have the same columns.
    columns = {"state": ItemState.EXPECTED, "reason": "", "detail": "", "finished_at": None}
    columns |= dict.fromkeys(("size_bytes", "line", "dropped_path"))
    statement = insert(BatchItem).returning(BatchItem, sort_by_parameter_order=True)
    return list(session.scalars(statement, [columns | one for one in values]))


def _values(batch: Batch, path: str, key: str, **others: Any) -> dict[str, Any]:
    person = {"external_id": "", "name": ""}
    whose = {"batch_id": batch.id, "organization_id": batch.organization_id}
    return {**whose, "path": shortened(path), "path_key": key, **person, **others}


def _refused(file: DroppedFile) -> dict[str, Any]:
    """The values of a file that can't come, if that can be told already."""
    if file.reason is not None and file.reason != ItemReason.PATH_TWICE:
        return _ended(file.reason)
    return _ended(ItemReason.TOO_LARGE) if file.size_bytes > MAX_PHOTO_BYTES else {}


def _ended(reason: ItemReason, detail: str = "") -> dict[str, Any]:
    return {"state": ItemState.ATTENTION, "reason": reason, "detail": detail[:300], "finished_at": now()}


def _want_again(item: BatchItem, file: DroppedFile) -> None:
    """Expect a file (again) that did not come, or could not be used, when it was announced before."""
    again = item.state == ItemState.ATTENTION and item.reason in WANTED_AGAIN
    if again and item.file_key is None and item.photo_id is None:
        item.size_bytes = file.size_bytes
        _set(item, state=ItemState.EXPECTED, reason="", detail="", finished_at=None)
        _set(item, **_refused(file))


def _set(item: BatchItem, **values: Any) -> None:
    for column, value in values.items():
        setattr(item, column, value)


def _announced(item: BatchItem) -> AnnouncedItem:
    return AnnouncedItem(item.id, item.state, item.reason, item.sha256)
