"""The names of the files of a batch, before the files come.

Everything that was dropped has an item from here on, so that the counts add up whatever becomes of it.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.batches.items import (
    ended,
    insert_items,
    item_values,
    items_by_key,
    key_of_another,
    names_a_person,
    shortened,
)
from portal.batches.mixing import hold_mixed
from portal.batches.models import Batch, BatchItem, ItemState
from portal.batches.naming import Grouping, Label, Naming, Unnamed, normal_path, path_key, person_of
from portal.batches.opening import BatchError, lock_open
from portal.batches.photo_names import endings, has_same_suffix, is_end_of, key_of_photo, stem_of_name
from portal.batches.reasons import ItemReason
from portal.database import writing
from portal.photos.reasons import MAX_PHOTO_BYTES

AT_ONCE = 500
# An item without a file that gets another chance when its file is dropped again.
WANTED_AGAIN = (
    ItemReason.NOT_ARRIVED,
    ItemReason.PHOTO_NOT_FOUND,
    ItemReason.TOO_LARGE,
    ItemReason.CANCELLED,
)


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


def announce(session: Session, batch: Batch, files: Sequence[DroppedFile]) -> list[AnnouncedItem]:
    """Make the items of files that are about to come, or find them; in the order given.

    `files` are AT_ONCE at most. Raises NotOpen.
    """
    with writing(session):
        lock_open(session, batch)
        items = (_match if batch.has_manifest else _read_names)(session, batch, files)
        batch.reopen()
    return items


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


def _read_names(session: Session, batch: Batch, files: Sequence[DroppedFile]) -> list[AnnouncedItem]:
    """The items of these files, whose names say whose photos they are. Case counts: A1 and a1 are two."""
    naming = naming_of(batch)
    if naming is None:
        raise BatchError("How the names of the files are read has not been decided.")
    keys = [key_of_another(normal_path(file.path), file.mark) for file in files]
    there = {row.path_key: row for row in items_by_key(session, batch, keys)}
    new: dict[str, dict[str, Any]] = {}
    for key, file in zip(keys, files, strict=True):
        if key in there:
            _want_again(there[key], file)
        elif key not in new:
            new[key] = item_values(batch, file.path, key, **_named(file, naming))
    hold_mixed(session, batch, naming, new)
    there |= {item.path_key: item for item in insert_items(session, list(new.values()))}
    return [_announced(there[key]) for key in keys]


def _named(file: DroppedFile, naming: Naming) -> dict[str, Any]:
    """Who is on a photo by its file name, or why it can't be used."""
    values: dict[str, Any] = {"size_bytes": file.size_bytes}
    try:
        person = person_of(file.path, naming)
        values |= {"external_id": person.external_id, "name": person.name}
    except Unnamed as problem:
        return values | ended(problem.reason, problem.detail)
    return values | _refused(file)


