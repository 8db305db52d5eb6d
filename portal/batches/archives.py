"""ZIPs of photos: nothing they say is trusted, and nothing is ever written to a path they name.

An entry that can't be used has a reason, and the others are used. Entries are unpacked here and not by
zipfile, which cuts them off at the size they declare, and holds in memory whatever a few bytes of bzip2 or
LZMA expand to.
"""

from __future__ import annotations

import bz2
import io
import itertools
import lzma
import re
import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Self

from portal.batches.naming import UNPRINTABLE, is_system_file, normal_path
from portal.batches.reasons import ItemReason
from portal.batches.zip_directory import LOCAL_SIGNATURE, ArchiveError, Record, ZipDirectory
from portal.batches.zip_names import Reading, find_encoding, is_utf_8, text_of
from portal.photos.reasons import MAX_PHOTO_BYTES

__all__ = ["Archive", "ArchiveError", "Entry", "EntryError"]

# Photos are compressed already: what shrinks to a two hundredth is none, and small files are no harm.
MOST_EXPANSION = 200
HARMLESS_BYTES = 1024**2
PIECE = 64 * 1024

# APPNOTE.TXT 6.3.10, 4.4.4 and 4.4.5
ENCRYPTED, STRONGLY_ENCRYPTED, ENCRYPTED_DIRECTORY, END_MARKED, IN_UTF_8 = 1, 1 << 6, 1 << 13, 1 << 1, 1 << 11
STORED, DEFLATED, BZIP2, LZMA, AES = 0, 8, 12, 14, 99
LOCAL = struct.Struct("<4s5H3L2H")

DRIVE = re.compile(r"[A-Za-z]:")
NAME_OF_ARCHIVE = re.compile(r"\.(zip|rar|7z|tar|gz|tgz|bz2|xz)$", re.IGNORECASE)
BEGINNING_OF_ARCHIVE = re.compile(
    rb"PK(\x03\x04|\x05\x06|\x07\x08)|Rar!\x1a\x07|7z\xbc\xaf'\x1c|\x1f\x8b|BZh[1-9]1AY&SY|\xfd7zXZ\x00|.{257}ustar",
    re.DOTALL,
)
BEGINNING = 257 + len(b"ustar")


class EntryError(ValueError):
    """This entry can't be used, for this reason."""

    def __init__(self, reason: ItemReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True)
class Entry:
    """A file of a ZIP.

    `index` is its place in the ZIP's directory, 0…; `path` is a normal_path, and no two entries have the same
    but those whose reason is PATH_TWICE; `size_bytes` is what the ZIP declares; `reason` is why it can't be
    used, as far as the directory tells.
    """

    index: int
    path: str
    size_bytes: int
    reason: ItemReason | None


