"""The directory at the end of a ZIP, checked before any of it is trusted.

Formats and names of fields: APPNOTE.TXT 6.3.10 of PKWARE, section 4.3.
"""

from __future__ import annotations

import os
import struct
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

MOST_ENTRIES = 200_000
LARGEST_DIRECTORY = 64 * 1024**2
MOST_BYTES = 100 * 1024**3

END = struct.Struct("<4s4H2LH")
END_64_LOCATOR = struct.Struct("<4sLQL")
END_64 = struct.Struct("<4sQ2H2L4Q")
RECORD = struct.Struct("<4s6H3L5H2L")
EXTRA = struct.Struct("<2H")
END_SIGNATURE, END_64_LOCATOR_SIGNATURE, END_64_SIGNATURE = b"PK\5\6", b"PK\6\7", b"PK\6\6"
RECORD_SIGNATURE, LOCAL_SIGNATURE, SPANNING_SIGNATURE = b"PK\1\2", b"PK\3\4", b"PK\7\x08"
LONGEST_COMMENT = 0xFFFF
SEE_ZIP64_SHORT, SEE_ZIP64 = 0xFFFF, 0xFFFFFFFF
ZIP64_EXTRA = 1
UNICODE_PATH_EXTRA = 0x7075
UNICODE_PATH = struct.Struct("<BL")

AGAIN = "Make the ZIP again from the original folder, or copy it again, and drop that."


class ArchiveError(ValueError):
    """The whole ZIP can't be used; the message says in words for staff why, and what to do."""


class Record(NamedTuple):
    """What the directory says of one entry; `offset` is where its local header begins in the file.

    `unicode_name` is the name in UTF-8 that stands beside it, where there is one for this `name`.
    """

    flags: int
    method: int
    crc: int
    packed_bytes: int
    size_bytes: int
    mode: int
    offset: int
    name: bytes
    unicode_name: bytes | None


class ZipDirectory:
    """All entries of a ZIP, by their place in its directory, 0….

    It takes as much memory as the directory in the file, LARGEST_DIRECTORY at most, and 16 bytes an entry.
    """

    def __init__(self, file: IO[bytes]) -> None:
        """Raises ArchiveError."""
        end = find_end(file)
        self._position = end.position - end.size
        # What lies before the ZIP (a program that unpacks it, say) is not counted in its offsets.
        self._before = self._position - end.offset
        file.seek(self._position)
        self._content = file.read(end.size)
        self._places, offsets = array("Q"), array("Q")
        place = total = 0
        while place < len(self._content):
            self._places.append(place)
            record, place = self._record_at(place)
            offsets.append(record.offset)
            total += record.size_bytes
        if len(self._places) != end.entries:
            raise _damaged()
        if total > MOST_BYTES:
            raise ArchiveError(
                f"Unpacked, the ZIP would have more than {MOST_BYTES // 1024**3} GiB. Divide it into several."
            )
        self._offsets = array("Q", sorted(offsets))

    def __iter__(self) -> Iterator[Record]:
        return (self._record_at(place)[0] for place in self._places)

    def __getitem__(self, index: int) -> Record:
        return self._record_at(self._places[index])[0]

    def end_of_room(self, record: Record) -> int:
        """Where the bytes of an entry must have ended: at the next entry, or at the directory.

        At its own beginning if another entry begins there too.
        """
        following = bisect_left(self._offsets, record.offset) + 1
        return self._offsets[following] if following < len(self._offsets) else self._position

    def _record_at(self, place: int) -> tuple[Record, int]:
        """The record at a place of the directory, and the place of the next one."""
        if place + RECORD.size > len(self._content):
            raise _damaged()
        (
            signature, _, _, flags, method, _, _, crc, packed, size,
            name_length, extra_length, comment_length, _, _, attributes, offset,
        ) = RECORD.unpack_from(self._content, place)  # fmt: skip
        name_at = place + RECORD.size
        extra_at = name_at + name_length
        following = extra_at + extra_length + comment_length
        if signature != RECORD_SIGNATURE or following > len(self._content):
            raise _damaged()
        name, extra = self._content[name_at:extra_at], self._content[extra_at : extra_at + extra_length]
        size, packed, offset = _with_zip64(extra, (size, packed, offset))
        offset = min(offset + self._before, self._position)  # no entry lies behind the directory
        unicode_name = _unicode_name(extra, name)
        mode = attributes >> 16
        return Record(flags, method, crc, packed, size, mode, offset, name, unicode_name), following


