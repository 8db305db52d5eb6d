"""ZIPs of photos, as programs make them."""

from __future__ import annotations

import bz2
import io
import lzma
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from portal.batches.archives import Archive, Entry, EntryError
from portal.batches.reasons import ItemReason
from portal.photos.reasons import MAX_PHOTO_BYTES
from tests.make.photos import picture
from tests.portal.batches.zips import (
    DEFLATED,
    Part,
    content_of,
    end,
    entries_of,
    local,
    opened,
    part,
    reading_refused,
    reasons_of,
    zip_of,
)

MIB = 1024**2
METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
BZIP2, LZMA = 12, 14


# What programs make


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("streamed", [False, True])
def test_zips_of_programs_are_read(method: int, streamed: bool, tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):
        """What a program writes to that can't go back to fill in sizes."""

        def writable(self) -> bool:
            return True

        def write(self, content: bytes, /) -> int:  # type: ignore[override]
            return file.write(content)

    photos = {f"lfw/Anna_Smith/{number}.jpg": picture(number, size=(300, 200)) for number in range(3)}
    photos["lfw/leer.jpg"] = b""
    photos["lfw/größe.txt"] = bytes(range(256)) * 2000
    path = tmp_path / "photos.zip"
    with path.open("wb") as file, zipfile.ZipFile(Pipe() if streamed else file, "w", method) as made:
        made.mkdir("lfw")
        for name, content in photos.items():
            made.writestr(name, content)
    with path.open("rb") as whole, Archive.open(whole) as archive:
        entries = list(archive.entries())
        assert [(entry.index, entry.path, entry.size_bytes, entry.reason) for entry in entries] == [
            (index, name, len(content), None) for index, (name, content) in enumerate(photos.items(), start=1)
        ]
        assert [archive.read(entry).read() for entry in entries] == list(photos.values())
        assert not whole.closed


def test_entries_can_be_read_in_any_order_and_side_by_side() -> None:
    first, second = bytes(range(256)) * 1000, b"second" * 50_000
    archive = opened(zip_of([part("a.jpg", first), part("b.jpg", second, DEFLATED)]))
    a, b = archive.entries()
    one, other = archive.read(a), archive.read(b)
    read = [(one.read(10_000), other.read(10_000)) for _ in range(40)]
    assert b"".join(piece for piece, _ in read) == first
    assert b"".join(piece for _, piece in read) == second
    assert archive.read(b).read() == second


@pytest.mark.parametrize(
    "before", [b"", b"#!/bin/sh\nexec unzip $0\n", zip_of([part("other.jpg", b"other")])]
)
@pytest.mark.parametrize("zip64", [False, True])
def test_what_stands_before_a_zip_is_no_harm(before: bytes, zip64: bool) -> None:
    parts = [part("a.jpg", b"first"), part("b.jpg", b"second", DEFLATED)]
    content = zip_of(parts, before=before, zip64=zip64)
    assert [entry.path for entry in entries_of(content)] == ["a.jpg", "b.jpg"]
    assert [content_of(content, 0), content_of(content, 1)] == [b"first", b"second"]


@pytest.mark.parametrize(
    "comment",
    [b"by Anna", b"PK\5\6", b"PK\5\6" + b"x" * 40, b"x" * 65535, b"PK\5\6" * 1000, end(1, 46, 0) + b"."],
)
def test_a_comment_is_no_directory(comment: bytes) -> None:
    content = zip_of([part("a.jpg", b"first")], comment=comment)
    assert [entry.path for entry in entries_of(content)] == ["a.jpg"]
    assert content_of(content) == b"first"


