"""Faces brought to one place and size, so that the eye compares faces and not photos."""

from __future__ import annotations

from collections.abc import Sequence

# The square in which an aligned face is shown.
SIDE = 112
# Where ArcFace models have the eyes, the tip of the nose and the corners of the mouth in a square of 112
# (InsightFace, python-package/insightface/utils/face_align.py), as x + iy.
ARCFACE = (
    complex(38.2946, 51.6963),
    complex(73.5318, 51.5014),
    complex(56.0252, 71.7366),
    complex(41.5493, 92.3655),
    complex(70.7299, 92.2041),
)
# Those cut off hair and chin. This much smaller, and with their middle here, the whole head is seen.
SMALLER = 0.6
MIDDLE = complex(56, 61)


def _middle(points: Sequence[complex]) -> complex:
    return sum(points) / len(points)


PLACES = tuple(MIDDLE + SMALLER * (point - _middle(ARCFACE)) for point in ARCFACE)


def alignment(landmarks: Sequence[Sequence[float]]) -> str:
    """The SVG `transform` that brings a face to its places in a square of SIDE.

    landmarks: five of (x, y) in pixels of the upright photo. The shift, turn and scale is the best in the
    least squares sense, without mirroring (Umeyama, IEEE PAMI 13(4), 1991): with centred points as complex
    numbers, scale and turn are sum(conj(s) t) / sum(|s|^2). Landmarks that all lie in one place have none,
    and nothing is shown of such a face.
    """
    source = [complex(x, y) for x, y in landmarks]
    middle = _middle(source)
    spread = sum(abs(point - middle) ** 2 for point in source)
    turn = 0j
    if spread > 0:
        turn = (
            sum(
                (point - middle).conjugate() * (place - MIDDLE)
                for point, place in zip(source, PLACES, strict=True)
            )
            / spread
        )
    shift = MIDDLE - turn * middle
    numbers = (turn.real, turn.imag, -turn.imag, turn.real, shift.real, shift.imag)
    return f"matrix({' '.join(f'{number:.6g}' for number in numbers)})"
