"""The format of a photo, told from how the file begins: its name says nothing."""

from __future__ import annotations

from typing import Literal

from portal.photos.reasons import Reason

MediaFormat = Literal["JPEG", "PNG", "WEBP", "HEIC", "AVIF", "TIFF", "GIF", "BMP", "JPEG2000"]

# ISO/IEC 23008-12, annex B: pictures and sequences that are coded as HEVC; AV1 Image File Format, 6.
_HEVC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_AV1_BRANDS = {b"avif", b"avis"}
# Brands of any picture in such a file, however it is coded.
_PICTURE_BRANDS = {b"mif1", b"msf1"}

_BEGINNINGS: tuple[tuple[bytes, MediaFormat], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
)
_TIFF_BEGINNINGS = (b"II*\0", b"MM\0*")
# Where Canon's raw photos, which are TIFF files otherwise, say so.
_CANON_RAW = b"CR"
# Other kinds of pictures that people have: to tell them from what is no picture at all.
_OTHER_FORMATS = (
    b"II+\0",
    b"MM\0+",
    b"IIRO",
    b"IIU\0",
    b"8BPS",
    b"\0\0\x01\0",
    b"\xff\x0a",
    b"\0\0\0\x0cJXL ",
    b"<svg",
    b"FUJIFILMCCD-RAW",
)


def format_of(head: bytes) -> MediaFormat | Reason:
    """The format of a photo that begins with `head`, or why it is none that can be used.

    head: the first storage.HEAD_BYTES, or all there are.
    """
    if not head:
        return Reason.EMPTY
    for beginning, media_format in _BEGINNINGS:
        if head.startswith(beginning):
            return media_format
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith(b"BM") and head[6:10] == bytes(4):
        return "BMP"
    if head.startswith(_TIFF_BEGINNINGS):
        return Reason.UNSUPPORTED_FORMAT if head[8:10] == _CANON_RAW else "TIFF"
    if head[4:8] == b"ftyp":
        return _format_of_brands(head)
    # Some programs write a line of their own before it (ISO 32000-1, annex H.3, note 13).
    if b"%PDF-" in head:
        return Reason.PDF
    vector = head[:5] == b"<?xml" and b"<svg" in head
    if head.startswith(_OTHER_FORMATS) or vector:
        return Reason.UNSUPPORTED_FORMAT
    return Reason.NOT_AN_IMAGE


def _format_of_brands(head: bytes) -> MediaFormat | Reason:
    """By the brand, and by those that it says it is compatible with (ISO/IEC 14496-12, 4.3)."""
    length = min(int.from_bytes(head[:4], "big"), 256)
    brand, brands = head[8:12], {head[8:12], *(head[start : start + 4] for start in range(16, length, 4))}
    if brand in _AV1_BRANDS or (brands & _AV1_BRANDS and not brands & _HEVC_BRANDS):
        return "AVIF"
    return "HEIC" if brands & (_HEVC_BRANDS | _PICTURE_BRANDS) else Reason.UNSUPPORTED_FORMAT
