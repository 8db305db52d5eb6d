"""How a photo must be turned to stand upright, as its metadata says it: 1…8 (CIPA DC-008, tag 274)."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

from portal.photos.parts import (
    EXIF,
    START_OF_SCAN,
    Part,
    UnreadableContainer,
    jpeg_parts,
    png_parts,
    webp_parts,
)

ORIENTATION_TAG, SHORT = 0x0112, 3
# Types of a number (TIFF 6.0, section 2): SHORT is right, and programs write others.
_NUMBERS = {1: "B", SHORT: "H", 4: "I"}
EXIF_NAME, XMP_NAME = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"

# XMP (ISO 16684-1) writes it as an attribute or as an element.
_IN_XMP = re.compile(rb"""tiff:Orientation\s*(?:=\s*["']|>)\s*([1-8])\s*["'<]""")
_PNG_XMP = b"XML:com.adobe.xmp\0"
# ImageMagick's way to keep EXIF in a PNG, older than the chunk for it: hexadecimal, behind three lines.
_PNG_PROFILES = (b"Raw profile type exif\0", b"Raw profile type APP1\0")
# Of packed texts no more is unpacked: XMP takes kilobytes.
_MOST_TEXT = 1024 * 1024


def orientation_of(content: bytes, media_format: str) -> int:
    """1…8, of a JPEG, PNG or WEBP; 1 where the metadata says nothing that makes sense.

    EXIF goes first, XMP where EXIF says nothing. The worker that turns the photo and the file that is handed
    out both go by this.
    """
    walk = {"JPEG": _in_jpeg, "PNG": _in_png, "WEBP": _in_webp}[media_format]
    by_xmp = 1
    try:
        for kind, words in walk(content):
            if kind == EXIF_NAME:
                if (by_exif := _in_exif(words)) is not None:
                    return by_exif
            elif by_xmp == 1 and (found := _IN_XMP.search(words)):
                by_xmp = int(found[1])
    except UnreadableContainer:
        return by_xmp
    return by_xmp


def exif_of(orientation: int) -> bytes:
    """An EXIF block (a TIFF header and one entry) that says nothing but the orientation."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, ORIENTATION_TAG, SHORT, 1, orientation, 0, 0)


def _in_jpeg(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    for part in jpeg_parts(content):
        if part.kind == START_OF_SCAN:
            return
        if part.kind == EXIF:
            for name in (EXIF_NAME, XMP_NAME):
                if content.startswith(name, part.begin):
                    yield name, content[part.begin + len(name) : part.finish]


def _in_png(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    for part in png_parts(content):
        words = _inside(content, part)
        if part.kind == b"eXIf":
            yield EXIF_NAME, words.removeprefix(EXIF_NAME)
        elif part.kind == b"iTXt" and words.startswith(_PNG_XMP):
            packed, words = words[len(_PNG_XMP) :][:1] == b"\1", words[len(_PNG_XMP) + 2 :]
            # Behind the keyword: the language, and the keyword in that language.
            words = words.partition(b"\0")[2].partition(b"\0")[2]
            yield XMP_NAME, _unpacked(words) if packed else words
        elif part.kind in {b"zTXt", b"tEXt"} and words.startswith(_PNG_PROFILES):
            words = words.partition(b"\0")[2]
            lines = (_unpacked(words[1:]) if part.kind == b"zTXt" else words).split(b"\n", 3)
            try:
                exif = bytes.fromhex(lines[-1].decode("ascii"))
            except ValueError:
                continue
            yield EXIF_NAME, exif.removeprefix(EXIF_NAME)


def _in_webp(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    for part in webp_parts(content):
        if part.kind == b"EXIF":
            yield EXIF_NAME, _inside(content, part).removeprefix(EXIF_NAME)
        elif part.kind == b"XMP ":
            yield XMP_NAME, _inside(content, part)


def _inside(content: bytes, part: Part) -> bytes:
    # The picture's own chunks are large, and nobody looks into them here.
    return b"" if part.kind in {b"IDAT", b"VP8 ", b"VP8L", b"ANMF"} else content[part.begin : part.finish]


def _unpacked(words: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(words, _MOST_TEXT)
    except zlib.error:
        return b""


def _in_exif(tiff: bytes) -> int | None:
    """1…8, or None where the block says nothing that makes sense: the picture itself may be fine."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return None
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, directory)
        for entry in range(directory + 2, directory + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(f"{order}HH", tiff, entry)
            if tag == ORIENTATION_TAG and kind in _NUMBERS:
                (value,) = struct.unpack_from(f"{order}{_NUMBERS[kind]}", tiff, entry + 8)
                return int(value) if 1 <= value <= 8 else None
    except struct.error:
        return None
    return None
