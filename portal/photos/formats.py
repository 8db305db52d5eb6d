"""The format of a photo, told from how the file begins: its name says nothing."""

from __future__ import annotations

from typing import Literal

from portal.photos.reasons import Reason

MediaFormat = Literal["JPEG", "PNG", "WEBP", "HEIC"]

_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
# Other kinds of pictures and documents that people have: to tell them from what is no picture at all.
_OTHER_FORMATS = (
    b"GIF8",
    b"II*\0",
    b"MM\0*",
    b"%PDF",
    b"8BPS",
    b"\0\0\x01\0",
    b"\xff\x0a",
    b"\0\0\0\x0cJXL ",
    b"\0\0\0\x0cjP  ",
    b"\xff\x4f\xff\x51",
    b"<svg",
    b"FUJIFILMCCD-RAW",
)


def format_of(head: bytes) -> MediaFormat | Reason:
    """The format of a photo that begins with `head`, or why it is none that can be used.

    head: the first storage.HEAD_BYTES, or all there are.
    """
    if not head:
        return Reason.EMPTY
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        # The brand, or one of those that it says it is compatible with (ISO/IEC 14496-12, 4.3).
        length = min(int.from_bytes(head[:4], "big"), 256)
        brands = {head[8:12], *(head[start : start + 4] for start in range(16, length, 4))}
        if brands & _HEIC_BRANDS and head[8:12] not in {b"avif", b"avis"}:
            return "HEIC"
        return Reason.UNSUPPORTED_FORMAT
    bitmap = head.startswith(b"BM") and head[6:10] == bytes(4)
    vector = head[:5] == b"<?xml" and b"<svg" in head
    if head.startswith(_OTHER_FORMATS) or bitmap or vector:
        return Reason.UNSUPPORTED_FORMAT
    return Reason.NOT_AN_IMAGE
