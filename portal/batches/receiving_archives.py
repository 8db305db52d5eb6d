"""ZIPs arrive, in pieces or whole, and wait for a worker to unpack them."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit.services import Action, Actor
from portal.batches.models import Batch, BatchArchive, Decision
from portal.batches.opening import BatchError, NotOpen, lock_open
from portal.batches.reasons import words_of
from portal.batches.services import record_event
from portal.database import writing
from portal.locks import lock
from portal.queues import enqueue_archive
from portal.storage import FileTooLarge, PhotoStore, Readable
from portal.work.models import WorkState

MAX_ARCHIVE_BYTES = 100 * 1024**3


def begin_archive(session: Session, batch: Batch, file_name: str, size_bytes: int) -> BatchArchive:
    """The archive of this name and size in a batch, made if it is new. Raises BatchError and NotOpen."""
    if not 0 < size_bytes <= MAX_ARCHIVE_BYTES:
        raise BatchError(f"{file_name} has {size_bytes} bytes; a ZIP can have up to 100 GiB. Make several.")
    with writing(session):
        lock_open(session, batch)
        archive = session.scalar(
            select(BatchArchive).where(
                BatchArchive.batch_id == batch.id,
                BatchArchive.file_name == file_name[-255:],
                BatchArchive.size_bytes == size_bytes,
                BatchArchive.state != WorkState.FAILED,
            )
        )
        if archive is None:
            archive = _new_archive(session, batch, file_name, size_bytes)
    return archive


def take_archive(
    session: Session, batch: Batch, file_name: str, size_bytes: int, key: str, store: PhotoStore
) -> None:
    """Make a ZIP that came whole, as a stored file, an archive of the batch, and have it unpacked."""
    with writing(session):
        lock_open(session, batch)
        archive = _new_archive(session, batch, file_name, size_bytes)
        session.flush()
        # Inside the transaction: a row without its file would wait forever.
        store.make_archive(key, archive.id)
        archive.arrived = True
    enqueue_archive(archive.id)


def _new_archive(session: Session, batch: Batch, file_name: str, size_bytes: int) -> BatchArchive:
    archive = BatchArchive(
        batch_id=batch.id,
        organization_id=batch.organization_id,
        file_name=file_name[-255:],
        size_bytes=size_bytes,
    )
    session.add(archive)
    batch.reopen()
    return archive


def find_archive(session: Session, batch: Batch, archive_id: int) -> BatchArchive | None:
    """An archive of this batch; None for one that is not there or another's."""
    return session.scalar(
        select(BatchArchive).where(BatchArchive.id == archive_id, BatchArchive.batch_id == batch.id)
    )


def choose_encoding(
    session: Session, actor: Actor, batch: Batch, archive: BatchArchive, encoding: str
) -> None:
    """Say what the names in an archive are written in, one of those that it asks about.

    Raises BatchError, NotOpen and Gone.
    """
    with writing(session):
        lock_open(session, batch)
        lock(session, archive)
        if not archive.asks or encoding not in (archive.samples or {}):
            raise BatchError("This was answered already, or the ZIP is gone.")
        archive.encoding, archive.samples = encoding, None
        batch.reopen()
        record_event(session, actor, Action.BATCH_NAMES_CHOSEN, batch, {"encoding": encoding})
    enqueue_archive(archive.id)


def resume_archive(session: Session, batch: Batch, archive: BatchArchive, store: PhotoStore) -> int:
    """How much of an archive has arrived; if that is all of it, a worker is told. Raises NotOpen."""
    if batch.decision != Decision.GO_ON:
        raise NotOpen(batch.decision)
    if archive.arrived:
        return archive.size_bytes
    size = store.archive_bytes(archive.id)
    if size == archive.size_bytes:
        _have_unpacked(session, batch, archive)
    return size


def _have_unpacked(session: Session, batch: Batch, archive: BatchArchive) -> None:
    with writing(session):
        lock_open(session, batch)
        archive.arrived = True
    enqueue_archive(archive.id)


def receive_piece(
    session: Session, batch: Batch, archive: BatchArchive, offset: int, stream: Readable, store: PhotoStore
) -> int:
    """Add a piece to an archive; returns how many bytes there are then. The last one sends it to a worker.

    A piece that begins elsewhere than where the file ends is not taken. Raises BatchError if it is longer
    than was announced.
    """
    if archive.state == WorkState.FAILED:
        raise BatchError(archive.problem or " ".join(words_of(archive.reason or "")))
    if archive.arrived:
        return archive.size_bytes
    try:
        size = store.append_to_archive(archive.id, offset, stream, archive.size_bytes)
    except FileTooLarge as error:
        raise BatchError(
            f"{archive.file_name} is longer than announced. Has it changed? Drop it again."
        ) from error
    if size == archive.size_bytes:
        _have_unpacked(session, batch, archive)
    return size
