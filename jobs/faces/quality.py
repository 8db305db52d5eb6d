"""How well a face is shown: measures, a word for the staff, and plain reasons.

The limits were set on 2,040 LFW photos (press photos of 250 by 250 pixels, found with SCRFD-500M), so that
ordinary photos are good: see the constants.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from jobs.faces.alignment import similarity

Pixels = NDArray[np.uint8]
Word = Literal["good", "fair", "poor"]

# A measure beyond the first limit makes a face "fair", beyond the second "poor".
SMALL = (30.0, 18.0)
BLURRED = (0.125, 0.085)
TURNED = (35.0, 50.0)
# Tilted by 40 degrees, faces of LFW score with others of their person as upright ones do.
TILTED = (42.0, 60.0)
# From the eyes to the mouth, in distances between the eyes of a face that looks straight ahead: 0.86 to 1.22
# in 98 % of LFW. Stretched to 1.5 times the width it is 0.8, and 17 % score below 0.36 instead of 3 % (mbf);
# to 1.8 times the width 0.75 and 61 %, to 1.8 times the height 1.56 and 25 %.
WIDE, LONG = (0.84, 0.76), (1.27, 1.45)
DARK = (50.0, 30.0)
BRIGHT = (190.0, 215.0)

# The inner face, at about the size at which a recogniser of 112 pixels sees it: eyes 36 pixels apart.
_SIDE = 96
_EYES = np.array([[30.0, 36.0], [66.0, 36.0]])


# How far below the eyes the mouth of an average face is, in distances between the eyes (ArcFace's template).
_MOUTH_DOWN = 1.15
_WORDS: tuple[Word, Word, Word] = ("good", "fair", "poor")


@dataclass(frozen=True)
class Nose:
    """Where the third landmark of a face model lies on an average head that looks straight ahead."""

    # Before the plane of the eyes, in distances between the eyes.
    depth: float
    # Of the way from the eyes (0) down to the mouth (1); None where the mouth is not found but reckoned.
    part: float | None


@dataclass(frozen=True)
class Quality:
    """Measures of one face."""

    # Distance between the centres of the eyes in pixels of the original photo.
    eye_distance: float
    # Standard deviation of the Laplacian over that of the brightness, of the inner face: 0 is no detail.
    sharpness: float
    # Degrees, estimated from five landmarks and good to about ten: turned to the right of the picture,
    # down, and tilted clockwise are positive.
    yaw: float
    # None where the landmarks of the face model don't tell.
    pitch: float | None
    roll: float
    # Mean and standard deviation of the brightness of the inner face: 0…255.
    brightness: float
    contrast: float
    word: Word
    # "small", "blurred", "turned away", "tilted", "stretched", "dark", "too bright"; the gravest first.
    reasons: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: numbers rounded to what they are worth, reasons as a list."""
        values = vars(self)
        return {
            **{
                name: round(value, 2) if isinstance(value, float) else value
                for name, value in values.items()
                if value is not None
            },
            "reasons": list(self.reasons),
        }


def measure(picture: Pixels, landmarks: NDArray[np.float32], scale: float, nose: Nose) -> Quality:
    """Measure one face.

    picture: BGR. landmarks: (5, 2) in its pixels. scale: pixels of `picture` for one of the original.
    """
    to_inner = similarity(landmarks[:2], _EYES)
    inner = cv2.warpAffine(picture, to_inner, (_SIDE, _SIDE), borderMode=cv2.BORDER_REPLICATE)
    grey = cv2.cvtColor(inner, cv2.COLOR_BGR2GRAY)
    mean, deviation = _mean_and_deviation(grey)
    _, edges = _mean_and_deviation(cv2.Laplacian(grey, cv2.CV_16S))
    yaw, pitch, roll = pose(landmarks, nose)
    eye_distance = math.dist(landmarks[0], landmarks[1]) / scale
    sharpness = edges / max(deviation, 1.0)
    turned = max(abs(yaw), abs(pitch or 0.0))
    length = _length(landmarks, yaw)
    grades = {
        "small": (eye_distance < SMALL[0]) + (eye_distance < SMALL[1]),
        "blurred": (sharpness < BLURRED[0]) + (sharpness < BLURRED[1]),
        "turned away": (turned > TURNED[0]) + (turned > TURNED[1]),
        "tilted": (abs(roll) > TILTED[0]) + (abs(roll) > TILTED[1]),
        "stretched": (length < WIDE[0] or length > LONG[0]) + (length < WIDE[1] or length > LONG[1]),
        "dark": (mean < DARK[0]) + (mean < DARK[1]),
        "too bright": (mean > BRIGHT[0]) + (mean > BRIGHT[1]),
    }
    reasons = sorted((reason for reason in grades if grades[reason]), key=lambda reason: -grades[reason])
    word = _WORDS[max(grades.values())]
    return Quality(eye_distance, sharpness, yaw, pitch, roll, mean, deviation, word, tuple(reasons))


def pose(landmarks: NDArray[np.float32], nose: Nose) -> tuple[float, float | None, float]:
    """Yaw, pitch (None where the landmarks don't tell) and roll in degrees.

    Worked out for an average head seen from afar, with the picture turned so that the eyes are level: the
    nose stands out, so it moves sideways with the tangent of the yaw, and with that of the pitch towards
    eyes or mouth, by nose.depth distances between the eyes.
    """
    left_eye, right_eye, tip, left_mouth, right_mouth = (complex(x, y) for x, y in landmarks.tolist())
    across = right_eye - left_eye
    if across == 0:
        return 90.0, None, 0.0
    between_eyes = (left_eye + right_eye) / 2
    # In distances between the eyes: real to the right, imaginary down.
    down_to_nose = (tip - between_eyes) / across
    down_to_mouth = ((left_mouth + right_mouth) / 2 - between_eyes) / across
    yaw = math.atan(down_to_nose.real / nose.depth)
    pitch = None
    if nose.part is not None and down_to_mouth.imag > 0:
        part = down_to_nose.imag / down_to_mouth.imag
        pitch = math.degrees(math.atan((part - nose.part) * _MOUTH_DOWN / nose.depth))
    return math.degrees(yaw), pitch, math.degrees(math.atan2(across.imag, across.real))


def _length(landmarks: NDArray[np.float32], yaw: float) -> float:
    """How far the mouth is below the eyes, in distances between the eyes as they are without the yaw.

    A face that is turned far away has none that could be told: an average one.
    """
    left_eye, right_eye, _, left_mouth, right_mouth = (complex(x, y) for x, y in landmarks.tolist())
    across = right_eye - left_eye
    if across == 0 or abs(yaw) > TURNED[0]:
        return 1.0
    down = ((left_mouth + right_mouth) / 2 - (left_eye + right_eye) / 2) / across
    return down.imag * math.cos(math.radians(yaw))


def _mean_and_deviation(values: NDArray[Any]) -> tuple[float, float]:
    mean, deviation = cv2.meanStdDev(values)
    return float(mean[0, 0]), float(deviation[0, 0])
