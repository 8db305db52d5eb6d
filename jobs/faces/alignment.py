"""Where a face has to go in the picture that a recogniser takes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Centres of the eyes, tip of the nose, corners of the mouth in a picture of 112 by 112 pixels: where ArcFace
# models are trained to have them (InsightFace, python-package/insightface/utils/face_align.py).
ARCFACE_LANDMARKS = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


def arcface_landmarks(size: int) -> NDArray[np.float64]:
    """The positions for a picture of `size` pixels a side: (5, 2).

    Sizes that are multiples of 128 (and not of 112) are 112 plus a border of 8 on the left and right, as
    InsightFace has it.
    """
    if size % 112 == 0:
        return ARCFACE_LANDMARKS * (size / 112)
    scale = size / 128
    return ARCFACE_LANDMARKS * scale + [8 * scale, 0]


def similarity(source: NDArray[Any], target: NDArray[Any]) -> NDArray[np.float64]:
    """The shift, turn and scale that brings `source` closest to `target` in the least squares sense.

    source, target: (n, 2), n >= 2, as (x, y). Returns the (2, 3) matrix for cv2.warpAffine.

    In the plane, and without mirroring, Umeyama's solution (Least-squares estimation of transformation
    parameters between two point patterns, IEEE PAMI 13(4), 1991) is one complex division: with centred
    points as complex numbers, scale and turn are sum(conj(s) t) / sum(|s|^2). Points that all lie in one
    place have no such transform: they give a scale of zero.
    """
    s = np.ascontiguousarray(source, np.float64).view(np.complex128)[:, 0]
    t = np.ascontiguousarray(target, np.float64).view(np.complex128)[:, 0]
    source_centre, target_centre = s.mean(), t.mean()
    s, t = s - source_centre, t - target_centre
    spread = np.vdot(s, s).real
    factor = complex(np.vdot(s, t) / spread) if spread > 0 else 0j
    shift = complex(target_centre - factor * source_centre)
    return np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])


def scale_of(matrix: NDArray[np.float64]) -> float:
    """How many pixels of the target one pixel of the source becomes."""
    return math.hypot(matrix[0, 0], matrix[1, 0])