class Archive:
    """A ZIP in a file that can be sought in, which stays open, and is not closed here."""

    def __init__(self, file: IO[bytes], directory: ZipDirectory, encoding: str | None) -> None:
        self._file = file
        self._directory = directory
        # What the names are written in that do not say so, as far as that is clear.
        self.reading = Reading(encoding, {}) if encoding else find_encoding(map(_unsaid_name, directory))
        self._encoding = self.reading.encoding or next(iter(self.reading.samples))
        # Files that nobody put into the ZIP on purpose: they are no entries.
        self.left_out = sum(
            not self._is_folder(record) and is_system_file(self._name_of(record)) for record in directory
        )

    @classmethod
    def open(cls, file: IO[bytes], encoding: str | None = None) -> Archive:
        """Read a ZIP's directory; in this of zip_names.ENCODINGS, if it was chosen. Raises ArchiveError."""
        return cls(file, ZipDirectory(file), encoding)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        del self._directory  # it can be large

    def entries(self) -> Iterator[Entry]:
        """The files, in the order of the directory, without folders and the operating system's files."""
        paths: set[str] = set()
        for index, record in enumerate(self._directory):
            name = self._name_of(record)
            if self._is_folder(record) or is_system_file(name):
                continue
            path = normal_path(name)
            reason = ItemReason.PATH_TWICE if path in paths else _reason_against(record, name)
            paths.add(path)
            yield Entry(index, path, record.size_bytes, reason)

    def read(self, entry: Entry, *, may_be_zip: bool = False) -> IO[bytes]:
        """The content of an entry as a stream; no more of it is in memory than is read.

        It yields at most as many bytes as the entry declares, and so at most MAX_PHOTO_BYTES. Both this and
        the stream raise EntryError; only a stream read to its end shows that the entry is whole. One stream
        can be read while another one is.
        """
        record = self._directory[entry.index]
        if reason := _reason_against(record, self._name_of(record)):
            raise EntryError(reason)
        content = _whole(_unpacked(self._packed(record), record), record)
        beginning = b""
        while len(beginning) < BEGINNING and (piece := next(content, None)) is not None:
            beginning += piece
        if not may_be_zip and BEGINNING_OF_ARCHIVE.match(beginning):
            raise EntryError(ItemReason.NESTED_ARCHIVE)
        return io.BufferedReader(_Stream(itertools.chain([beginning], content)), PIECE)

    def _name_of(self, record: Record) -> str:
        """The name of an entry. ZIPs of macOS and Linux are in UTF-8 also where they do not say so."""
        if record.unicode_name is not None and is_utf_8(record.unicode_name):
            return record.unicode_name.decode()
        if record.flags & IN_UTF_8:
            return record.name.decode(errors="replace")
        try:
            return text_of(record.name, self._encoding)
        except UnicodeDecodeError:
            return record.name.decode(self._encoding, errors="replace")

    def _is_folder(self, record: Record) -> bool:
        return self._name_of(record).endswith(("/", "\\")) or stat.S_ISDIR(record.mode)

    def _packed(self, record: Record) -> Iterator[bytes]:
        """The bytes of an entry as they are in the file. Raises EntryError."""
        end_of_room = self._directory.end_of_room(record)
        if record.offset + LOCAL.size > end_of_room:
            raise EntryError(ItemReason.DAMAGED_ENTRY)
        self._file.seek(record.offset)
        header = self._file.read(LOCAL.size)
        signature, _, flags, method, _, _, _, _, _, name_length, extra_length = LOCAL.unpack(header)
        if flags & ENCRYPTED:
            raise EntryError(ItemReason.ENCRYPTED)
        position = record.offset + LOCAL.size + name_length + extra_length
        end = position + record.packed_bytes
        if (
            (signature, method, self._file.read(name_length)) != (LOCAL_SIGNATURE, record.method, record.name)
            # Entries that share bytes expand to far more than the ZIP has (D. Fifield, "A better zip bomb").
            or end > end_of_room
        ):
            raise EntryError(ItemReason.DAMAGED_ENTRY)
        while position < end:
            self._file.seek(position)  # another stream may have read in between
            piece = self._file.read(min(PIECE, end - position))
            if not piece:
                raise EntryError(ItemReason.DAMAGED_ENTRY)
            position += len(piece)
            yield piece


def _unsaid_name(record: Record) -> bytes:
    """The name of an entry that does not say what it is written in, b"" of others."""
    says_it = record.flags & IN_UTF_8 or (record.unicode_name is not None and is_utf_8(record.unicode_name))
    return b"" if says_it else record.name