def _with_zip64(extra: bytes, values: tuple[int, int, int]) -> Iterator[int]:
    """The values; those that are too large for their fields are taken from the entry's ZIP64 extra field."""
    large: Iterator[int] = iter(())
    for kind, field in _fields(extra):
        if kind == ZIP64_EXTRA:
            large = (number for (number,) in struct.iter_unpack("<Q", field[: len(field) // 8 * 8]))
    return (next(large, value) if value == SEE_ZIP64 else value for value in values)


def _unicode_name(extra: bytes, name: bytes) -> bytes | None:
    """The name in an entry's Unicode path field (APPNOTE.TXT 4.6.9), if it was made for this name."""
    for kind, field in _fields(extra):
        if kind == UNICODE_PATH_EXTRA and len(field) > UNICODE_PATH.size:
            version, checksum = UNICODE_PATH.unpack_from(field)
            if (version, checksum) == (1, zlib.crc32(name)):
                return field[UNICODE_PATH.size :]
    return None


def _fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """The extra fields of an entry: kind and content."""
    place = 0
    while place + EXTRA.size <= len(extra):
        kind, length = EXTRA.unpack_from(extra, place)
        place += EXTRA.size
        yield kind, extra[place : place + length]
        place += length


class End(NamedTuple):
    """What the end of a ZIP says of its directory; `position` is where the directory must have ended."""

    position: int
    entries: int
    size: int
    offset: int


def find_end(
    file: IO[bytes], most_entries: int = MOST_ENTRIES, largest_directory: int = LARGEST_DIRECTORY
) -> End:
    """Raises ArchiveError where there is no end, or one whose directory is not to be read."""
    length = file.seek(0, os.SEEK_END)
    tail_at = max(0, length - END.size - LONGEST_COMMENT)
    file.seek(tail_at)
    tail = file.read()
    at = tail.rfind(END_SIGNATURE)
    while at >= 0:
        if at + END.size <= len(tail):
            _, disk, first_disk, here, entries, size, offset, comment_length = END.unpack_from(tail, at)
            # The same four bytes in a comment are no end: the comment they announce ends elsewhere.
            if at + END.size + comment_length == len(tail):
                end = End(tail_at + at, entries, size, offset)
                zip64, disks = _in_zip64(file, end, (disk, first_disk, here))
                return _checked(file, zip64, disks, most_entries, largest_directory)
        at = tail.rfind(END_SIGNATURE, 0, at)
    raise _no_end(file, length)


def _in_zip64(file: IO[bytes], end: End, disks: tuple[int, int, int]) -> tuple[End, tuple[int, int, int]]:
    """The end, or that of ZIP64 if the end's own fields are too small and there is one.

    Of the disks come their number, that on which the directory begins, and how many entries are on this one.
    """
    if end.entries != SEE_ZIP64_SHORT and SEE_ZIP64 not in (end.size, end.offset):
        return end, disks
    locator_at = end.position - END_64_LOCATOR.size
    signature, _, stated_at, _ = _unpack_at(file, END_64_LOCATOR, locator_at, end.position)
    if signature != END_64_LOCATOR_SIGNATURE:
        return end, disks  # as many entries, or bytes, as just fit
    # If something lies before the ZIP, the place stated is not the place.
    for at in (stated_at, locator_at - END_64.size):
        fields = _unpack_at(file, END_64, at, locator_at)
        if fields[0] == END_64_SIGNATURE:
            _, _, _, _, disk, first_disk, here, entries, size, offset = fields
            return End(at, entries, size, offset), (disk, first_disk, here)
    raise _damaged()


def _unpack_at(file: IO[bytes], structure: struct.Struct, position: int, end: int) -> tuple[Any, ...]:
    """The fields at a position of the file; zeros if they do not lie before the end."""
    if not 0 <= position <= end - structure.size:
        return structure.unpack(bytes(structure.size))
    file.seek(position)
    return structure.unpack(file.read(structure.size))


def _checked(
    file: IO[bytes], end: End, disks: tuple[int, int, int], most_entries: int, largest_directory: int
) -> End:
    if disks != (0, 0, end.entries):
        raise _in_parts()
    if end.entries == 0:
        raise ArchiveError("The ZIP is empty. Make it again with the photos in it.")
    if end.entries > most_entries:
        raise ArchiveError(
            f"The ZIP has {end.entries:,} entries; {most_entries:,} are allowed. Divide it into several."
        )
    if end.size > largest_directory:
        raise ArchiveError(
            f"The names of the files in the ZIP take more than {largest_directory // 1024**2} MiB. "
            "Divide it into several."
        )
    position = end.position - end.size
    if position < end.offset:
        raise _damaged()
    file.seek(position)
    if file.read(len(RECORD_SIGNATURE)) != RECORD_SIGNATURE:
        raise _damaged()
    return end


def _no_end(file: IO[bytes], length: int) -> ArchiveError:
    if length == 0:
        return ArchiveError(f"The file is empty: it has 0 bytes. {AGAIN}")
    file.seek(0)
    beginning = file.read(len(LOCAL_SIGNATURE))
    if beginning == SPANNING_SIGNATURE:
        return _in_parts()
    if beginning == LOCAL_SIGNATURE:
        return ArchiveError(
            f"The end of the ZIP is missing: it was cut off, or something was added to it. {AGAIN}"
        )
    return ArchiveError("This is not a ZIP file. Make a ZIP of the folder with the photos, and drop that.")


def _in_parts() -> ArchiveError:
    return ArchiveError(
        "This is one part of a ZIP that was divided into several files. Make it again in one."
    )


def _damaged() -> ArchiveError:
    return ArchiveError(f"The ZIP is damaged: its list of files can't be read. {AGAIN}")
