"""Batches: ZIPs are unpacked, and what a batch brought is removed when it is undone."""

from __future__ import annotations

from jobs import process
from jobs.job import has_claimed, job
from jobs.slices import Slice
from portal import queues
from portal.batches import unpacking
from portal.batches.models import BatchArchive
from portal.batches.opening import NotOpen
from portal.database import writing
from portal.extensions import db
from portal.removal import undoing
from portal.storage import photo_store
from portal.work.claims import requeue_untouched


@job
def unpack(archive_id: int) -> None:
    """Unpack a ZIP, or a part of it; the rest is requeued."""
    worker, session = process.current().worker.name, db.session()
    claimed = unpacking.claim_archive(session, worker, archive_id)
    if claimed is None:
        return
    archive, batch = claimed
    has_claimed(BatchArchive, [archive_id])
    try:
        unpacking.unpack(session, worker, archive, batch, photo_store(), Slice().is_over)
    except NotOpen:
        # Paused: it goes on when someone resumes it. Cancelled or undone: it was given up then.
        with writing(session):
            requeue_untouched(session, BatchArchive, worker, [archive_id])
    except unpacking.LostArchive:
        session.rollback()


@job
def undo(batch_id: int) -> None:
    """Undo a batch, or a part of it; the rest is requeued."""
    time_is_up = Slice().is_over
    while undoing.undo_some(db.session(), batch_id, photo_store()):
        if time_is_up():
            queues.enqueue_undo(batch_id)
            return