def _reason_against(record: Record, name: str) -> ItemReason | None:
    """Why an entry of this name can't be used, as far as the directory tells."""
    kind = stat.S_IFMT(record.mode)
    if not _is_safe(name):
        return ItemReason.UNSAFE_PATH
    if record.flags & IN_UTF_8 and not is_utf_8(record.name):
        return ItemReason.DAMAGED_ENTRY
    if kind not in {0, stat.S_IFREG}:
        return ItemReason.SYMLINK
    if record.flags & (ENCRYPTED | STRONGLY_ENCRYPTED | ENCRYPTED_DIRECTORY) or record.method == AES:
        return ItemReason.ENCRYPTED
    if NAME_OF_ARCHIVE.search(name):
        return ItemReason.NESTED_ARCHIVE
    if record.method not in {STORED, DEFLATED, BZIP2, LZMA}:
        return ItemReason.UNKNOWN_COMPRESSION
    if record.size_bytes > MAX_PHOTO_BYTES:
        return ItemReason.TOO_LARGE
    if record.size_bytes > max(HARMLESS_BYTES, MOST_EXPANSION * record.packed_bytes):
        return ItemReason.EXPANDS_TOO_MUCH
    return None


def _is_safe(name: str) -> bool:
    """Whether a name is that of a file below the ZIP's own folder."""
    path = normal_path(name)
    leads_elsewhere = name.startswith(("/", "\\")) or DRIVE.match(name) or ".." in path.split("/")
    return bool(path) and not leads_elsewhere and not UNPRINTABLE.search(name)


def _unpacked(packed: Iterator[bytes], record: Record) -> Iterator[bytes]:
    """The content in pieces of at most PIECE bytes. Raises EntryError where it makes no sense."""
    if record.method == STORED:
        yield from packed
        return
    if record.method == DEFLATED:
        yield from _inflated(packed)
        return
    unpacker: bz2.BZ2Decompressor | lzma.LZMADecompressor = bz2.BZ2Decompressor()
    if record.method == LZMA:
        unpacker = lzma.LZMADecompressor(lzma.FORMAT_ALONE)
        packed = _as_lzma_file(packed, record)
    for piece in packed:
        given = piece
        while not unpacker.eof and (given or not unpacker.needs_input):
            try:
                content = unpacker.decompress(given, PIECE)
            except (OSError, lzma.LZMAError) as error:  # OSError is what bz2 says
                raise EntryError(ItemReason.DAMAGED_ENTRY) from error
            given = b""
            yield content


def _inflated(packed: Iterator[bytes]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    for piece in packed:
        given = piece
        while not unpacker.eof:
            try:
                content = unpacker.decompress(given, PIECE)
            except zlib.error as error:
                raise EntryError(ItemReason.DAMAGED_ENTRY) from error
            given = unpacker.unconsumed_tail
            yield content
            if len(content) < PIECE:  # else there may be more of it, even if all has been read
                break


def _as_lzma_file(packed: Iterator[bytes], record: Record) -> Iterator[bytes]:
    """An entry's LZMA data (APPNOTE.TXT 5.8.8) as a file of the old LZMA format, which liblzma reads."""
    first = next(packed, b"")
    if len(first) < 9:
        raise EntryError(ItemReason.DAMAGED_ENTRY)
    _, _, length, settings, dictionary = struct.unpack_from("<2BHBL", first)
    if length != 5:
        raise EntryError(ItemReason.DAMAGED_ENTRY)
    # It is allocated as it stands here, up to 4 GiB, and no photo looks farther back than it is long.
    dictionary = min(dictionary, MAX_PHOTO_BYTES)
    size = -1 if record.flags & END_MARKED else record.size_bytes
    yield struct.pack("<BLq", settings, dictionary, size) + first[9:]
    yield from packed


def _whole(content: Iterator[bytes], record: Record) -> Iterator[bytes]:
    """The same content; raises EntryError as soon as it turns out not to be what the directory declares."""
    size = checksum = 0
    for piece in content:
        size += len(piece)
        if size > record.size_bytes:
            raise EntryError(ItemReason.EXPANDS_TOO_MUCH)
        checksum = zlib.crc32(piece, checksum)
        yield piece
    if (size, checksum) != (record.size_bytes, record.crc):
        raise EntryError(ItemReason.DAMAGED_ENTRY)


class _Stream(io.RawIOBase):
    """Pieces as one stream."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
