"""Maintenance: what nobody owns any more is removed."""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog
from sqlalchemy import select

from jobs.job import job
from portal import queues
from portal.batches.models import BatchArchive, BatchItem
from portal.chunks import chunks
from portal.examination.models import ExaminedPhoto
from portal.extensions import db
from portal.people import renewing
from portal.photos.models import Photo
from portal.search.models import Search
from portal.storage import PhotoStore, photo_store
from portal.work.models import UNFINISHED

# But for a form of many photos (PhotoStore.arriving), an upload has its row long before this.
ORPHAN_AGE_S = 3600
CHECKED_AT_ONCE = 500
# Then a worker looks whether someone else waits for it.
RENEWED_FOR_S = 15.0
# An item's file becomes that of a photo: asked in this order, no file is missed on its way.
OWNERS = (BatchItem.file_key, Photo.file_key, Search.file_key, ExaminedPhoto.file_key)

log = structlog.get_logger()


@job
def remove_orphaned_files(_: int) -> None:
    """Remove photo files that no row owns: an upload or a deletion was cut off between file and row."""
    store, removed = photo_store(), 0
    older_than = time.time() - ORPHAN_AGE_S
    store.forget_cut_off_uploads(older_than)
    with store.nothing_arriving() as quiet:
        if not quiet:
            log.info("files that no row owns are removed another time: a large form is arriving")
            return
        for keys in chunks(store.keys(older_than), CHECKED_AT_ONCE):
            for key in set(keys) - _owned(keys):
                store.delete(key)
                removed += 1
    removed += _remove_unneeded_archives(store, older_than)
    if removed:
        log.warning("removed photo files that no row owned", files=removed)


@job
def renew_terms(_: int) -> None:
    """Make words by which people are found again, for a while; the sweep asks for the rest."""
    stops_at = time.monotonic() + RENEWED_FOR_S
    more = True
    while more and time.monotonic() < stops_at and not queues.search_is_waiting():
        began = time.monotonic()
        more = renewing.renew_some(db.session())
        # Half of the time belongs to others who write: SQLite does not queue them.
        time.sleep(time.monotonic() - began)
    if more:
        queues.enqueue_renewal()


def _owned(keys: Sequence[str]) -> set[str]:
    owned: set[str] = set()
    for column in OWNERS:
        db.session.rollback()  # each check sees what has been committed
        owned.update(key for key in db.session.scalars(select(column).where(column.in_(keys))) if key)
    return owned


def _remove_unneeded_archives(store: PhotoStore, older_than: float) -> int:
    """Remove archives that nobody will unpack (any more); returns how many."""
    lying = store.archives(older_than)
    db.session.rollback()  # rows that came after the list count too
    needed = set(db.session.scalars(select(BatchArchive.id).where(BatchArchive.state.in_(UNFINISHED))))
    unneeded = [archive_id for archive_id in lying if archive_id not in needed]
    store.delete_archives(unneeded)
    return len(unneeded)
