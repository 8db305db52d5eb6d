"""Photos as pixels, and back."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def pixels(photo: bytes) -> NDArray[np.uint8]:
    decoded = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded


def encoded(picture: NDArray[np.uint8], kind: str = ".png", *settings: int) -> bytes:
    done, data = cv2.imencode(kind, picture, list(settings))
    assert done
    return data.tobytes()