def test_zip64_is_read_where_the_old_fields_are_too_small(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as made:
        for number in range(70_000):
            made.writestr(zipfile.ZipInfo(f"{number}.jpg"), b"%d" % number)
    with path.open("rb") as file, Archive.open(file) as archive:
        entries = list(archive.entries())
        assert len(entries) == 70_000
        assert entries[-1] == Entry(69_999, "69999.jpg", 5, None)
        assert archive.read(entries[65_536]).read() == b"65536"


def test_sizes_and_places_may_stand_in_zip64_fields() -> None:
    first = part("a.jpg", b"first")
    sizes = struct.pack("<2H3Q", 1, 24, 6, 6, len(local(first)))
    large = part(
        "b.jpg", b"second", size=2**32 - 1, packed_size=2**32 - 1, offset=2**32 - 1,
        extra=struct.pack("<2HL", 0x5455, 4, 7) + sizes,
    )  # fmt: skip
    content = zip_of([first, large])
    assert entries_of(content)[1] == Entry(1, "b.jpg", 6, None)
    assert content_of(content, 1) == b"second"


@pytest.mark.parametrize("extra", [b"", b"\1\0", struct.pack("<2H", 1, 24), struct.pack("<2HL", 1, 4, 7)])
def test_zip64_fields_that_are_missing_spoil_one_entry_only(extra: bytes) -> None:
    lost = part("b.jpg", offset=2**32 - 1, extra=extra)
    assert reading_refused(part("a.jpg"), lost, index=1) == ItemReason.DAMAGED_ENTRY
    assert content_of(zip_of([part("a.jpg", b"first"), lost])) == b"first"


def test_as_many_entries_as_just_fit_need_no_zip64() -> None:
    content = zip_of([part("a.jpg", b"")] * 0xFFFF)
    assert len(entries_of(content)) == 0xFFFF


# Names


@pytest.mark.parametrize(
    ("raw", "flags", "path"),
    [
        ("Zoë.jpg".encode(), 1 << 11, "Zoë.jpg"),
        ("Zoë.jpg".encode(), 0, "Zoë.jpg"),
        ("Zoe\u0308.jpg".encode(), 0, "Zoë.jpg"),
        ("Zoë.jpg".encode("cp437"), 0, "Zoë.jpg"),
        ("李.jpg".encode(), 0, "李.jpg"),
        (b"lfw\\Anna\\a.jpg", 0, "lfw/Anna/a.jpg"),
        (b"./lfw//a.jpg", 0, "lfw/a.jpg"),
    ],
)
def test_names_of_all_programs_are_read(raw: bytes, flags: int, path: str) -> None:
    content = zip_of([part(raw, b"first", flags=flags)])
    assert entries_of(content) == [Entry(0, path, 5, None)]
    assert content_of(content) == b"first"


def test_a_name_that_is_not_the_utf_8_it_says_it_is_is_damage() -> None:
    assert reasons_of(part(b"Zo\xeb.jpg", flags=1 << 11)) == [ItemReason.DAMAGED_ENTRY]


def test_folders_and_system_files_are_no_entries() -> None:
    archive = opened(
        zip_of(
            [
                part("lfw/", b""),
                part("win\\", b""),
                part("unix", b"", mode=stat.S_IFDIR | 0o755),
                part("lfw/a.jpg"),
                part("lfw/.DS_Store"),
                part("__MACOSX/lfw/._a.jpg"),
                part("lfw/Thumbs.db"),
                part("lfw/Icon\r"),
            ]
        )
    )
    assert archive.left_out == 4
    assert [(entry.index, entry.path) for entry in archive.entries()] == [(3, "lfw/a.jpg")]


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd.jpg",
        "\\a.jpg",
        "\\\\server\\share\\a.jpg",
        "C:\\a.jpg",
        "c:a.jpg",
        "../a.jpg",
        "lfw/../../a.jpg",
        "lfw\\..\\a.jpg",
        "lfw/..",
        "a.jpg\0.png",
        "a\n.jpg",
        "a\x7f.jpg",
        "a\x85.jpg",
        "",
        ".",
    ],
)
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    assert reasons_of(part(name), part("fine.jpg")) == [ItemReason.UNSAFE_PATH, None]


@pytest.mark.parametrize(
    "name", ["a..b.jpg", "...a/b.jpg".lstrip("."), "lfw/a:b.jpg", "Ä:ö.jpg", "a b/c d.jpg"]
)
def test_names_that_only_look_odd_are_fine(name: str) -> None:
    assert reasons_of(part(name)) == [None]


