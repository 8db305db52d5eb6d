"""Where photo files live. Every row that owns a photo owns its file: none is shared."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, Protocol, cast, get_args

from flask import current_app

CHUNK_BYTES = 1024 * 1024
# How much of a file's beginning is kept aside: enough to tell its format.
HEAD_BYTES = 1024
# Left for the database and for what workers make of the photos.
RESERVE_BYTES = 512 * 1024**2
_libc = ctypes.CDLL(None, use_errno=True)

# Organization, beginning of the SHA-256, the SHA-256 and what tells it from the same photo of another row.
KEY = re.compile(r"[0-9]+/[0-9a-f]{2}/[0-9a-f]{64}-[0-9a-f]{8}")

# What is kept of a photo: the file as it came, and upright JPEGs that a worker makes from it. The
# whole photo is converted only where the original can't be handed out, for its metadata (HEIC and others).
Rendition = Literal["original", "preview", "thumbnail", "converted"]


class Readable(Protocol):
    """What comes piece by piece: a file, a part of a form, an entry of a ZIP."""

    def read(self, size: int = -1, /) -> bytes: ...


class StoreFull(OSError):
    """The disk has little room left, which the database needs; nothing more is taken."""


class FileTooLarge(ValueError):
    """The upload has more bytes than are allowed; nothing of it was kept."""


@dataclass(frozen=True)
class StoredFile:
    key: str
    sha256: str
    size_bytes: int
    # How it begins: enough to tell its format.
    head: bytes = b""


class PhotoStore:
    """A folder of photo files, written so that a crash leaves a whole file or none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._incoming = folder / "incoming"
        # What `together` has to have on the disk in the end.
        self._unflushed: list[Path] | None = None

    @contextmanager
    def arriving(self) -> Iterator[None]:
        """While this is open files may lie in the store for long before a row owns them."""
        with self._arrivals_lock() as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield

    @contextmanager
    def nothing_arriving(self) -> Iterator[bool]:
        """Whether `arriving` is not open anywhere; if so it can't be opened while this is."""
        with self._arrivals_lock() as descriptor:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    @contextmanager
    def _arrivals_lock(self) -> Iterator[int]:
        lock = self.folder.with_suffix(".lock")
        lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _refuse_when_full(self) -> None:
        disk = os.statvfs(self._incoming)
        if disk.f_bavail * disk.f_frsize < RESERVE_BYTES:
            raise StoreFull(errno.ENOSPC, "The disk has less than 512 MiB left.")

    @contextmanager
    def together(self) -> Iterator[None]:
        """Files that are received inside are on the disk when this ends: one flush for all of them."""
        self._unflushed = []
        try:
            yield
        finally:
            received, self._unflushed = self._unflushed, None
            if received:
                _flush(received)

    def receive(self, organization_id: int, stream: Readable, limit_bytes: int) -> StoredFile:
        """Stream an upload to disk under its SHA-256.

        Raises FileTooLarge as soon as more than `limit_bytes` have come, and StoreFull.
        """
        if not self._incoming.is_dir():
            self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._refuse_when_full()
        path = self._incoming / secrets.token_hex(16)
        digest, size, head = hashlib.sha256(), 0, b""
        try:
            with path.open("xb") as file:
                while chunk := stream.read(CHUNK_BYTES):
                    if len(head) < HEAD_BYTES:
                        head = (head + chunk)[:HEAD_BYTES]
                    size += len(chunk)
                    if size > limit_bytes:
                        raise FileTooLarge
                    digest.update(chunk)
                    file.write(chunk)
                if self._unflushed is None:
                    file.flush()
                    os.fsync(file.fileno())
            key = f"{organization_id}/{digest.hexdigest()[:2]}/{digest.hexdigest()}-{secrets.token_hex(4)}"
            target = self._path(key, "original")
            if not target.parent.is_dir():
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.rename(target)
            if self._unflushed is None:
                _sync(target.parent)
            else:
                self._unflushed.append(target)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return StoredFile(key, digest.hexdigest(), size, head)

    def write(self, key: str, rendition: Rendition, content: bytes) -> None:
        """Keep a rendition of a stored photo, replacing the one before."""
        target = self._path(key, rendition)
        path = self._incoming / secrets.token_hex(16)
        path.write_bytes(content)
        path.rename(target)

    def read(self, key: str, rendition: Rendition = "original") -> bytes:
        """The bytes of a rendition. Raises FileNotFoundError if it is not there.

        Raises NotADirectoryError if the whole folder is not there: a disk that is not mounted loses no photo.
        """
        if not self.folder.is_dir():
            raise NotADirectoryError(f"The photo folder {self.folder} is not there.")
        return self._path(key, rendition).read_bytes()

    def delete(self, key: str) -> None:
        """Remove a photo with all its renditions; one that is gone already is fine."""
        for rendition in get_args(Rendition):
            self._path(key, rendition).unlink(missing_ok=True)

    def keys(self, older_than: float) -> Iterator[str]:
        """The keys of all stored photos of which a file was last touched before `older_than` (a time.time()).

        The original may be gone: a worker that was killed can leave a rendition of a photo deleted meanwhile.
        """
        for path in self.folder.glob("[0-9]*/??/*"):
            if _touched_before(path, older_than):
                yield str(path.relative_to(self.folder)).partition(".")[0]

    def append_to_archive(self, archive_id: int, offset: int, stream: Readable, limit_bytes: int) -> int:
        """Add a piece to an archive that is received in pieces; returns how many bytes there are then.

        A piece that does not begin where the file ends is not taken. Whatever part of it came before the
        connection broke stays. Raises FileTooLarge if the file would grow beyond `limit_bytes`, StoreFull.
        """
        path = self.archive_path(archive_id)
        for folder in (path.parent, self._incoming):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._refuse_when_full()
        with path.open("ab", buffering=0) as file:
            try:
                while os.fstat(file.fileno()).st_size == offset and (chunk := stream.read(CHUNK_BYTES)):
                    if offset + len(chunk) > limit_bytes:
                        raise FileTooLarge
                    # A connection that was lost may still have a rest to write when the next one goes on.
                    fcntl.flock(file, fcntl.LOCK_EX)
                    if os.fstat(file.fileno()).st_size == offset:
                        offset += file.write(chunk)
                    fcntl.flock(file, fcntl.LOCK_UN)
            finally:
                os.fsync(file.fileno())
            size = os.fstat(file.fileno()).st_size
        _sync(path.parent)
        return size

    def make_archive(self, key: str, archive_id: int) -> None:
        """Let a stored file be an archive instead."""
        path = self.archive_path(archive_id)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path(key, "original").rename(path)
        _sync(path.parent)

    def archive_path(self, archive_id: int) -> Path:
        """Where an archive lies until it is unpacked."""
        return self.folder / "archives" / f"{archive_id}.zip"

    def delete_archives(self, archive_ids: Iterable[int]) -> None:
        """Remove archives; those that are gone already are fine."""
        for archive_id in archive_ids:
            self.archive_path(archive_id).unlink(missing_ok=True)

    def archive_bytes(self, archive_id: int) -> int:
        """How much of an archive has arrived."""
        try:
            return self.archive_path(archive_id).stat().st_size
        except FileNotFoundError:
            return 0

    def archives(self, older_than: float) -> list[int]:
        """The ids of the archives that were last touched before `older_than` (a time.time())."""
        paths = (self.folder / "archives").glob("*.zip")
        return [int(path.stem) for path in paths if _touched_before(path, older_than)]

    def temporary_file(self) -> IO[bytes]:
        """A file that is gone when it is closed, on the disk of the photos."""
        self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cast(IO[bytes], tempfile.TemporaryFile(dir=self._incoming))

    def forget_cut_off_uploads(self, older_than: float) -> None:
        """Remove what uploads left that were cut off on the way before `older_than` (a time.time())."""
        for path in self._incoming.glob("*"):
            if _touched_before(path, older_than):
                path.unlink(missing_ok=True)

    def _path(self, key: str, rendition: Rendition) -> Path:
        if not KEY.fullmatch(key):
            raise ValueError(f"{key!r} is not the key of a stored photo.")
        return self.folder / (key if rendition == "original" else f"{key}.{rendition}")


def _flush(files: Sequence[Path]) -> None:
    """Have files and their names on the disk: at once where the system can flush all of its writes."""
    if not hasattr(_libc, "syncfs"):
        for path in files:
            _sync(path)
            _sync(path.parent)
        return
    descriptor = os.open(files[0], os.O_RDONLY)
    try:
        if _libc.syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), "The photos could not be written to the disk.")
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    """Have the names in a folder, or the content of a file, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _touched_before(path: Path, moment: float) -> bool:
    try:
        return path.stat().st_mtime < moment
    except FileNotFoundError:
        return False  # deleted while we looked


def photo_store() -> PhotoStore:
    """The store of the running app."""
    return PhotoStore(current_app.config["PORTAL"].photo_dir)
