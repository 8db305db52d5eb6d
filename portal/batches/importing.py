"""Batches from a folder, a ZIP or a manifest on this machine, without a browser."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Protocol

from sqlalchemy.orm import Session

from portal.audit.services import Actor
from portal.batches.announcing import AT_ONCE, DroppedFile, announce, announce_all
from portal.batches.columns import Column
from portal.batches.guessing import UnclearNames, guess
from portal.batches.list_lines import LONGEST_LINE
from portal.batches.manifest import is_list, is_text, is_text_list, read_manifest
from portal.batches.manifest_rows import add_manifest
from portal.batches.models import Batch, ItemState, KnownPeople
from portal.batches.naming import Grouping, Label, is_system_file, normal_path
from portal.batches.opening import BatchError
from portal.batches.photo_names import key_of_photo, means, stem_of_name
from portal.batches.reasons import ItemReason
from portal.batches.receiving import Arrival, receive
from portal.batches.receiving_archives import MAX_ARCHIVE_BYTES, take_archive
from portal.batches.services import find_unfinished, start_batch
from portal.chunks import chunks
from portal.organizations.models import Organization
from portal.photos.reasons import MAX_PHOTO_BYTES
from portal.storage import FileTooLarge, PhotoStore, Readable

RECEIVED_AT_ONCE = 64
# What lies beside photos and is not meant to be one: manifests, and what face recognition programs cached.
NO_PHOTOS = (".pkl", ".pickle")


class Opened(Readable, Protocol):
    """A photo of a source while it is read."""

    def close(self) -> None: ...


class UnreadablePhoto(Exception):
    """A photo of a source can't be read; the store is well."""


@dataclass(frozen=True)
class SourcePhoto:
    """A photo of a source: how it is announced, and how it is read; both may raise UnreadablePhoto."""

    dropped: DroppedFile
    open: Callable[[], Opened]


@dataclass(frozen=True)
class Source:
    """What is imported: a folder, with the manifest in or below it if there is one; a manifest; or a ZIP."""

    path: Path
    # The photos lie in and below this folder.
    folder: Path
    manifest: Path | None
    is_zip: bool

    @property
    def words(self) -> str:
        """What the batch calls it; an interrupted batch from the same source goes on."""
        return f"from {self.path}"


def find_source(path: Path) -> Source:
    """What there is at a path. Raises BatchError, which says what there should be."""
    path = path.expanduser().resolve()
    if path.is_dir():
        below = sorted(_files(path))
        manifests = [path / file for file in below if _is_list(file) and _is_no_note(path / file)]
        if len(manifests) > 1:
            raise BatchError(
                f"{path} holds {len(manifests)} lists. Name the one that says who is on which photo: "
                f"{', '.join(str(file.relative_to(path)) for file in manifests[:5])}."
            )
        return Source(path, path, manifests[0] if manifests else None, is_zip=False)
    if not path.is_file():
        raise BatchError(f"{path} does not exist.")
    if _is_list(path.name):
        return Source(path, path.parent, path, is_zip=False)
    if path.suffix.lower() == ".zip":
        return Source(path, path.parent, None, is_zip=True)
    raise BatchError(f"{path} is neither a folder nor a ZIP (.zip) nor a list (.csv, .xlsx, .ods, .tsv).")


def find_photos(source: Source, columns: Sequence[Column] | None = None) -> list[str]:
    """The paths of a source's photos, by name: all below the folder, or those in the manifest; [] for a ZIP.

    columns: what those of the manifest are, where it was said.

    Raises ManifestError (all of a manifest is read before anything is made of it), and BatchError if there
    is no photo.
    """
    if source.is_zip:
        return []
    if source.manifest is not None:
        named = sorted(_named(source.manifest, source.folder, columns))
    if source.path == source.manifest:
        paths = named
    else:
        paths = [
            path
            for path in sorted(_files(source.folder))
            if not is_system_file(normal_path(path))
            and not path.lower().endswith(NO_PHOTOS)
            and source.folder / path != source.manifest
        ]
    if not paths:
        raise BatchError(f"There is no photo in {source.folder}.")
    return paths


def import_source(
    session: Session,
    organization: Organization,
    actor: Actor,
    source: Source,
    paths: Sequence[str],
    store: PhotoStore,
    *,
    grouping: Grouping | None,
    label: Label | None,
    known: KnownPeople,
    tell: Callable[[int, int], None],
    columns: Sequence[Column] | None = None,
) -> Batch:
    """Hand all of a source over to the workers; what an earlier import handed over is not read again.

    paths: those of `find_photos`. columns: what those of the manifest are, where it was said.
    grouping, label: how names become people; None: guessed from the names. `tell` is called with
    how many files there are and how many were handed over. Raises BatchError and ManifestError.
    """
    batch = find_unfinished(session, organization, source.words)
    if batch is None:
        if not source.is_zip and source.manifest is None:
            grouping, label = _decided(paths, grouping, label)
        batch = start_batch(
            session,
            organization,
            actor,
            grouping=grouping,
            label=label,
            known=known,
            source=source.words,
        )
    elif (grouping or batch.grouping) != batch.grouping or (label or batch.label) != batch.label:
        raise BatchError(
            f"Batch {batch.id} from this source is not finished, and reads names by {batch.grouping} and "
            f"{batch.label}. Leave --grouping and --label out to go on with it, or cancel it first."
        )
    if source.is_zip:
        _hand_over_zip(session, batch, source, store)
        return batch
    if source.manifest is not None and not batch.has_manifest:
        with source.manifest.open("rb") as file:
            where = source.manifest.parent.relative_to(source.folder)
            add_manifest(session, batch, read_manifest(file, columns), folder=normal_path(str(where)))
    photos = [
        SourcePhoto(
            DroppedFile(normal_path(path), _size(source.folder / path)),
            partial(_SourceFile, source.folder / path),
        )
        for path in paths
    ]
    hand_over(session, batch, photos, store, tell, left_out=_hidden(source))
    return batch


