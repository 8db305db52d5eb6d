"""Metadata of photos, taken out of the file without decoding the picture.

Where a photo was taken, by whom and with what is no one's business; how it must be turned to stand
upright is kept.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from portal.photos.orientation import EXIF_NAME, exif_of, orientation_of
from portal.photos.parts import (
    ADOBE,
    COMMENT,
    END_OF_IMAGE,
    EXIF,
    ICC,
    JFIF,
    PNG_SIGNATURE,
    START_OF_IMAGE,
    UnreadableContainer,
    jpeg_parts,
    png_parts,
    webp_parts,
)

__all__ = ["FORMATS", "FileFormat", "UnreadableContainer", "stripped"]


@dataclass(frozen=True)
class FileFormat:
    media_type: str
    extension: str


# Other formats are handed out as the JPEG that the worker made of them: few programs show all of them, and
# their metadata can't be cut out simply.
FORMATS = {
    "JPEG": FileFormat("image/jpeg", "jpg"),
    "PNG": FileFormat("image/png", "png"),
    "WEBP": FileFormat("image/webp", "webp"),
}

# JPEG (ITU-T T.81, B.1.1.3): segments that are kept although they are application data.
# JFIF, Adobe's and ICC profiles say how the colours are to be read.
APPLICATION_SEGMENTS = {bytes([marker]) for marker in range(0xE0, 0xF0)}
PICTURE_SEGMENTS = {JFIF: b"JFIF\0", ICC: b"ICC_PROFILE\0", ADOBE: b"Adobe"}

# PNG (W3C, 3rd edition, 4.7): chunks without which the picture would look different.
PNG_KEPT = {b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT"}

# WebP (RFC 9649, 2.7): likewise.
WEBP_KEPT = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"}
# RFC 9649, 2.7.1: the flags of VP8X that announce Exif and XMP.
VP8X_EXIF, VP8X_XMP = 0x08, 0x04


def stripped(content: bytes, media_format: str) -> bytes:
    """The same picture without metadata but its orientation. `media_format` is a key of FORMATS.

    Raises UnreadableContainer.
    """
    strip = {"JPEG": _strip_jpeg, "PNG": _strip_png, "WEBP": _strip_webp}[media_format]
    return b"".join(strip(content, orientation_of(content, media_format)))


def _strip_jpeg(content: bytes, orientation: int) -> Iterator[bytes]:
    kept = [
        (part.kind, content[part.start : part.end])
        for part in jpeg_parts(content)
        if _is_of_the_picture(part.kind, content[part.begin : part.begin + 12])
    ]
    yield b"\xff" + START_OF_IMAGE
    if kept and kept[0][0] == JFIF:
        yield kept.pop(0)[1]
    if orientation != 1:
        body = EXIF_NAME + exif_of(orientation)
        yield b"\xff" + EXIF + struct.pack(">H", len(body) + 2) + body
    yield from (segment for _, segment in kept)
    yield b"\xff" + END_OF_IMAGE


def _is_of_the_picture(kind: bytes, beginning: bytes) -> bool:
    """Whether a JPEG segment says what the picture looks like, rather than something about it."""
    if kind in APPLICATION_SEGMENTS:
        return kind in PICTURE_SEGMENTS and beginning.startswith(PICTURE_SEGMENTS[kind])
    return kind != COMMENT


def _strip_png(content: bytes, orientation: int) -> Iterator[bytes]:
    kept = [
        (part.kind, content[part.start : part.end]) for part in png_parts(content) if part.kind in PNG_KEPT
    ]
    yield PNG_SIGNATURE
    for place, (_, chunk) in enumerate(kept):
        yield chunk
        if place == 0 and orientation != 1:
            yield _png_chunk(b"eXIf", exif_of(orientation))
    yield _png_chunk(b"IEND", b"")


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _strip_webp(content: bytes, orientation: int) -> Iterator[bytes]:
    chunks = [content[part.start : part.end] for part in webp_parts(content) if part.kind in WEBP_KEPT]
    if orientation != 1:
        exif = exif_of(orientation)
        chunks.append(b"EXIF" + struct.pack("<I", len(exif)) + exif + b"\0" * (len(exif) % 2))
    if chunks and chunks[0][:4] == b"VP8X" and len(chunks[0]) > 8:
        flags = chunks[0][8] & ~(VP8X_EXIF | VP8X_XMP) | (VP8X_EXIF if orientation != 1 else 0)
        chunks[0] = chunks[0][:8] + bytes([flags]) + chunks[0][9:]
    body = b"WEBP" + b"".join(chunks)
    yield b"RIFF" + struct.pack("<I", len(body)) + body
