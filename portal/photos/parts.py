"""The parts that a JPEG, PNG or WebP file is made of, in their order; the picture is not decoded."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

# Real files have far fewer parts; walking through millions is what an attacker would ask for.
MOST_PARTS = 20_000

# JPEG (ITU-T T.81, table B.1): the second byte of a marker.
TEMPORARY, START_OF_IMAGE, END_OF_IMAGE, START_OF_SCAN = b"\x01", b"\xd8", b"\xd9", b"\xda"
JFIF, EXIF, ICC, ADOBE, COMMENT = b"\xe0", b"\xe1", b"\xe2", b"\xee", b"\xfe"
# What follows a scan's header, which has no marker of its own.
CODES = b""
# In codes 0xFF is followed by 0 or is a restart marker (B.1.1.5); more of them may fill up before a marker.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class UnreadableContainer(ValueError):
    """The file does not have the structure that its format asks for."""


class Part(NamedTuple):
    """A part of a file: `content[start:end]`, of which `content[begin:finish]` is what is in it."""

    kind: bytes
    start: int
    end: int
    begin: int
    finish: int


def jpeg_parts(content: bytes) -> Iterator[Part]:
    """The segments of a JPEG up to its end marker; kind: a marker, or CODES for those of a scan.

    What follows the picture's end (a film, a second picture) is no part, nor what fills up between segments.
    Raises UnreadableContainer, also if there is no end marker.
    """
    if not content.startswith(b"\xff" + START_OF_IMAGE):
        raise UnreadableContainer("This is not a JPEG file.")
    position = 2
    for _ in range(MOST_PARTS):
        found = _MARKER.search(content, position)
        if found is None:
            raise UnreadableContainer("The JPEG's picture is cut off.")
        start, kind = found.start(), found.group()[1:]
        if kind == END_OF_IMAGE:
            return
        if kind in {TEMPORARY, START_OF_IMAGE}:
            position = start + 2
            continue
        position = start + 2 + _number(">H", content, start + 2)
        if position < start + 4 or position > len(content):
            raise UnreadableContainer("A JPEG segment is cut off.")
        yield Part(kind, start, position, start + 4, position)
        if kind == START_OF_SCAN:
            following = _MARKER.search(content, position)
            if following is None:
                raise UnreadableContainer("The JPEG's picture is cut off.")
            yield Part(CODES, position, following.start(), position, following.start())
            position = following.start()
    raise _too_many()


def png_parts(content: bytes) -> Iterator[Part]:
    """The chunks of a PNG but its last, IEND, which may be missing; kind: the chunk's type.

    Raises UnreadableContainer.
    """
    if not content.startswith(PNG_SIGNATURE):
        raise UnreadableContainer("This is not a PNG file.")
    position, has_picture = len(PNG_SIGNATURE), False
    for _ in range(MOST_PARTS):
        if has_picture and len(content) - position < 12:
            return
        length = _number(">I", content, position)
        kind, end = content[position + 4 : position + 8], position + 12 + length
        if kind == b"IEND":
            return
        if end > len(content):
            raise UnreadableContainer("A PNG chunk is cut off.")
        yield Part(kind, position, end, position + 8, end - 4)
        has_picture = has_picture or kind == b"IDAT"
        position = end
    raise _too_many()


def webp_parts(content: bytes) -> Iterator[Part]:
    """The chunks of a WebP file; kind: the chunk's name. Raises UnreadableContainer."""
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP":
        raise UnreadableContainer("This is not a WebP file.")
    end = 8 + _number("<I", content, 4)
    if end > len(content):
        raise UnreadableContainer("The WebP file is cut off.")
    position = 12
    for _ in range(MOST_PARTS):
        if position + 8 > end:
            return
        length = _number("<I", content, position + 4)
        begin = position + 8
        if begin + length > end:
            raise UnreadableContainer("A WebP chunk is cut off.")
        following = begin + length + length % 2
        yield Part(content[position : position + 4], position, following, begin, begin + length)
        position = following
    raise _too_many()


def _number(how: str, content: bytes, position: int) -> int:
    try:
        (number,) = struct.unpack_from(how, content, position)
    except struct.error as error:
        raise UnreadableContainer("The file ends in the middle of its structure.") from error
    return int(number)


def _too_many() -> UnreadableContainer:
    return UnreadableContainer(f"The file has more than {MOST_PARTS} parts.")
