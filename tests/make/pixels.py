"""Photos as pixels, and back."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def pixels(photo: bytes) -> NDArray[np.uint8]:
    decoded = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded, np.uint8)


def scaled(picture: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """The picture, its sides so many times as long."""
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, None, fx=factor, fy=factor, interpolation=how), np.uint8)


def encoded(picture: NDArray[np.uint8], kind: str = ".png", *settings: int) -> bytes:
    done, data = cv2.imencode(kind, picture, list(settings))
    assert done
    return data.tobytes()
