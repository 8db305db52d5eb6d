"""NPY files of templates: a header, then rows of float32, little-endian, as they are in the database.

The format is that of numpy.lib.format, version 1.0; NumPy itself is not needed for it.
"""

from __future__ import annotations

import ast
import struct
from typing import BinaryIO

MAGIC = b"\x93NUMPY\x01\x00"
# The header is padded with spaces so that what follows begins at a multiple of this many bytes.
ALIGNED = 64
FLOAT = 4


class NpyError(ValueError):
    """What is wrong with an NPY file, in words for staff."""


def header(rows: int, dimension: int) -> bytes:
    """The beginning of an NPY file of `rows` by `dimension` float32, row by row."""
    words = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dimension}), }}".encode()
    length = -(len(MAGIC) + 2 + len(words) + 1) % ALIGNED + len(words) + 1
    return MAGIC + struct.pack("<H", length) + words.ljust(length - 1) + b"\n"


def read_header(file: BinaryIO) -> tuple[int, int]:
    """Read the beginning of an NPY file: how many rows of how many float32 follow. Raises NpyError."""
    if file.read(len(MAGIC)) != MAGIC:
        raise NpyError("it does not begin as an NPY file of version 1.0")
    (length,) = struct.unpack("<H", file.read(2).ljust(2, b"\0"))
    words = file.read(length)
    try:
        found = ast.literal_eval(words.decode("ascii").strip())
        rows, dimension = found["shape"]
        sound = set(found) == {"descr", "fortran_order", "shape"} and words.endswith(b"\n")
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError) as error:
        raise NpyError("its header can't be read") from error
    if not sound or found["descr"] != "<f4" or found["fortran_order"] is not False:
        raise NpyError("it does not hold float32, little-endian, row by row")
    if not all(type(number) is int and number >= 0 for number in (rows, dimension)):
        raise NpyError("its shape is no shape")
    return rows, dimension
