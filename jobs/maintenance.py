"""Maintenance: what nobody owns any more is removed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice

import structlog
from sqlalchemy import select

from portal import queues
from portal.batches.models import BatchArchive, BatchItem
from portal.enrolment.models import Photo, WorkState
from portal.extensions import db
from portal.search.models import Search
from portal.storage import PhotoStore, photo_store

# An upload has its row long before this.
ORPHAN_AGE_S = 3600
CHECKED_AT_ONCE = 500

log = structlog.get_logger()


def remove_orphaned_files(_: int) -> None:
    """Remove photo files that no row owns: an upload or a deletion was cut off between file and row."""
    queues.forget_waiting("jobs.maintenance.remove_orphaned_files", 0)
    store, removed = photo_store(), 0
    older_than = time.time() - ORPHAN_AGE_S
    store.forget_cut_off_uploads(older_than)
    for keys in _batches(store.keys(older_than)):
        owned: set[str] = set()
        for column in (Photo.file_key, Search.file_key, BatchItem.file_key):
            owned.update(key for key in db.session.scalars(select(column).where(column.in_(keys))) if key)
        for key in set(keys) - owned:
            store.delete(key)
            removed += 1
    removed += _remove_unpacked_archives(store)
    if removed:
        log.warning("removed photo files that no row owned", files=removed)


def _remove_unpacked_archives(store: PhotoStore) -> int:
    """Remove archives that nobody will unpack (any more); returns how many."""
    needed = set(
        db.session.scalars(
            select(BatchArchive.id).where(BatchArchive.state.in_((WorkState.QUEUED, WorkState.RUNNING)))
        )
    )
    unneeded = [archive_id for archive_id in store.archives() if archive_id not in needed]
    for archive_id in unneeded:
        store.archive_path(archive_id).unlink(missing_ok=True)
    return len(unneeded)


def _batches(keys: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(keys)
    while batch := list(islice(rest, CHECKED_AT_ONCE)):
        yield batch
