"""What a file says about itself that must be looked at before anything is decoded."""

from __future__ import annotations

import io
import itertools
import struct

from PIL import TiffImagePlugin

from portal.photos.parts import END_OF_IMAGE, START_OF_SCAN, UnreadableContainer, jpeg_parts
from portal.photos.reasons import MAX_PHOTO_PIXELS, Reason

END_MARKER = b"\xff" + END_OF_IMAGE
# A progressive JPEG has about ten scans, and each is decoded over the whole picture: hundreds are an attack.
_MOST_SCANS = 100

# TIFF 6.0; 50706 and the two kinds of sensor pixels are of DNG 1.7.
_SUBFILE_TYPE, _PHOTOMETRIC, _TILE_WIDTH, _TILE_LENGTH, _DNG_VERSION = 254, 262, 322, 323, 50706
_REDUCED_COPY = 1
_SENSOR_PIXELS = {32803, 34892}

# JPEG 2000 (ITU-T T.800, annex A): start of codestream with the size behind it, coding style.
_CODESTREAM, _CODING_STYLE, _CODESTREAM_BOX = b"\xff\x4f\xff\x51", b"\xff\x52", b"jp2c"
_MOST_COMPONENTS, _MOST_TILES = 4, 4096


def jpeg_reason(data: bytes) -> Reason | None:
    """Why a JPEG can't be used, or None. Raises UnreadableContainer where its structure breaks off."""
    # Most are done here, as counting is quick; it counts what lies behind the picture too.
    if data.count(b"\xff" + START_OF_SCAN) <= _MOST_SCANS:
        return None
    scans = (part for part in jpeg_parts(data) if part.kind == START_OF_SCAN)
    return Reason.UNSUPPORTED_FORMAT if next(itertools.islice(scans, _MOST_SCANS, None), None) else None


def has_end(data: bytes) -> bool:
    """Whether a JPEG's picture has an end marker; anything may stand behind it."""
    if data.endswith(END_MARKER):
        return True
    try:
        return all(True for _ in jpeg_parts(data))
    except UnreadableContainer:
        return False


def tiff_reason(data: bytes) -> Reason | None:
    """Why a TIFF can't be used, or None. Raw photos begin with a small copy or with sensor pixels.

    Raises what Pillow raises if the first directory is damaged.
    """
    file = io.BytesIO(data)
    tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
    file.seek(tags.next)
    tags.load(file)
    raw = (
        tags.get(_SUBFILE_TYPE, 0) & _REDUCED_COPY
        or tags.get(_PHOTOMETRIC) in _SENSOR_PIXELS
        or _DNG_VERSION in tags
    )
    if raw:
        return Reason.UNSUPPORTED_FORMAT
    # A tile is held in memory whole, however small the picture is that it is cut to.
    too_large = tags.get(_TILE_WIDTH, 0) * tags.get(_TILE_LENGTH, 0) > MAX_PHOTO_PIXELS
    return Reason.TOO_MANY_PIXELS if too_large else None


def jpeg2000_levels(data: bytes, size: tuple[int, int]) -> int:
    """How many times a JPEG 2000 picture can be halved while it is decoded.

    size: what the file's outer header says. Raises ValueError if the codestream, which is what is decoded,
    says something else, or is made of more than photos are; struct.error if it breaks off.
    """
    start = _codestream(data)
    (length,) = struct.unpack_from(">H", data, start + 4)
    right, bottom, left, top, width, height, _, _, components = struct.unpack_from(">8IH", data, start + 8)
    if (right - left, bottom - top) != size or components > _MOST_COMPONENTS:
        raise ValueError("the codestream is of another size")
    if not width or not height or -(-right // width) * -(-bottom // height) > _MOST_TILES:
        raise ValueError("the picture is of too many tiles")
    style = data.find(_CODING_STYLE, start + 4 + length)
    (levels,) = struct.unpack_from("B", data, style + 9)
    return int(levels)


def _codestream(data: bytes) -> int:
    """Where the codestream begins: at once, or in a box of its own (annex I.4)."""
    position = 0
    while not data.startswith(_CODESTREAM, position):
        length, kind, longer = struct.unpack_from(">I4sQ", data, position)
        header = 16 if length == 1 else 8
        length = longer if length == 1 else length
        if kind != _CODESTREAM_BOX and length < header:
            raise ValueError("a box is damaged")
        position += header if kind == _CODESTREAM_BOX else length
        if kind == _CODESTREAM_BOX and not data.startswith(_CODESTREAM, position):
            raise ValueError("there is no codestream")
    return position
