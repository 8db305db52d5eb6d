"""The letters of names in ZIPs: certain, or asked; never taken for others."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.batches.archives import Archive
from portal.batches.zip_names import ENCODINGS, find_encoding

NAMES = {
    "cp850": ["Søren Østergård", "João Ângelo", "Zoë"],
    "cp437": ["José Núñez", "Zoë"],
    "cp852": ["Łukasz Wiśniewski", "Jiří Dvořák", "Żółć"],
    "cp1250": ["Jiří"],
    "cp1252": ["O’Brien Seán", "Søren"],
    "cp866": ["Иван Петров", "Ёлка", "Анна"],
    "cp1251": ["Іванна Ґудзь", "Їжак"],
    "cp932": ["山田太郎", "たなか", "サトウ"],
    "gbk": ["李小龙", "王芳"],
    "cp950": ["李小龍", "王芳"],
    "cp949": ["김철수", "이영희"],
    "cp720": ["محمد علي", "كريم"],
    "cp1254": ["Işıl Çağlar"],
    "cp737": ["Ελένη Παπαδοπούλου"],
    "mac_roman": ["José Núñez"],
}


def a_zip(names: list[bytes], extra: bytes = b"") -> io.BytesIO:
    """A ZIP with these names, which does not say what they are written in."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for number, _ in enumerate(names):
            info = zipfile.ZipInfo(f"{number:03}")
            info.extra = extra
            archive.writestr(info, b"x")
    data = bytearray(content.getvalue())
    # The names are put in afterwards: zipfile would say that they are in UTF-8.
    made, place, moved = bytearray(), 0, 0
    offsets: list[int] = []
    directory_at = struct.unpack_from("<L", data, len(data) - 6)[0]
    while place < len(data) - 22:
        is_local = data[place : place + 4] == b"PK\3\4"
        at, size = (place + 26, 30) if is_local else (place + 28, 46)
        length, more = struct.unpack_from("<2H", data, at)
        name = names[int(data[place + size : place + size + length])]
        if place == directory_at:
            moved = len(made)
        header = bytearray(data[place : place + size])
        struct.pack_into("<H", header, at - place, len(name))
        if is_local:
            offsets.append(len(made))
        else:
            struct.pack_into("<L", header, 42, offsets[int(data[place + size : place + size + length])])
        rest = more + (1 if is_local else 0)
        end = place + size + length
        made += header + name + data[end : end + rest]
        place = end + rest
    tail = bytearray(data[-22:])
    struct.pack_into("<2L", tail, 12, len(made) - moved, moved)
    return io.BytesIO(bytes(made + tail))


def paths(file: io.BytesIO, encoding: str | None = None) -> list[str]:
    return [entry.path for entry in Archive.open(file, encoding).entries()]


@pytest.mark.parametrize("encoding", NAMES)
def test_names_are_read_right_or_asked_about(encoding: str) -> None:
    names = [f"4A/{name}.jpg" for name in NAMES[encoding]]
    file = a_zip([name.encode(encoding) for name in names])
    reading = Archive.open(file).reading
    if reading.encoding is None:
        right = [one for one, sample in reading.samples.items() if set(sample) == set(names)]
        assert paths(file, right[0]) == names
    else:
        assert paths(file) == names


@pytest.mark.parametrize(
    ("encoding", "names"),
    [("cp850", ["Søren Østergård", "João Ângelo"]), ("cp437", ["José Núñez"]), ("cp866", ["Иван Петров"])],
)
def test_what_only_one_encoding_can_mean_is_not_asked(encoding: str, names: list[str]) -> None:
    assert paths(a_zip([f"{name}.jpg".encode(encoding) for name in names])) == [
        f"{name}.jpg" for name in names
    ]


def test_names_in_utf_8_decide_nothing_and_stay() -> None:
    file = a_zip(["Łukasz.jpg".encode(), "José.jpg".encode("cp850"), b"Anna.jpg"])
    assert paths(file) == ["Łukasz.jpg", "José.jpg", "Anna.jpg"]


def unicode_path(name: bytes, said: bytes, version: int = 1) -> bytes:
    field = struct.pack("<BL", version, zlib.crc32(name)) + said
    return struct.pack("<2H", 0x7075, len(field)) + field


def test_the_unicode_path_comes_first() -> None:
    name = "Søren.jpg".encode("cp437", "replace")
    assert paths(a_zip([name], unicode_path(name, "Søren.jpg".encode()))) == ["Søren.jpg"]


@pytest.mark.parametrize("broken", ["checksum", "version", "not utf-8", "empty", "cut off"])
def test_a_unicode_path_of_another_name_is_none(broken: str) -> None:
    extra = {
        "checksum": unicode_path(b"other", b"Other.jpg"),
        "version": unicode_path(b"A.jpg", b"Other.jpg", 2),
        "not utf-8": unicode_path(b"A.jpg", b"\xff.jpg"),
        "empty": unicode_path(b"A.jpg", b""),
        "cut off": struct.pack("<2H", 0x7075, 3) + b"\1ab",
    }[broken]
    assert paths(a_zip([b"A.jpg"], extra)) == ["A.jpg"]


def test_a_unicode_path_that_leads_elsewhere_is_not_used() -> None:
    file = a_zip([b"A.jpg"], unicode_path(b"A.jpg", b"../A.jpg"))
    assert [entry.reason for entry in Archive.open(file).entries()] == ["unsafe_path"]


@given(st.lists(st.binary(min_size=1, max_size=12), max_size=4))
def test_any_names_are_read_or_asked_about(names: list[bytes]) -> None:
    reading = find_encoding(names)
    if reading.encoding is None:
        assert reading.samples
        assert reading.samples.keys() <= ENCODINGS.keys()
    else:
        assert reading.encoding in {"utf-8", *ENCODINGS}


@pytest.mark.parametrize(
    ("case", "names"),
    [
        ("zip_cp850_nordic.zip", ["João Ângelo.jpg", "Søren Østergård.jpg"]),
        ("zip_unicode_extra.zip", ["Søren Ærø.jpg"]),
    ],
)
def test_the_cases_that_are_certain(cases: Path, case: str, names: list[str]) -> None:
    with (cases / case).open("rb") as file:
        assert sorted(entry.path for entry in Archive.open(file).entries()) == names