def _match(session: Session, batch: Batch, files: Sequence[DroppedFile]) -> list[AnnouncedItem]:
    """The items of the manifest that these files are for; a file that it does not name gets one of its own.

    Names that have the file's own suffix come first: the others get what is left.
    """
    keys = [key_of_photo(file.path) for file in files]
    rows = _Rows(session, batch, files, keys)
    found: dict[int, BatchItem | str] = {}
    strangers: dict[str, dict[str, Any]] = {}
    best = [rows.best(file, key) for file, key in zip(files, keys, strict=True)]
    exact = [_is_exact(item, file.path) for item, file in zip(best, files, strict=True)]
    for number in sorted(range(len(files)), key=lambda number: not exact[number]):
        file, item = files[number], best[number]
        path = key_of_another(file.path, file.mark)
        if isinstance(item, BatchItem) and item.dropped_path in (None, path):
            item.dropped_path = path
            if item.line is not None and item.size_bytes is None and item.state == ItemState.EXPECTED:
                item.size_bytes = file.size_bytes
                _set(item, **_refused(file))
            else:
                _want_again(item, file)
            found[number] = item
            continue
        reason = item if isinstance(item, ItemReason) else ItemReason.TWO_FILES
        if isinstance(item, BatchItem):
            if not exact[number] and _is_exact(item, item.dropped_path or ""):
                reason = ItemReason.NOT_IN_MANIFEST
            elif item.state == ItemState.EXPECTED:
                # It is not known which of the two is meant: neither is taken.
                _set(item, **ended(ItemReason.TWO_FILES))
        # With a key that no row of the manifest has, it is found when it is announced again.
        mark = file.mark or hashlib.sha256(file.path.encode()).hexdigest()[:16]
        key = key_of_another(shortened(path_key(file.path)), mark)
        values = item_values(batch, file.path, key, size_bytes=file.size_bytes, **ended(reason))
        strangers[key] = {**values, "dropped_path": path}
        found[number] = key
    known = {item.path_key: item for item in items_by_key(session, batch, list(strangers))}
    new = [values for key, values in strangers.items() if key not in known]
    known |= {item.path_key: item for item in insert_items(session, new)}
    ordered = [found[number] for number in range(len(files))]
    return [_announced(known[item] if isinstance(item, str) else item) for item in ordered]


def _is_exact(item: BatchItem | ItemReason, path: str) -> bool:
    return isinstance(item, BatchItem) and has_same_suffix(path, item.path)


class _Rows:
    """The rows of the batch's manifest that may mean some files."""

    def __init__(
        self, session: Session, batch: Batch, files: Sequence[DroppedFile], keys: Sequence[str]
    ) -> None:
        self._session, self._batch = session, batch
        self._by_ending: dict[str, BatchItem] = {}
        found = items_by_key(session, batch, [shortened(one) for key in keys for one in endings(key)])
        for row in found:
            # The first sound row that names a photo gets it; the later ones failed when it was read.
            there = self._by_ending.get(row.path_key)
            if there is None or (not names_a_person(there) and names_a_person(row)):
                self._by_ending[row.path_key] = row
        left = {stem_of_name(key) for key in keys if self._at_the_end_of(key) is None}
        # Of names with more folders than the file has: many rows may have one name, and few are meant.
        longer = select(BatchItem.name_key, BatchItem.path_key).where(
            BatchItem.batch_id == batch.id, BatchItem.name_key.in_(left)
        )
        self._longer: dict[str, set[str]] = defaultdict(set)
        for name_key, path_key_of_row in session.execute(longer).all():
            self._longer[name_key or ""].add(path_key_of_row)

    def best(self, file: DroppedFile, key: str) -> BatchItem | ItemReason:
        """The row that means a file, or why there is none."""
        if (row := self._at_the_end_of(key)) is not None:
            return row
        within = key_of_photo(_within(self._batch, file.path))
        named = self._longer[stem_of_name(key)]
        fitting = sorted(one for one in named if is_end_of(key, one) or is_end_of(within, one))
        if not fitting:
            return ItemReason.NOT_IN_MANIFEST
        if len(fitting) > 1:
            return ItemReason.TWO_ROWS
        rows = items_by_key(self._session, self._batch, fitting)
        return min(rows, key=lambda row: (not names_a_person(row), row.id))

    def _at_the_end_of(self, key: str) -> BatchItem | None:
        return next((self._by_ending[one] for one in endings(key) if one in self._by_ending), None)


def _within(batch: Batch, path: str) -> str:
    """A file's path as the manifest that lay in a folder above it would give it."""
    folder = f"{batch.manifest_folder}/"
    return path.removeprefix(folder) if batch.manifest_folder else path


def _refused(file: DroppedFile) -> dict[str, Any]:
    """The values of a file that can't come, if that can be told already."""
    if file.reason is not None and file.reason != ItemReason.PATH_TWICE:
        return ended(file.reason)
    return ended(ItemReason.TOO_LARGE) if file.size_bytes > MAX_PHOTO_BYTES else {}


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
