"""ZIPs that lie, are damaged or made to harm: each is refused, in little memory."""

from __future__ import annotations

import bz2
import lzma
import random
import struct
import tracemalloc
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.batches.archives import Archive, ArchiveError, EntryError
from portal.batches.reasons import ItemReason
from portal.photos.reasons import MAX_PHOTO_BYTES
from tests.make.photos import picture
from tests.portal.batches.test_archives import BZIP2, LZMA, MIB
from tests.portal.batches.zips import (
    DEFLATED,
    Part,
    content_of,
    end,
    end_64,
    entries_of,
    local,
    opened,
    part,
    reading_refused,
    record,
    refusal_of,
    zip_of,
)


def lzma_of(content: bytes, dictionary: int = 1 << 16) -> bytes:
    """LZMA as it stands in ZIPs, with an end marker, announcing a dictionary of this size."""
    packed = lzma.compress(
        content, lzma.FORMAT_ALONE, filters=[{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16}]
    )
    return struct.pack("<2BHBL", 9, 4, 5, packed[0], dictionary) + packed[13:]


BOMB = bytes(96 * MIB)
BOMBS = {0: BOMB[: 30 * MIB], DEFLATED: None, BZIP2: bz2.compress(BOMB), LZMA: lzma_of(BOMB)}


@pytest.mark.parametrize("method", BOMBS)
@pytest.mark.parametrize("declared", [0, 1, MIB])
def test_a_bomb_that_declares_less_is_found_out_in_little_memory(method: int, declared: int) -> None:
    bomb = part("a.jpg", BOMB, DEFLATED) if method == DEFLATED else Part(b"a.jpg", BOMBS[method] or b"")
    bomb.method, bomb.size, bomb.flags = method, declared, 2
    archive = opened(zip_of([bomb]))
    (entry,) = archive.entries()
    assert entry.reason is None
    tracemalloc.start()
    read = 0
    try:
        with pytest.raises(EntryError) as refusal:  # noqa: PT012 - it may come at the beginning or later
            stream = archive.read(entry)
            while piece := stream.read(4096):
                read += len(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert refusal.value.reason == ItemReason.EXPANDS_TOO_MUCH
    assert read <= declared
    assert peak < 12 * MIB


def test_lzma_that_announces_a_huge_dictionary_takes_no_memory_for_it() -> None:
    content = b"photo" * 1000
    entry = Part(b"a.jpg", lzma_of(content, 2**32 - 1), len(content), zlib.crc32(content), LZMA, 2)
    tracemalloc.start()
    try:
        assert content_of(zip_of([entry])) == content
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 * MIB


@pytest.mark.parametrize("method", [0, DEFLATED, BZIP2, LZMA])
def test_the_largest_photo_is_read(method: int, tmp_path: Path) -> None:
    content = random.Random(1).randbytes(MIB).ljust(MAX_PHOTO_BYTES, b"x")
    path = tmp_path / "large.zip"
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as made:
        made.writestr("a.jpg", content)
    with path.open("rb") as file:
        archive = Archive.open(file)
        (entry,) = archive.entries()
        assert archive.read(entry).read() == content


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 65_600, 65_700, 131_072, 131_073])
def test_nothing_is_lost_where_a_piece_ends(size: int) -> None:
    assert content_of(zip_of([part("a.jpg", bytes(size), DEFLATED)])) == bytes(size)


@pytest.mark.parametrize("method", [0, DEFLATED])
def test_an_entry_shorter_than_it_declares_is_damaged(method: int) -> None:
    assert reading_refused(part("a.jpg", method=method, size=6)) == ItemReason.DAMAGED_ENTRY


@pytest.mark.parametrize("method", [0, DEFLATED])
@pytest.mark.parametrize("content", [b"photo", bytes(range(256)) * 1000])
def test_a_wrong_checksum_is_damage(method: int, content: bytes) -> None:
    assert reading_refused(part("a.jpg", content, method, crc=1)) == ItemReason.DAMAGED_ENTRY