def test_the_second_file_of_a_name_is_told() -> None:
    same = [
        part("lfw/a.jpg", b"first"),
        part("lfw\\a.jpg"),
        part("./lfw/a.jpg", method=99),
        part("lfw/A.jpg"),
    ]
    assert reasons_of(*same) == [None, ItemReason.PATH_TWICE, ItemReason.PATH_TWICE, None]
    assert content_of(zip_of(same)) == b"first"


# Entries that can't be used


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_links_and_devices_are_refused(kind: int) -> None:
    assert reasons_of(part("a.jpg", b"/etc/passwd", mode=kind | 0o777)) == [ItemReason.SYMLINK]


def test_plain_files_are_known_by_their_mode() -> None:
    assert reasons_of(part("a.jpg", mode=stat.S_IFREG | 0o644), part("b.jpg", mode=0o644)) == [None, None]


@pytest.mark.parametrize(
    "entry",
    [
        part("a.jpg", flags=1),
        part("a.jpg", flags=1 | 1 << 6),
        part("a.jpg", flags=1 << 13),
        part("a.jpg", method=99),
    ],
)
def test_passwords_are_told(entry: Part) -> None:
    assert reasons_of(entry) == [ItemReason.ENCRYPTED]


def test_a_password_that_only_the_entry_itself_tells_of_is_told() -> None:
    assert reading_refused(part("a.jpg", local_flags=1)) == ItemReason.ENCRYPTED


@pytest.mark.parametrize("method", [1, 6, 9, 93, 95, 98])
def test_other_compression_is_refused(method: int) -> None:
    assert reasons_of(part("a.jpg", method=method)) == [ItemReason.UNKNOWN_COMPRESSION]


@pytest.mark.parametrize(
    "name", ["a.zip", "a.RAR", "a.7z", "a.tar", "a.tar.gz", "a.tgz", "a.bz2", "lfw/a.xz", "a.jpg.zip"]
)
def test_archives_inside_are_known_by_name(name: str) -> None:
    assert reasons_of(part(name)) == [ItemReason.NESTED_ARCHIVE]


@pytest.mark.parametrize("method", [0, DEFLATED])
@pytest.mark.parametrize(
    "content",
    [
        zip_of([part("b.jpg")]),
        end(0, 0, 0),
        b"Rar!\x1a\x07\x01\x00" + bytes(20),
        b"7z\xbc\xaf\x27\x1c" + bytes(20),
        b"\x1f\x8b\x08" + bytes(20),
        bz2.compress(b"photo"),
        lzma.compress(b"photo"),
        b"a.jpg".ljust(257, b"\0") + b"ustar\0" + bytes(300),
    ],
)
def test_archives_inside_are_known_by_their_first_bytes(content: bytes, method: int) -> None:
    assert reading_refused(part("a.jpg", content, method)) == ItemReason.NESTED_ARCHIVE


def test_a_file_over_the_limit_is_too_large() -> None:
    most, more = (
        part("a.jpg", size=size, packed_size=size) for size in (MAX_PHOTO_BYTES, MAX_PHOTO_BYTES + 1)
    )
    assert reasons_of(most) == [None]
    assert reasons_of(more) == [ItemReason.TOO_LARGE]


def test_what_expands_too_much_is_refused_before_it_is_read() -> None:
    bomb = part("a.jpg", bytes(20 * MIB), DEFLATED)
    little = part("b.jpg", bytes(MIB), DEFLATED)
    assert reasons_of(bomb, little) == [ItemReason.EXPANDS_TOO_MUCH, None]
    assert content_of(zip_of([bomb, little]), 1) == bytes(MIB)


def test_an_entry_that_can_not_be_used_is_not_read_whoever_asks() -> None:
    archive = opened(zip_of([part("a.jpg", bytes(20 * MIB), DEFLATED)]))
    with pytest.raises(EntryError) as refusal:
        archive.read(Entry(0, "a.jpg", 1, None))
    assert refusal.value.reason == ItemReason.EXPANDS_TOO_MUCH


# Entries that lie


# ZIPs that can't be used at all
