"""An export that is read: nothing that the ZIP says is trusted, and nothing is written to a path it names."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, TypeVar, cast

from pydantic import ValidationError

from portal.batches.zip_directory import ArchiveError, find_end
from portal.photos.reasons import MAX_PHOTO_BYTES
from portal.storage import Rendition
from portal.transfer import format as fmt

# A photo has at most four entries; these are four million photos, and about 10 GB of memory.
MOST_ENTRIES = 16_000_000
LARGEST_DIRECTORY = 2 * 1024**3
LARGEST_MANIFEST = 1024**2
PIECE = 256 * 1024
# What zipfile raises for what is damaged, encrypted, or packed in a way that it can't unpack.
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)

Row = TypeVar("Row", bound=fmt.Row)


class ExportError(ValueError):
    """Why an export can't be made or taken, in words for staff."""


class ExportFile:
    """An export's ZIP, opened; its members are checked when they are read."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        """Raises ExportError if it has no sound manifest, or other members than the manifest says."""
        self._archive = archive
        self._entries: dict[str, zipfile.ZipInfo] = {}
        for entry in archive.infolist():
            if entry.filename in self._entries:
                raise ExportError(f"The export has two members {entry.filename!r}: it was changed.")
            self._entries[entry.filename] = entry
        self.manifest = self._read_manifest()
        listed = {*fmt.ROWS, fmt.TEMPLATES, fmt.AUDIT}
        for named, words in ((self.manifest.sha256, "no SHA-256"), (self.manifest.counts, "no count")):
            if named.keys() != listed:
                odd = ", ".join(sorted(named.keys() ^ listed))
                raise ExportError(f"{fmt.MANIFEST} has {words}, or one too many, for: {odd}.")

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a member, without their ends. Raises ExportError, at its end for a wrong SHA-256."""
        digest, number = hashlib.sha256(), 0
        with self._open(name) as file:
            while line := self._read(name, file.readline, fmt.LONGEST_LINE + 1):
                number += 1
                if not line.endswith(b"\n"):
                    raise ExportError(f"Line {number} of {name} is cut off, or longer than 1 MiB.")
                digest.update(line)
                yield line
        self._compare(name, digest.hexdigest())

    def copy(self, name: str, target: IO[bytes]) -> None:
        """Write the content of a member to a file. Raises ExportError."""
        digest = hashlib.sha256()
        with self._open(name) as file:
            while piece := self._read(name, file.read, PIECE):
                digest.update(piece)
                target.write(piece)
        self._compare(name, digest.hexdigest())

    def rows(self, name: str, kind: type[Row]) -> Iterator[Row]:
        """The rows of a member, checked one by one. Raises ExportError."""
        number = 0
        for number, line in enumerate(self.lines(name), 1):
            try:
                yield kind.model_validate_json(line)
            except ValidationError as error:
                raise ExportError(f"Line {number} of {name} can't be used: {_first(error)}") from error
        if number != self.manifest.counts[name]:
            raise ExportError(
                f"{name} has {number:,} rows where {fmt.MANIFEST} says {self.manifest.counts[name]:,}."
            )

    def left_out(self) -> set[int]:
        """The ids of the photos whose files were gone when the export was made. Raises ExportError."""
        found = set()
        with self._open(fmt.LEFT_OUT) as file:
            while line := self._read(fmt.LEFT_OUT, file.readline, 1000):
                try:
                    found.add(fmt.LeftOutRow.model_validate_json(line).photo)
                except ValidationError as error:
                    raise ExportError(f"{fmt.LEFT_OUT} can't be used: {_first(error)}") from error
        return found

    def has(self, name: str) -> bool:
        """Whether there is a member of this name."""
        return name in self._entries

    def photo(self, sha256: str, size_bytes: int) -> bytes:
        """The file of a photo. Raises ExportError unless it is the very one that the rows speak of."""
        name = fmt.photo_member(sha256)
        content = self._small(name, size_bytes)
        if len(content) != size_bytes or hashlib.sha256(content).hexdigest() != sha256:
            raise ExportError(f"{name} is not the photo that it should be: its SHA-256 or size differs.")
        return content

    def rendition(self, photo_id: int, rendition: Rendition) -> bytes | None:
        """A picture that the portal made of a photo; None if there is none. Raises ExportError."""
        name = fmt.rendition_member(photo_id, rendition)
        if not self.has(name):
            return None
        content = self._small(name, MAX_PHOTO_BYTES)
        if not content.startswith(b"\xff\xd8\xff"):
            raise ExportError(f"{name} is no JPEG.")
        return content

    def _small(self, name: str, longest: int) -> bytes:
        """The content of a member that is stored as it is and at most this long. Raises ExportError."""
        entry = self._entries.get(name)
        if entry is None:
            raise ExportError(f"{name} is missing in the export.")
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > longest:
            raise ExportError(f"{name} is packed, or longer than it should be: the export was changed.")
        with self._open(name) as file:
            return self._read(name, file.read, longest + 1)

    def _open(self, name: str) -> BinaryIO:
        if name not in self._entries:
            raise ExportError(f"{name} is missing in the export.")
        try:
            return cast(BinaryIO, self._archive.open(self._entries[name]))
        except DAMAGED as error:
            raise ExportError(f"{name} can't be read: {error}.") from error

    def _read(self, name: str, read: Callable[[int], bytes], size: int) -> bytes:
        try:
            return read(size)
        except DAMAGED as error:
            raise ExportError(f"{name} can't be read: {error}.") from error

    def _compare(self, name: str, digest: str) -> None:
        if digest != self.manifest.sha256[name]:
            raise ExportError(f"{name} is not what {fmt.MANIFEST} says: its SHA-256 differs.")

    def _read_manifest(self) -> fmt.Manifest:
        with self._open(fmt.MANIFEST) as file:
            content = self._read(fmt.MANIFEST, file.read, LARGEST_MANIFEST)
        try:
            return fmt.Manifest.model_validate_json(content)
        except ValidationError as error:
            raise ExportError(f"{fmt.MANIFEST} can't be used: {_first(error)}") from error


def is_export(path: Path) -> bool:
    """Whether a ZIP is an export, perhaps a damaged one, by its members; what can't be opened is none."""
    try:
        with path.open("rb") as file:
            find_end(file, MOST_ENTRIES, LARGEST_DIRECTORY)
            with zipfile.ZipFile(file) as archive:
                members = set(archive.namelist())
                return fmt.MANIFEST in members and not members.isdisjoint(fmt.ROWS)
    except (OSError, ArchiveError, *DAMAGED):
        return False


@contextmanager
def opened(path: Path) -> Iterator[ExportFile]:
    """Open an export. Raises ExportError."""
    with path.open("rb") as file:
        try:
            find_end(file, MOST_ENTRIES, LARGEST_DIRECTORY)
            archive = zipfile.ZipFile(file)
        except (ArchiveError, *DAMAGED) as error:
            raise ExportError(f"{path} can't be opened: {error}") from error
        with archive:
            yield ExportFile(archive)


def _first(error: ValidationError) -> str:
    """The first of what is wrong, without the value: that may be someone's name."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}." if where else f"{first['msg']}."
