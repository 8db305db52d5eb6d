"""dlib's detector, landmarks and ResNet: an extra, for those who have templates of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

from jobs.faces.alignment import scale_of, similarity
from jobs.faces.engine import Detections, Pixels, UprightScores, unit_length
from jobs.faces.models import FaceModelError, ModelPack
from jobs.faces.quality import Nose

SIDE = 150
_PADDING = 0.25
# The detector works on every pixel, and a face must have about 80 of them.
_LONGEST_SIDE = 800

# Where dlib puts outer and inner corner of the eye at the right of the picture, those of the eye at the left,
# and the base of the nose, in a face of size one (get_face_chip_details in dlib's
# image_transforms/interpolation.h), and the corners of the mouth in the same frame.
_CORNERS = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ]
)
_MOUTH = np.array([[0.254149, 0.780233], [0.726104, 0.780233]])


def _three(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centres of the eyes, left in the picture first, and base of the nose, of dlib's five points."""
    return np.array([corners[2:4].mean(axis=0), corners[0:2].mean(axis=0), corners[4]])


_TARGETS = (_three(_CORNERS) + _PADDING) / (1 + 2 * _PADDING) * SIDE
# The corners of the mouth as sums of the three points: where an average face would have them.
_MOUTH_WEIGHTS = np.linalg.solve(
    np.vstack([_three(_CORNERS).T, np.ones(3)]), np.vstack([_MOUTH.T, np.ones(2)])
).T


class DlibEngine:
    """dlib on the CPU.

    Its landmark model gives corners of the eyes and the base of the nose. The landmarks of a face are made of
    these: the centres of the eyes, the base of the nose, and the corners of the mouth where an average face
    has them. The template uses the first three, so a stored face can be embedded later without its corners
    (measured: cosine to dlib's own alignment 0.9987, median of 292 LFW photos). The model with 68 landmarks
    is not used because the licence of the photos that it was trained on excludes commercial use.
    """

    provider = "dlib"
    precision = "float32"
    device = "cpu"
    # The base of the nose stands out less than its tip.
    nose = Nose(depth=0.35, part=None)
    longest_side = _LONGEST_SIDE
    # It finds no face that lies on its side, and a fifth of those upside down, 99 % of them below this; of
    # upright LFW photos about 8 % are.
    upright = UprightScores(0.6, -math.inf)

    def __init__(self, pack: ModelPack) -> None:
        self.pack = pack
        landmarks, recogniser = pack.files
        try:
            self._find: Any = dlib.get_frontal_face_detector()
            self._corners: Any = dlib.shape_predictor(str(landmarks))
            self._recogniser: Any = dlib.face_recognition_model_v1(str(recogniser))
        except RuntimeError as error:
            raise FaceModelError(
                f"dlib's weights can't be loaded: {error}. Run `make setup EXTRAS=dlib` again."
            ) from error
        self.dimension = self.embed([np.zeros((SIDE, SIDE, 3), np.uint8)]).shape[1]

    def detect(self, picture: Pixels) -> Detections:
        """Faces of 80 pixels or more at a size of 800; when there are none, faces of half that size."""
        scale = min(1.0, _LONGEST_SIDE / max(picture.shape[:2]))
        height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
        if scale < 1:
            picture_small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        else:
            picture_small = picture
        rgb = cv2.cvtColor(picture_small, cv2.COLOR_BGR2RGB)
        factor = np.array([picture.shape[1] / width, picture.shape[0] / height])
        rectangles, scores, _ = self._find.run(rgb, 0, 0.0)
        if not rectangles:
            rectangles, scores, _ = self._find.run(rgb, 1, 0.0)
        boxes = np.empty((len(rectangles), 4), np.float32)
        landmarks = np.empty((len(rectangles), 5, 2), np.float32)
        for index, rectangle in enumerate(rectangles):
            edges = [[rectangle.left(), rectangle.top()], [rectangle.right(), rectangle.bottom()]]
            boxes[index] = (np.array(edges) * factor).reshape(4)
            corners = np.array([(point.x, point.y) for point in self._corners(rgb, rectangle).parts()])
            three = _three(corners * factor)
            landmarks[index] = np.vstack([three, _MOUTH_WEIGHTS @ three])
        order = np.argsort(-np.array(scores), kind="stable").astype(int)
        return Detections(boxes[order], landmarks[order], np.array(scores, np.float32)[order])

    def alignment_scale(self, landmarks: NDArray[np.float32]) -> float:
        return scale_of(similarity(landmarks[:3], _TARGETS))

    def align(self, picture: Pixels, landmarks: NDArray[np.float32]) -> Pixels:
        details = dlib.chip_details(_points(_TARGETS), _points(landmarks[:3]), dlib.chip_dims(SIDE, SIDE))
        return np.asarray(dlib.extract_image_chip(picture, details))

    def embed(self, aligned: Sequence[Pixels]) -> NDArray[np.float32]:
        if not aligned:
            return np.empty((0, self.dimension), np.float32)
        rgb = [np.ascontiguousarray(picture[..., ::-1]) for picture in aligned]
        return unit_length(np.array(self._recogniser.compute_face_descriptor(rgb, 0), np.float32))


def _points(points: NDArray[Any]) -> Any:
    return dlib.dpoints([dlib.dpoint(float(x), float(y)) for x, y in points])