@pytest.mark.parametrize("method", [DEFLATED, BZIP2, LZMA])
@pytest.mark.parametrize(
    "packed", [b"", b"\xff", b"\xff" * 8, b"\xff" * 100, b"\x09\x04\x05\x00" + b"\xff" * 40]
)
def test_packed_bytes_that_make_no_sense_are_damage(method: int, packed: bytes) -> None:
    entry = part("a.jpg", method=method, packed=packed)
    assert reading_refused(entry) == ItemReason.DAMAGED_ENTRY


@pytest.mark.parametrize(
    "entry",
    [
        part("a.jpg", local_name=b"b.jpg"),
        part("a.jpg", local_method=DEFLATED),
        part("a.jpg", offset=1),
        part("a.jpg", offset=2**31),
        part("a.jpg", packed_size=400),
        part("a.jpg", packed_size=2**31),
    ],
)
def test_an_entry_that_is_not_what_the_directory_says_is_damaged(entry: Part) -> None:
    assert reading_refused(entry, part("b.jpg")) == ItemReason.DAMAGED_ENTRY
    assert content_of(zip_of([entry, part("b.jpg", b"fine")]), 1) == b"fine"


def test_an_entry_that_is_not_there_at_all_is_damaged() -> None:
    assert reading_refused(part("a.jpg"), part("b.jpg", is_there=False), index=1) == ItemReason.DAMAGED_ENTRY


def test_a_missing_piece_at_the_front_is_told() -> None:
    assert "damaged" in refusal_of(zip_of([part("a.jpg", bytes(500)), part("b.jpg")])[200:])


def overlapping(count: int) -> bytes:
    """Entries of which each contains the local headers of all that follow (D. Fifield, 2019)."""
    kernel = b"kernel" * 1000
    names = [b"%d.jpg" % number for number in range(count)]
    body = local(part(names[-1], kernel))
    contents = {names[-1]: kernel}
    for name in reversed(names[:-1]):
        contents[name] = body
        body = local(part(name, body))
    directory, place = b"", 0
    for name in names:
        directory += record(part(name, contents[name]), place)
        place += 30 + len(name)
    return body + directory + end(count, len(directory), len(body))


def test_overlapping_entries_are_found_out() -> None:
    content = overlapping(20)
    # Each alone is a good entry, and zipfile of Python 3.11.7 reads them all.
    archive = opened(content)
    for entry in list(archive.entries())[:-1]:
        with pytest.raises(EntryError) as refusal:
            archive.read(entry)
        assert refusal.value.reason == ItemReason.DAMAGED_ENTRY
    assert content_of(content, 19) == b"kernel" * 1000


