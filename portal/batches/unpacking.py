"""ZIPs that arrived whole, unpacked by workers a slice at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.batches.announcing import AT_ONCE, DroppedFile, announce
from portal.batches.archives import Archive, ArchiveError, Entry, EntryError
from portal.batches.list_lines import LONGEST_LINE, ManifestError
from portal.batches.manifest import UnclearColumns, is_list, is_text, is_text_list, read_manifest
from portal.batches.manifest_rows import add_manifest
from portal.batches.models import Batch, BatchArchive, BatchItem, Decision, ItemState
from portal.batches.opening import BatchError
from portal.batches.reasons import ItemReason, words_of
from portal.batches.receiving import Arrival, receive
from portal.batches.services import decide_naming
from portal.database import writing
from portal.locks import lock_rows
from portal.photos.reasons import MAX_PHOTO_BYTES
from portal.queues import enqueue_archive
from portal.storage import FileTooLarge, PhotoStore
from portal.work.claims import claim, close, lock_claimed, lock_queued, requeue_untouched
from portal.work.models import WorkState

# Files unpacked between two checks whether a search waits.
ENTRIES_AT_ONCE = 32
# By these a ZIP is an export of a portal, in which no name says who is on a photo.
OF_AN_EXPORT = {"manifest.json", "people.jsonl", "photos.jsonl"}


def claim_archive(session: Session, worker: str, archive_id: int) -> tuple[BatchArchive, Batch] | None:
    """Claim an archive that is to be unpacked; None if it is gone, done, paused or someone else's."""
    with writing(session):
        archive = lock_queued(session, BatchArchive, archive_id)
        if archive is None or not archive.arrived or archive.samples is not None:
            return None
        batch = session.get_one(Batch, archive.batch_id, populate_existing=True)
        if batch.decision != Decision.GO_ON:
            return None
        claim(session, BatchArchive, worker, [archive_id])
    return archive, batch


def unpack(
    session: Session,
    worker: str,
    archive: BatchArchive,
    batch: Batch,
    store: PhotoStore,
    make_way: Callable[[], bool],
) -> None:
    """Give the photos of a claimed archive to their items, until it is done or `make_way()` is true.

    It is then given back, and goes on from where it was. An archive that can't be used is closed with the
    problem in words. Raises NotOpen if the batch was paused, cancelled or undone meanwhile.
    """
    try:
        path = store.archive_path(archive.id)
        with path.open("rb") as file, Archive.open(file, archive.encoding) as zipped:
            if zipped.reading.encoding is None:
                _ask(session, worker, archive, zipped.reading.samples)
                return
            entries = list(zipped.entries())
            if archive.announced == 0:
                _prepare(session, worker, archive, batch, zipped, entries)
            entries_left = _photos_of(zipped, entries)
            done = _announce(session, worker, archive, batch, entries_left, make_way) and _extract(
                session, worker, archive, batch, zipped, entries_left, store, make_way
            )
            left_out = zipped.left_out
    except FileNotFoundError:
        _close(session, worker, archive, "The ZIP is no longer there. Drop it again.")
        return
    except (ArchiveError, BatchError) as problem:
        if batch.decision != Decision.GO_ON:
            raise
        _close(session, worker, archive, str(problem))
        store.delete_archives([archive.id])
        return
    if not done:
        with writing(session):
            requeue_untouched(session, BatchArchive, worker, [archive.id])
        enqueue_archive(archive.id)
        return
    _close(session, worker, archive, "", left_out)
    store.delete_archives([archive.id])


def _ask(session: Session, worker: str, archive: BatchArchive, samples: dict[str, list[str]]) -> None:
    """Leave an archive to staff, who have to say what its names are written in."""
    with writing(session):
        if lock_claimed(session, BatchArchive, worker, archive.id) is None:
            raise LostArchive
        archive.samples = samples
        requeue_untouched(session, BatchArchive, worker, [archive.id])


def _photos_of(zipped: Archive, entries: Sequence[Entry]) -> list[Entry]:
    """The entries but for the manifest, which was read when the archive was begun."""
    lists = {entry.index for entry in _lists_of(zipped, entries)}
    return [entry for entry in entries if entry.index not in lists]


def _lists_of(zipped: Archive, entries: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in entries if is_list(entry.path) and not _is_note(zipped, entry)]


def _is_note(zipped: Archive, entry: Entry) -> bool:
    """Whether a text file among the entries is no list."""
    try:
        if not is_text(entry.path):
            return False
        with zipped.read(entry) as file:
            return not is_text_list(file.read(LONGEST_LINE))
    except EntryError:
        return True


