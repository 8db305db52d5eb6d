"""How the pixels of a photo are stored, as its metadata says it, and how they become upright ones."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")

# By the EXIF orientation (CIPA DC-008, tag 274): transpose, then flip the rows, then the columns.
UPRIGHT: dict[int, tuple[bool, bool, bool]] = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
# The orientation that turns a picture clockwise by so many degrees.
TURN = {0: 1, 90: 6, 180: 3, 270: 8}


def turned(orientation: int, degrees: int) -> int:
    """The orientation, 1…8, of a photo that is turned further: clockwise by 0, 90, 180 or 270 degrees."""
    wanted = _shown(_shown(_SAMPLE, orientation), TURN[degrees])
    return next(one for one in UPRIGHT if _shown(_SAMPLE, one) == wanted)


# Shown in each orientation it is another one.
_SAMPLE = [["a", "b", "c"], ["d", "e", "f"]]


def _shown(rows: list[list[T]], orientation: int) -> list[list[T]]:
    transpose, flip_rows, flip_columns = UPRIGHT[orientation]
    if transpose:
        rows = [list(column) for column in zip(*rows, strict=True)]
    if flip_rows:
        rows = rows[::-1]
    return [row[::-1] for row in rows] if flip_columns else rows
