"""Finding the faces of a photo, however it lies and however small they are in it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from jobs.faces.decode import Photo
from jobs.faces.detector import joined, suppress
from jobs.faces.engine import Detections, FaceEngine
from jobs.faces.main_face import MainFace, main_face

# A head is seldom tilted by so many degrees: 99.9 % of LFW by less than 20.
_TILTED = 30.0
# Where a photo is turned, its main face is tilted by less than this.
_UPRIGHT = 45.0

# The side, in pixels, of a picture of one face and as much around it.
_FACE_ALONE = 128

# Longest sides of faces in pixels of the detector's input. Where all are smaller than the first, or one is
# smaller than the second, a closer look finds more, and places landmarks better.
_ALL_SMALL, _ONE_SMALL = 96, 32
# The longest side of a photo that is looked at closely: half of its own, which shows faces of 20 pixels where
# they have 40, the smallest that can be used; but not more than this.
_FINEST_SIDE = 4096
# Parts overlap by as much as a face may have to be taken from a closer look.
_LARGEST_CLOSE = 160
# Two boxes that overlap by more (intersection over union) are one face.
_SAME = 0.3


@dataclass(frozen=True)
class Look:
    """A photo, perhaps turned, the faces in its `pixels`, and which of them it is of."""

    photo: Photo
    found: Detections
    main: MainFace | None

    @property
    def score(self) -> float:
        """The detection score of the main face; -inf without one."""
        return -math.inf if self.main is None else float(self.found.scores[self.main.index])

    @property
    def roll(self) -> float:
        """By how many degrees the main face is tilted, 0…180; 0 without one."""
        if self.main is None:
            return 0.0
        landmarks = self.found.landmarks[self.main.index]
        x, y = landmarks[1] - landmarks[0]
        return abs(math.degrees(math.atan2(y, x)))


def look(photo: Photo, engine: FaceEngine) -> Look:
    """What is in a photo, which is turned if it lay on its side or upside down.

    A photo is turned only if its main face then is more like a face: the common case is one look.
    """
    best = first = _look(photo, engine)
    for degrees in _turns_to_try(first, engine):
        turned = _look(photo.turned(degrees), engine)
        if turned.score > best.score and turned.roll <= _UPRIGHT:
            best = turned
    return best


def _look(photo: Photo, engine: FaceEngine) -> Look:
    found = _faces(photo, engine)
    return Look(photo, found, main_face(found, photo.pixels.shape[1], photo.pixels.shape[0]))


def _turns_to_try(first: Look, engine: FaceEngine) -> Sequence[int]:
    if first.main is None or first.score < engine.upright.not_sideways or first.roll > _TILTED:
        return (180, 90, 270)
    if first.score >= engine.upright.not_upside_down:
        return ()
    box = first.found.boxes[first.main.index]
    return (180,) if _upside_down_score(first.photo, box, engine) > first.score else ()


def _upside_down_score(photo: Photo, box: NDArray[np.float32], engine: FaceEngine) -> float:
    """The score of a face alone when it is turned upside down: a small picture, and a quick look."""
    half = float(np.max(box[2:] - box[:2]))
    left, top = np.maximum((box[:2] + box[2:]) / 2 - half, 0).astype(int)
    right, bottom = ((box[:2] + box[2:]) / 2 + half).astype(int)
    face = photo.pixels[top:bottom, left:right]
    scale = min(1.0, _FACE_ALONE / max(face.shape[:2]))
    small = cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    there = engine.detect(np.ascontiguousarray(small[::-1, ::-1]))
    return float(there.scores.max()) if len(there) else -math.inf


def _faces(photo: Photo, engine: FaceEngine) -> Detections:
    found = engine.detect(photo.pixels)
    longest = max(photo.width, photo.height)
    if longest < 2 * engine.longest_side:
        return found
    if len(found):
        sides = found.longest_sides * (engine.longest_side / max(photo.pixels.shape[:2]))
        if sides.max() >= _ALL_SMALL and sides.min() >= _ONE_SMALL:
            return found
    return _closely(photo, found, engine)


def _closely(photo: Photo, found: Detections, engine: FaceEngine) -> Detections:
    """The faces found, and what a look at one part of the photo after the other finds beside them."""
    longest = max(photo.width, photo.height)
    side = min(_FINEST_SIDE, max(2 * engine.longest_side, longest // 2))
    before = max(photo.pixels.shape[:2])
    photo.enlarge(side / before)
    larger = max(photo.pixels.shape[:2]) / before
    found = found.placed((larger, larger))
    scale = min(1.0, side / max(photo.pixels.shape[:2]))
    picture = photo.pixels
    if scale < 1:
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    parts = []
    of_part = engine.longest_side
    for top, left in itertools.product(*(_starts(length, of_part) for length in picture.shape[:2])):
        part = picture[top : top + of_part, left : left + of_part]
        there = engine.detect(np.ascontiguousarray(part))
        parts.append(there.only(there.longest_sides <= _LARGEST_CLOSE).placed((1, 1), (left, top)))
    close = joined(parts).placed((1 / scale, 1 / scale))
    # A small face is seen better from nearby; of the others the first look is right.
    is_large = found.longest_sides * (engine.longest_side / max(photo.pixels.shape[:2])) >= _ONE_SMALL
    large, small = found.only(is_large), found.only(~is_large)
    everything = joined([large, close.only(~_inside(close, large)).best_first(), small])
    return everything.only(np.array(suppress(everything.boxes, _SAME), np.intp)).best_first()


def _starts(length: int, part: int) -> list[int]:
    """Where parts begin that cover a side of this length, each overlapping the next one."""
    if length <= part:
        return [0]
    count = math.ceil((length - _LARGEST_CLOSE) / (part - _LARGEST_CLOSE))
    return [round(index * (length - part) / (count - 1)) for index in range(count)]


def _inside(faces: Detections, large: Detections) -> NDArray[np.bool_]:
    """Which faces have their centre in one of the large ones: an eye or a mouth that was taken for a face."""
    centres = faces.boxes.reshape(-1, 1, 2, 2).mean(axis=2)
    is_in = (centres > large.boxes[:, :2]) & (centres < large.boxes[:, 2:])
    return np.asarray(is_in.all(axis=2).any(axis=1))