def test_entries_that_are_all_the_same_bytes_are_found_out() -> None:
    one = local(part("a.jpg", b"kernel"))
    directory = record(part("a.jpg", b"kernel"), 0) * 5
    archive = opened(one + directory + end(5, len(directory), len(one)))
    first, *others = archive.entries()
    assert [other.reason for other in others] == [ItemReason.PATH_TWICE] * 4
    with pytest.raises(EntryError) as refusal:
        archive.read(first)
    assert refusal.value.reason == ItemReason.DAMAGED_ENTRY


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The file is empty"),
        (b"x", "This is not a ZIP file"),
        (picture(1), "This is not a ZIP file"),
        (b"Rar!\x1a\x07\x01\x00" + bytes(100), "This is not a ZIP file"),
        (end(0, 0, 0), "The ZIP is empty"),
        (zip_of([part("a.jpg", bytes(500))])[:300], "The end of the ZIP is missing"),
        (zip_of([part("a.jpg")])[:-1], "The end of the ZIP is missing"),
        (zip_of([part("a.jpg")]) + b"\n", "The end of the ZIP is missing"),
        (b"PK\7\x08" + zip_of([part("a.jpg", bytes(500))])[:300], "This is one part of a ZIP"),
        (end(3, 200, 0, here=1), "This is one part of a ZIP"),
        (end(1, 200, 0, disk=1), "This is one part of a ZIP"),
        (end(1, 200, 0, first_disk=1), "This is one part of a ZIP"),
        (end_64(3, 200, 0, 0, here=1), "This is one part of a ZIP"),
        (end_64(3, 200, 0, 0, disk=2), "This is one part of a ZIP"),
        (end_64(0, 0, 0, 0), "The ZIP is empty"),
        (end(1, 46, 0), "The ZIP is damaged"),
        (bytes(46) + end(1, 46, 0), "The ZIP is damaged"),
        (b"PK\1\2" + bytes(20) + end(1, 24, 0), "The ZIP is damaged"),
        (b"PK\1\2" + b"\xff" * 42 + end(1, 46, 0), "The ZIP is damaged"),
        (end(0xFFFF, 0xFFFF, 0xFFFFFFFF), "The ZIP is damaged"),
        (end_64(1, 2**26, 2**64 - 1, 2**64 - 1), "The ZIP is damaged"),
        (b"PK\6\7" + bytes(16) + end(0xFFFF, 1, 1), "The ZIP is damaged"),
        (end_64(10**12, 100, 0, 0), "The ZIP has 1,000,000,000,000 entries; 200,000 are allowed"),
        (end_64(200_001, 100, 0, 0), "The ZIP has 200,001 entries; 200,000 are allowed"),
        (end_64(200_000, 2**26 + 1, 0, 0), "The names of the files in the ZIP take more than 64 MiB"),
        (end(1, 2**32 - 2, 0), "The names of the files in the ZIP take more than 64 MiB"),
    ],
)
def test_a_zip_that_cannot_be_used_says_why(content: bytes, words: str) -> None:
    assert refusal_of(content).startswith(words)


@pytest.mark.parametrize("stated", [1, 3])
def test_the_number_of_entries_must_be_the_one_stated(stated: int) -> None:
    body = local(part("a.jpg")) + local(part("b.jpg"))
    directory = record(part("a.jpg"), 0) + record(part("b.jpg"), len(body) // 2)
    assert refusal_of(body + directory + end(stated, len(directory), len(body))).startswith(
        "The ZIP is damaged"
    )


def test_more_than_any_disk_holds_is_refused() -> None:
    def sparse(gib: int) -> bytes:
        return zip_of([part(f"{number}.jpg", size=2**30) for number in range(gib)])

    assert len(entries_of(sparse(100))) == 100
    assert refusal_of(sparse(101)).startswith("Unpacked, the ZIP would have more than 100 GiB")


PARTS = [part("lfw/a.jpg", b"first" * 99, DEFLATED), part("ö.jpg", b"second"), part("c/", b"")]
PARTS.append(Part(b"d.jpg", bz2.compress(b"third"), 5, zlib.crc32(b"third"), BZIP2))
PARTS.append(Part(b"e.jpg", lzma_of(b"fourth"), 6, zlib.crc32(b"fourth"), LZMA, 2))


@given(
    st.sampled_from([zip_of(PARTS), zip_of(PARTS, zip64=True), zip_of(PARTS, before=b"x" * 9)]),
    st.lists(st.tuples(st.integers(0, 800), st.binary(min_size=1, max_size=8)), max_size=4),
    st.none() | st.integers(0, 800),
)
def test_whatever_is_damaged_there_is_content_or_a_refusal(
    content: bytes, damages: list[tuple[int, bytes]], cut: int | None
) -> None:
    for position, damage in damages:
        content = content[:position] + damage + content[position + len(damage) :]
    with suppress(ArchiveError):
        archive = opened(content[:cut])
        for entry in archive.entries():
            with suppress(EntryError):
                assert len(archive.read(entry).read()) == entry.size_bytes
