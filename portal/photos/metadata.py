"""Metadata of photos, taken out of the file without decoding the picture.

Where a photo was taken, by whom and with what is no one's business; how it must be turned to stand
upright is kept.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass


class UnreadableContainer(ValueError):
    """The file does not have the structure that its format asks for."""


@dataclass(frozen=True)
class FileFormat:
    media_type: str
    extension: str


# HEIC is handed out as the JPEG that the worker made of it: its metadata can't be cut out simply.
FORMATS = {
    "JPEG": FileFormat("image/jpeg", "jpg"),
    "PNG": FileFormat("image/png", "png"),
    "WEBP": FileFormat("image/webp", "webp"),
}

# JPEG (ITU-T T.81, B.1.1.3): segments that are kept although they are application data.
# JFIF, Adobe's and ICC profiles say how the colours are to be read.
JFIF, EXIF, ICC, ADOBE, COMMENT, START_OF_SCAN, END_OF_IMAGE = 0xE0, 0xE1, 0xE2, 0xEE, 0xFE, 0xDA, 0xD9
APPLICATION_SEGMENTS = range(0xE0, 0xF0)
PICTURE_SEGMENTS = {JFIF: b"JFIF\0", ICC: b"ICC_PROFILE\0", ADOBE: b"Adobe"}
# Behind a scan's header come its codes, in which 0xFF is followed by 0 or is a restart marker (B.1.1.5).
NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
ORIENTATION_TAG, SHORT = 0x0112, 3

# PNG (W3C, 3rd edition, 4.7): chunks without which the picture would look different.
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_KEPT = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT"}

# WebP (RFC 9649, 2.7): likewise.
WEBP_KEPT = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"}
# RFC 9649, 2.7.1: the flags of VP8X that announce Exif and XMP.
VP8X_EXIF, VP8X_XMP = 0x08, 0x04


# Real files have far fewer parts; walking through millions is what an attacker would ask for.
MOST_PARTS = 20_000


def stripped(content: bytes, media_format: str) -> bytes:
    """The same picture without metadata but its orientation. `media_format` is a key of FORMATS.

    Raises UnreadableContainer.
    """
    strip = {"JPEG": _strip_jpeg, "PNG": _strip_png, "WEBP": _strip_webp}[media_format]
    try:
        return b"".join(strip(content))
    except (struct.error, IndexError) as error:
        raise UnreadableContainer("The file ends in the middle of its structure.") from error


def _strip_jpeg(content: bytes) -> Iterator[bytes]:
    if content[:2] != b"\xff\xd8":
        raise UnreadableContainer("This is not a JPEG file.")
    position, orientation = 2, 1
    kept: list[bytes] = []
    # What follows the picture's end (a second picture, a film) goes too.
    while (marker := content[position + 1]) != END_OF_IMAGE:
        if content[position] != 0xFF:
            raise UnreadableContainer("A JPEG segment does not begin where it should.")
        if marker == 0xFF:  # fill bytes may stand before a marker
            position += 1
            continue
        (length,) = struct.unpack_from(">H", content, position + 2)
        end = position + 2 + length
        if marker == START_OF_SCAN:
            following = NEXT_MARKER.search(content, end)
            if following is None:
                raise UnreadableContainer("The JPEG's picture is cut off.")
            end = following.start()
        segment = content[position:end]
        if marker == EXIF and segment[4:10] == b"Exif\0\0":
            orientation = _orientation(segment[10:])
        if _is_of_the_picture(marker, segment[4:]):
            kept.append(segment)
        position = end
    yield content[:2]
    if kept and kept[0][1] == JFIF:
        yield kept.pop(0)
    if orientation != 1:
        yield _exif_segment(orientation)
    yield from kept
    yield b"\xff\xd9"


def _is_of_the_picture(marker: int, content: bytes) -> bool:
    """Whether a JPEG segment says what the picture looks like, rather than something about it."""
    if marker in APPLICATION_SEGMENTS:
        return marker in PICTURE_SEGMENTS and content.startswith(PICTURE_SEGMENTS[marker])
    return marker != COMMENT


def _orientation(tiff: bytes) -> int:
    """1…8; 1 where the metadata says nothing that makes sense: the picture itself may be fine."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, directory)
        for entry in range(directory + 2, directory + 2 + 12 * count, 12):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, entry)
            if tag == ORIENTATION_TAG and kind == SHORT:
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1


def _exif_segment(orientation: int) -> bytes:
    tiff = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, ORIENTATION_TAG, SHORT, 1, orientation, 0, 0)
    body = b"Exif\0\0" + tiff
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def _strip_png(content: bytes) -> Iterator[bytes]:
    if content[:8] != PNG_SIGNATURE:
        raise UnreadableContainer("This is not a PNG file.")
    yield PNG_SIGNATURE
    position = 8
    while True:
        (length,) = struct.unpack_from(">I", content, position)
        kind = content[position + 4 : position + 8]
        chunk = content[position : position + 12 + length]
        if len(chunk) < 12 + length:
            raise UnreadableContainer("A PNG chunk is cut off.")
        if kind in PNG_KEPT:
            yield chunk
        elif kind == b"eXIf":
            orientation = _orientation(chunk[8:-4])
            if orientation != 1:
                tiff = _exif_segment(orientation)[10:]
                named = b"eXIf" + tiff
                yield struct.pack(">I", len(tiff)) + named + struct.pack(">I", zlib.crc32(named))
        if kind == b"IEND":
            return
        position += 12 + length


def _strip_webp(content: bytes) -> Iterator[bytes]:
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP":
        raise UnreadableContainer("This is not a WebP file.")
    (size,) = struct.unpack_from("<I", content, 4)
    if len(content) < 8 + size:
        raise UnreadableContainer("The WebP file is cut off.")
    chunks: list[bytes] = []
    orientation, position, end = 1, 12, 8 + size
    while position + 8 <= end:
        kind = content[position : position + 4]
        (length,) = struct.unpack_from("<I", content, position + 4)
        chunk = content[position : position + 8 + length + length % 2]
        if position + 8 + length > end:
            raise UnreadableContainer("A WebP chunk is cut off.")
        if kind == b"EXIF":
            orientation = _orientation(chunk[8:].removeprefix(b"Exif\0\0"))
        if kind in WEBP_KEPT:
            chunks.append(chunk)
        position += 8 + length + length % 2
    if orientation != 1:
        tiff = _exif_segment(orientation)[10:]
        chunks.append(b"EXIF" + struct.pack("<I", len(tiff)) + tiff + b"\0" * (len(tiff) % 2))
    if chunks and chunks[0][:4] == b"VP8X":
        flags = chunks[0][8] & ~(VP8X_EXIF | VP8X_XMP) | (VP8X_EXIF if orientation != 1 else 0)
        chunks[0] = chunks[0][:8] + bytes([flags]) + chunks[0][9:]
    body = b"WEBP" + b"".join(chunks)
    yield b"RIFF" + struct.pack("<I", len(body)) + body
