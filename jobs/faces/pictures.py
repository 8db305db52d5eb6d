"""The pictures of a photo that pages show: without metadata, upright, small."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from jobs.faces.decode import Photo

Pixels = NDArray[np.uint8]

PREVIEW_SIDE = 1024
THUMBNAIL_SIDE = 192
_JPEG_QUALITY = 85

# Head and shoulders: a square of this many times the longer side of the face, its centre a little lower.
_SHOULDERS = 2.2
_LOWER = 0.12


def is_own_preview(photo: Photo) -> bool:
    """Whether a photo can be shown as it is: an upright JPEG that is no larger than a preview."""
    small = max(photo.width, photo.height) <= PREVIEW_SIDE
    sound = photo.media_format == "JPEG" and photo.can_be_handed_out and not photo.in_inks
    return sound and photo.orientation == 1 and small


def preview(pixels: Pixels) -> bytes:
    """JPEG of the whole photo, its longest side at most PREVIEW_SIDE. pixels: BGR, upright."""
    scale = PREVIEW_SIDE / max(pixels.shape[:2])
    return _jpeg(_resized(pixels, scale) if scale < 1 else pixels)


def thumbnail(pixels: Pixels, box: Sequence[float] | None) -> bytes:
    """JPEG, THUMBNAIL_SIDE pixels square, around a face or, without one, of the middle of the photo.

    pixels: BGR, upright. box: left, top, right, bottom in the same pixels.
    """
    height, width = pixels.shape[:2]
    longest = min(height, width)
    if box is None:
        side, x, y = float(longest), width / 2, height / 2
    else:
        left, top, right, bottom = box
        face = max(right - left, bottom - top)
        side = min(max(face * _SHOULDERS, 8.0), longest)
        x, y = (left + right) / 2, (top + bottom) / 2 + _LOWER * face
    # Inside the photo, however near to its edge the face is.
    left_edge = int(min(max(x - side / 2, 0), width - side))
    top_edge = int(min(max(y - side / 2, 0), height - side))
    size = max(1, int(side))
    square = pixels[top_edge : top_edge + size, left_edge : left_edge + size]
    return _jpeg(_resized(square, THUMBNAIL_SIDE / size, (THUMBNAIL_SIDE, THUMBNAIL_SIDE)))


def _resized(pixels: Pixels, scale: float, size: tuple[int, int] | None = None) -> Pixels:
    if size is None:
        size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 0.67 else cv2.INTER_LINEAR
    return cv2.resize(pixels, size, interpolation=how)  # type: ignore[return-value]


def _jpeg(pixels: Pixels) -> bytes:
    done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise RuntimeError("OpenCV could not write a JPEG")
    return data.tobytes()
