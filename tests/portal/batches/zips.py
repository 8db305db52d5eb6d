"""ZIPs made by hand, as no program makes them: every field can be a lie."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from portal.batches.archives import Archive, ArchiveError, Entry, EntryError
from portal.batches.reasons import ItemReason

STORED, DEFLATED = 0, 8
IN_UTF_8 = 1 << 11


def deflated(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


@dataclass
class Part:
    """An entry: its packed bytes and what is said of them. What is None is the truth."""

    name: bytes
    packed: bytes = b""
    size: int = 0
    crc: int = 0
    method: int = STORED
    flags: int = 0
    mode: int = 0
    packed_size: int | None = None
    offset: int | None = None
    local_name: bytes | None = None
    local_method: int | None = None
    local_flags: int | None = None
    extra: bytes = b""
    is_there: bool = True


def part(name: str | bytes, content: bytes = b"photo", method: int = STORED, **lies: object) -> Part:
    """An entry of this content; the lies replace what is true."""
    packed = deflated(content) if method == DEFLATED else content
    raw, flags = (name, 0) if isinstance(name, bytes) else (name.encode(), 0 if name.isascii() else IN_UTF_8)
    made = Part(raw, packed, len(content), zlib.crc32(content), method, flags)
    for field, value in lies.items():
        setattr(made, field, value)
    return made


def local(entry: Part) -> bytes:
    """An entry as it stands in the file."""
    name = entry.name if entry.local_name is None else entry.local_name
    flags = entry.flags if entry.local_flags is None else entry.local_flags
    method = entry.method if entry.local_method is None else entry.local_method
    return (
        struct.pack(
            "<4s5H3L2H", b"PK\3\4", 20, flags, method, 0, 33,
            entry.crc, len(entry.packed), min(entry.size, 0xFFFFFFFF), len(name), 0,
        ) + name + entry.packed
    )  # fmt: skip


def record(entry: Part, offset: int) -> bytes:
    """An entry as it stands in the directory."""
    packed = len(entry.packed) if entry.packed_size is None else entry.packed_size
    return (
        struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 3 << 8 | 20, 20, entry.flags, entry.method, 0, 33,
            entry.crc, packed, entry.size, len(entry.name), len(entry.extra), 0, 0, 0, entry.mode << 16,
            offset if entry.offset is None else entry.offset,
        ) + entry.name + entry.extra
    )  # fmt: skip


def end(
    entries: int,
    size: int,
    offset: int,
    *,
    disk: int = 0,
    first_disk: int = 0,
    here: int | None = None,
    comment: bytes = b"",
) -> bytes:
    """The end of central directory record."""
    here = entries if here is None else here
    return (
        struct.pack("<4s4H2LH", b"PK\5\6", disk, first_disk, here, entries, size, offset, len(comment))
        + comment
    )


def end_64(
    entries: int, size: int, offset: int, position: int, *, here: int | None = None, disk: int = 0
) -> bytes:
    """ZIP64's end record at this position, its locator, and the old end that points to them."""
    here = entries if here is None else here
    return (
        struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, disk, 0, here, entries, size, offset)
        + struct.pack("<4sLQL", b"PK\6\7", 0, position, 1)
        + end(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    )


def zip_of(
    parts: Sequence[Part],
    *,
    before: bytes = b"",
    comment: bytes = b"",
    zip64: bool = False,
) -> bytes:
    """A ZIP of these entries; what stands before it is not counted in its offsets."""
    entries, records, offset = [], [], 0
    for entry in parts:
        records.append(record(entry, offset))
        entries.append(local(entry) if entry.is_there else b"")
        offset += len(entries[-1])
    body, directory = b"".join(entries), b"".join(records)
    if zip64:
        ending = end_64(len(parts), len(directory), len(body), len(body) + len(directory))
    else:
        ending = end(len(parts), len(directory), len(body), comment=comment)
    return before + body + directory + ending


def opened(content: bytes) -> Archive:
    return Archive.open(io.BytesIO(content))


def entries_of(content: bytes) -> list[Entry]:
    return list(opened(content).entries())


def reasons_of(*parts: Part) -> list[ItemReason | None]:
    return [entry.reason for entry in entries_of(zip_of(parts))]


def content_of(content: bytes, index: int = 0) -> bytes:
    archive = opened(content)
    return archive.read(list(archive.entries())[index]).read()


def reading_refused(*parts: Part, index: int = 0) -> ItemReason:
    """Why an entry can't be read of which the directory tells nothing bad."""
    archive = opened(zip_of(parts))
    entry = list(archive.entries())[index]
    assert entry.reason is None
    with pytest.raises(EntryError) as refusal:
        archive.read(entry).read()
    return refusal.value.reason


def refusal_of(content: bytes) -> str:
    with pytest.raises(ArchiveError) as refusal:
        opened(content)
    return str(refusal.value)