def hand_over(
    session: Session,
    batch: Batch,
    photos: Sequence[SourcePhoto],
    store: PhotoStore,
    tell: Callable[[int, int], None],
    *,
    left_out: int = 0,
) -> None:
    """Hand all photos of a source over to the workers but those that were handed over before.

    left_out: how many hidden files of the system were among them. Raises NotOpen.
    """
    wanted: list[tuple[int, SourcePhoto]] = []
    for part in chunks(photos, AT_ONCE):
        items = announce(session, batch, [photo.dropped for photo in part])
        wanted += [
            (item.id, photo)
            for item, photo in zip(items, part, strict=True)
            if item.state == ItemState.EXPECTED
        ]
    if not batch.announced:
        announce_all(session, batch, left_out)
    done = len(photos) - len(wanted)
    tell(len(photos), done)
    for some in chunks(wanted, RECEIVED_AT_ONCE):
        with store.together():
            arrivals = [_arrival(item_id, photo, batch.organization_id, store) for item_id, photo in some]
        receive(session, batch, arrivals, store)
        done += len(some)
        tell(len(photos), done)


def _decided(paths: Sequence[str], grouping: Grouping | None, label: Label | None) -> tuple[Grouping, Label]:
    """How names become people. Raises BatchError where it is unclear: nothing is begun then."""
    try:
        naming = guess(paths, grouping, label)
    except UnclearNames as question:
        words = " or ".join(f"--grouping {grouping.value}" for grouping in Grouping)
        raise BatchError(f"{question} Say it with {words}.") from question
    return naming.grouping, naming.label


def _hand_over_zip(session: Session, batch: Batch, source: Source, store: PhotoStore) -> None:
    try:
        with source.path.open("rb") as file:
            stored = store.receive(batch.organization_id, file, MAX_ARCHIVE_BYTES)
    except FileTooLarge as error:
        raise BatchError(f"{source.path} is larger than 100 GiB. Make several ZIPs of it.") from error
    take_archive(session, batch, source.path.name, stored.size_bytes, stored.key, store)
    announce_all(session, batch)


def _is_list(name: str) -> bool:
    return is_list(name) and not is_system_file(normal_path(name))


def _is_no_note(file: Path) -> bool:
    """Whether a file that may be a list is none of the text files that are not."""
    if not file.is_file() or not is_text(file.name):
        return file.is_file()
    with file.open("rb") as opened:
        return is_text_list(opened.read(LONGEST_LINE))


def _named(manifest: Path, folder: Path, columns: Sequence[Column] | None) -> Iterator[str]:
    """The photos in and below the manifest's folder that it may mean."""
    names: dict[str, set[str]] = defaultdict(set)
    with manifest.open("rb") as file:
        for row in read_manifest(file, columns):
            for photo in row.photos:
                key = key_of_photo(photo)
                names[stem_of_name(key)].add(key)
    for path in _files(folder):
        key = key_of_photo(path)
        if not is_system_file(normal_path(path)) and any(
            means(one, key) for one in names.get(stem_of_name(key), ())
        ):
            yield path


def _hidden(source: Source) -> int:
    if source.path == source.manifest:
        return 0
    return sum(is_system_file(normal_path(path)) for path in _files(source.folder))


def _files(folder: Path) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        for name in names:
            yield str((Path(parent) / name).relative_to(folder))


def _size(path: Path) -> int:
    """A file's size in bytes; 0 for one that can't be examined, which is found out when it is read."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


class _SourceFile:
    """A file of the source, whose faults are told from those of the store."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def read(self, size: int = -1, /) -> bytes:
        try:
            if self._file is None:
                if not self._path.is_file():  # a pipe would be waited for
                    raise UnreadablePhoto
                self._file = self._path.open("rb")
            return self._file.read(size)
        except OSError as error:
            raise UnreadablePhoto from error

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _arrival(item_id: int, photo: SourcePhoto, organization_id: int, store: PhotoStore) -> Arrival:
    try:
        with closing(photo.open()) as file:
            return Arrival(item_id, store.receive(organization_id, file, MAX_PHOTO_BYTES))
    except FileTooLarge:
        return Arrival(item_id, None, ItemReason.TOO_LARGE)
    except UnreadablePhoto:
        return Arrival(item_id, None, ItemReason.NOT_ARRIVED)
