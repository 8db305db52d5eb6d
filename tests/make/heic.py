"""HEIC photos with a gain map, as telephones write them: made of files of two pictures."""

from __future__ import annotations

import io
import struct

import pillow_heif
from PIL import Image

APPLE = b"urn:com:apple:photo:2020:aux:hdrgainmap\0"
# The item of the photo, that of its map, and that of the photo with more light, derived of both.
PHOTO, MAP, DERIVED = 1, 2, 3


def with_gain_map(photo: Image.Image, *, derived: bool) -> bytes:
    """A HEIC file whose second picture is the first one's gain map.

    It is an auxiliary picture, as Apple's (ISO/IEC 23008-12, 6.4.4), or a part of one that is derived
    (tmap; ISO 21496-1).
    """
    collection, file = pillow_heif.HeifFile(), io.BytesIO()  # type: ignore[no-untyped-call]
    for picture in (photo, Image.new("L", (photo.width // 2, photo.height // 2), 128)):
        collection.add_from_pillow(picture)
    collection.save(file, primary_index=0, quality=95)
    (brands, meta, media) = boxes(file.getvalue())
    parts = {part[4:8]: part for part in boxes(meta[12:])}
    parts[b"iinf"] = _items(parts[b"iinf"], derived)
    if derived:
        brands = _box(b"ftyp", brands[8:] + b"tmap")
        parts[b"iref"] = _full(b"iref", _box(b"dimg", struct.pack(">HHHH", DERIVED, 2, PHOTO, MAP)))
        both = _full(b"altr", struct.pack(">IIII", 100, 2, DERIVED, PHOTO))
        parts[b"grpl"] = _box(b"grpl", both)
    else:
        parts[b"iref"] = _full(b"iref", _box(b"auxl", struct.pack(">HHH", MAP, 1, PHOTO)))
        parts[b"iprp"] = _with_property(parts[b"iprp"], _full(b"auxC", APPLE))
    # The map's numbers: what is read here needs none of them.
    media = _box(b"mdat", media[8:] + bytes(62))
    if derived:
        parts[b"iloc"] = _one_more_place(parts[b"iloc"], len(media) - 8 - 62, 62)
    old = 8 + len(brands) - (4 if derived else 0) + len(meta)
    shift = 8 + len(brands) + sum(map(len, parts.values())) + 12 - old
    parts[b"iloc"] = _shifted(parts[b"iloc"], shift)
    return brands + _full(b"meta", b"".join(parts.values())) + media


def boxes(content: bytes) -> list[bytes]:
    """The boxes of a file, or inside a box (ISO/IEC 14496-12, 4.2)."""
    found, start = [], 0
    while start < len(content):
        (length,) = struct.unpack_from(">I", content, start)
        found.append(content[start : start + length])
        start += length
    return found


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + kind + content


def _full(kind: bytes, content: bytes) -> bytes:
    return _box(kind, bytes(4) + content)


def _items(items: bytes, derived: bool) -> bytes:
    """The list of items: the map is hidden, and there may be one more."""
    entries = boxes(items[14:])
    entries[1] = entries[1][:11] + b"\1" + entries[1][12:]
    if derived:
        entries.append(_box(b"infe", b"\2\0\0\0" + struct.pack(">HH4sB", DERIVED, 0, b"tmap", 0)))
    return _full(b"iinf", struct.pack(">H", len(entries)) + b"".join(entries))


def _with_property(properties: bytes, added: bytes) -> bytes:
    """The properties of items, with one more for the map."""
    known, links = boxes(properties[8:])
    number = len(boxes(known[8:])) + 1
    start = 16
    while struct.unpack_from(">H", links, start)[0] != MAP:
        start += 3 + links[start + 2]
    place = start + 3 + links[start + 2]
    count = bytes([links[start + 2] + 1])
    links = links[: start + 2] + count + links[start + 3 : place] + bytes([number]) + links[place:]
    return _box(b"iprp", _box(b"ipco", known[8:] + added) + _box(b"ipma", links[8:]))


def _one_more_place(places: bytes, offset: int, length: int) -> bytes:
    """Where items lie, with that of the derived one, at an offset behind the first."""
    (first,) = struct.unpack_from(">I", places, 20)
    entry = struct.pack(">HHIHII", DERIVED, 0, first, 1, offset, length)
    return _box(b"iloc", places[8:14] + struct.pack(">H", 3) + places[16:] + entry)


def _shifted(places: bytes, by: int) -> bytes:
    moved = bytearray(places)
    for start in range(16, len(moved), 18):
        (base,) = struct.unpack_from(">I", moved, start + 4)
        struct.pack_into(">I", moved, start + 4, base + by)
    return bytes(moved)