def _prepare(
    session: Session,
    worker: str,
    archive: BatchArchive,
    batch: Batch,
    zipped: Archive,
    entries: Sequence[Entry],
) -> None:
    """Find out how the names in a ZIP become people: by the manifest in it, or by themselves."""
    if {entry.path for entry in entries} >= OF_AN_EXPORT:
        raise ArchiveError(
            "This ZIP is an export of a portal. Whoever runs this portal can take it in, with the command "
            "portal import."
        )
    manifests = _lists_of(zipped, entries)
    reader = f"ZIP {archive.id}"
    read = batch.has_manifest and batch.manifest_reader == reader
    if manifests and not read:
        _refuse_manifest(session, batch, manifests)
        try:
            folder = manifests[0].path.rpartition("/")[0]
            with zipped.read(manifests[0], may_be_zip=True) as file:
                add_manifest(session, batch, read_manifest(file), reader, folder=folder)
        except UnclearColumns as problem:
            raise ArchiveError(
                f"{manifests[0].path}: {problem} Or take the list out of the ZIP, and drop both together: "
                "its columns can be chosen then."
            ) from problem
        except ManifestError as problem:
            raise ArchiveError(f"{manifests[0].path}: {problem}") from problem
        except EntryError as problem:
            raise _unreadable(manifests[0], problem.reason) from problem
    if not batch.has_manifest:
        decide_naming(session, batch, (entry.path for entry in entries))
    _advance(session, worker, archive)


def _refuse_manifest(session: Session, batch: Batch, manifests: Sequence[Entry]) -> None:
    """Raise ArchiveError if a ZIP's manifest can't say who is on which photo: nothing is guessed instead."""
    if len(manifests) > 1:
        raise ArchiveError(
            f"The ZIP holds {len(manifests)} lists, and it is not clear which one is the manifest. "
            "Make it again with one of them."
        )
    (manifest,) = manifests
    if manifest.reason is not None:
        raise _unreadable(manifest, manifest.reason)
    # Items without a line are of files; those of a manifest that was not read to its end are made again.
    files = select(BatchItem.id).where(BatchItem.batch_id == batch.id, BatchItem.line.is_(None)).limit(1)
    if batch.has_manifest or session.scalar(files) is not None:
        raise ArchiveError(
            f"The ZIP holds a manifest ({manifest.path}), but other files of this batch have already been "
            "read. Drop the ZIP as a batch of its own."
        )


def _unreadable(manifest: Entry, reason: ItemReason) -> ArchiveError:
    return ArchiveError(f"The manifest {manifest.path} can't be read: {' '.join(words_of(reason))}")


def _announce(
    session: Session,
    worker: str,
    archive: BatchArchive,
    batch: Batch,
    entries: Sequence[Entry],
    make_way: Callable[[], bool],
) -> bool:
    """Make the items of all entries before the first is unpacked; whether there was time for all."""
    while archive.announced < len(entries):
        part = entries[archive.announced : archive.announced + AT_ONCE]
        announce(session, batch, _files(archive, part))
        _advance(session, worker, archive, announced=archive.announced + len(part))
        if make_way():
            return False
    return True


def _extract(
    session: Session,
    worker: str,
    archive: BatchArchive,
    batch: Batch,
    zipped: Archive,
    entries: Sequence[Entry],
    store: PhotoStore,
    make_way: Callable[[], bool],
) -> bool:
    """Store what is wanted of the entries; whether there was time for all."""
    while archive.unpacked < len(entries):
        part = entries[archive.unpacked : archive.unpacked + ENTRIES_AT_ONCE]
        items = announce(session, batch, _files(archive, part))
        with store.together():
            arrivals = [
                _arrival(item.id, entry, zipped, batch.organization_id, store)
                for item, entry in zip(items, part, strict=True)
                # An item that has a photo may have it from elsewhere, and this may be a different one.
                if item.state == ItemState.EXPECTED or item.sha256 is not None
            ]
        receive(session, batch, arrivals, store)
        _advance(session, worker, archive, unpacked=archive.unpacked + len(part))
        if make_way():
            return archive.unpacked == len(entries)
    return True


def _files(archive: BatchArchive, entries: Sequence[Entry]) -> list[DroppedFile]:
    return [
        DroppedFile(
            entry.path,
            entry.size_bytes,
            entry.reason,
            f"{archive.id}-{entry.index}" if entry.reason == ItemReason.PATH_TWICE else "",
        )
        for entry in entries
    ]


def _arrival(item_id: int, entry: Entry, zipped: Archive, organization_id: int, store: PhotoStore) -> Arrival:
    try:
        with zipped.read(entry) as stream:
            return Arrival(item_id, store.receive(organization_id, stream, MAX_PHOTO_BYTES))
    except EntryError as problem:
        return Arrival(item_id, None, problem.reason)
    except FileTooLarge:
        return Arrival(item_id, None, ItemReason.TOO_LARGE)


def _advance(session: Session, worker: str, archive: BatchArchive, **places: int) -> None:
    """Remember how far the archive is. Raises LostArchive if another worker has it."""
    with writing(session):
        if lock_claimed(session, BatchArchive, worker, archive.id) is None:
            raise LostArchive
        for column, place in places.items():
            setattr(archive, column, place)
        if places:
            # It made progress: what stopped its worker before, if anything, was not this part of it.
            archive.attempts = 1


class LostArchive(RuntimeError):
    """Another worker has the archive, or it was given up."""


def _close(session: Session, worker: str, archive: BatchArchive, problem: str, left_out: int = 0) -> None:
    with writing(session):
        batch = lock_rows(
            session, select(Batch).where(Batch.id == archive.batch_id), key_share=True
        ).scalar_one()
        claimed = lock_claimed(session, BatchArchive, worker, archive.id)
        if claimed is None:
            return
        close(claimed, WorkState.FAILED if problem else WorkState.DONE)
        claimed.problem = problem[:500]
        batch.left_out += left_out
