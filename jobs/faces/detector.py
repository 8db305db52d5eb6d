"""Finding faces in pictures of any size, whichever detector it is that looks."""

from __future__ import annotations

import functools
import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from jobs.faces import graphs
from jobs.faces.engine import Detections, Pixels, UprightScores
from jobs.faces.graphs import Graph
from jobs.faces.quality import Nose
from jobs.faces.runtime import Runtime

LONGEST_SIDE = 640

# A closer look at a face counts if it is no less sure by more than this: a face that the photo cuts off is
# not seen better from nearby.
_LESS_SURE = 0.05

# Sides are rounded up to this, twice the coarsest stride, so that a runtime compiles few shapes ...
_SIDE_STEP = 64
# ... and this many of them are kept: some megabytes each.
_SESSIONS = 8


class Decoder(Protocol):
    """What is particular to a kind of detector: how pixels go in, and what comes out."""

    # What is subtracted from a pixel (0…255), what the rest is multiplied by, and whether red comes first.
    mean: float
    scale: float
    red_first: bool
    # Two boxes that overlap by more (intersection over union) are one face.
    overlap: float
    # The longest side, in pixels of its input, of a face that it knows from its training; inf: any.
    largest_face: float
    # The size of a face, in pixels of its input, at which its landmarks are best, so that each face is looked
    # at once more at that size; None: they do not depend on it.
    best_face: float | None
    # What its third landmark says about the pose.
    nose: Nose
    upright: UprightScores

    def decode(self, outputs: Sequence[NDArray[np.float32]], size: tuple[int, int]) -> Detections:
        """What the detector is sure enough of, in pixels of its input and in any order.

        size: height and width of the input. A face may come several times.
        """
        ...


class Detector:
    """Finds faces, with five landmarks each."""

    def __init__(self, graph: Graph, decoder: Decoder, runtime: Runtime) -> None:
        """Raises ValueError for a graph that takes neither pictures of any size nor of a fixed one."""
        if len(graph.input_shape) != 4:
            raise ValueError(f"the input of {graph.name} is not a picture")
        height, width = graph.input_shape[2:]
        if (height is None) != (width is None):
            raise ValueError(f"{graph.name} fixes one side of its input only")
        self._graph = graph
        self._decoder = decoder
        self.runtime = runtime
        self.nose = decoder.nose
        self.upright = decoder.upright
        self.longest_side = LONGEST_SIDE
        self._fixed = (height, width) if height is not None and width is not None else None
        self._sessions: OrderedDict[tuple[int, int], InferenceSession] = OrderedDict()

    def detect(self, picture: Pixels) -> Detections:
        """Faces of a BGR picture, which is shrunk to 640 pixels if it is larger and never enlarged.

        A face that fills the photo is larger than those that detectors are trained with. Where none is found,
        or one that is too large for this detector, the picture is looked at once more with a border of half
        its size on every side; what the first look did not find, or found too large, is taken from there.
        """
        found = self._find(picture)
        side = self._decoder.best_face
        return found if side is None else self._with_better_landmarks(picture, found, side)

    def _find(self, picture: Pixels) -> Detections:
        found = self._look(picture)
        if not len(found):
            return self._look_framed(picture)
        large = found.longest_sides * self._scale(picture) > self._decoder.largest_face
        if not large.any():
            return found
        closer = self._look_framed(picture)
        # What the first look is right about comes first, and what only the first look has is kept.
        return _united([found.only(~large), closer, found.only(large)], self._decoder.overlap)

    def _with_better_landmarks(self, picture: Pixels, found: Detections, side: float) -> Detections:
        """Landmarks from a look at each face alone, where it is as sure as the first: the same face then has
        the same landmarks, however large it is in the photo."""
        landmarks = found.landmarks.copy()
        for index, (box, score) in enumerate(zip(found.boxes, found.scores, strict=True)):
            canvas, corner, scale = _cut_out(picture, box, side)
            closer = self._look(canvas)
            if not len(closer):
                continue
            away = closer.boxes.reshape(-1, 2, 2).mean(axis=1) - len(canvas) / 2
            nearest = int(np.argmin(np.hypot(*away.T)))
            is_it = np.hypot(*away[nearest]) < side / 2
            if is_it and closer.scores[nearest] >= score - _LESS_SURE:
                landmarks[index] = closer.landmarks[nearest] / scale + corner
        return Detections(found.boxes, landmarks, found.scores)

    def _look_framed(self, picture: Pixels) -> Detections:
        height, width = picture.shape[:2]
        # Shrunk before it is framed: with the frame it has four times the pixels.
        scale = min(1.0, LONGEST_SIDE / (2 * max(height, width)))
        small = _resized(picture, scale)
        rows, columns = small.shape[0] // 2, small.shape[1] // 2
        framed = cv2.copyMakeBorder(small, rows, rows, columns, columns, cv2.BORDER_CONSTANT, value=(0, 0, 0))
        found = self._look(framed)  # type: ignore[arg-type]
        across, down = width / small.shape[1], height / small.shape[0]
        return found.placed((across, down), (-columns * across, -rows * down))

    def _look(self, picture: Pixels) -> Detections:
        height, width = picture.shape[:2]
        small = _resized(picture, self._scale(picture))
        rows, columns = small.shape[:2]
        canvas_size = self._fixed or (_rounded_up(rows), _rounded_up(columns))
        if small.shape[:2] != canvas_size:
            canvas = np.zeros((*canvas_size, 3), np.uint8)
            canvas[:rows, :columns] = small
        else:
            canvas = small
        blob = cv2.dnn.blobFromImage(
            canvas, self._decoder.scale, mean=(self._decoder.mean,) * 3, swapRB=self._decoder.red_first
        )
        outputs = self._session(canvas_size).run(None, {self._graph.input_name: blob})
        found = _united([self._decoder.decode(outputs, canvas_size).best_first()], self._decoder.overlap)
        return found.placed((width / columns, height / rows))

    def _scale(self, picture: Pixels) -> float:
        """Pixels of the detector's input for one of the picture."""
        height, width = picture.shape[:2]
        limit_height, limit_width = self._fixed or (LONGEST_SIDE, LONGEST_SIDE)
        return float(min(1.0, limit_height / height, limit_width / width))

    def _session(self, size: tuple[int, int]) -> InferenceSession:
        session = self._sessions.get(size)
        if session is None:
            session = self.runtime.open(graphs.with_fixed_input(self._graph, (1, 3, *size)))
            if len(self._sessions) == _SESSIONS:
                self._sessions.popitem(last=False)
            self._sessions[size] = session
        self._sessions.move_to_end(size)
        return session


@functools.lru_cache(maxsize=64)
def cells(size: tuple[int, int], stride: int) -> NDArray[np.float32]:
    """Column and row of each cell of a feature map, row by row: (n, 2). size: of the input, in pixels."""
    rows, columns = size[0] // stride, size[1] // stride
    y, x = np.mgrid[:rows, :columns]
    return np.stack([x, y], axis=-1).reshape(-1, 2).astype(np.float32)


def joined(parts: Sequence[Detections]) -> Detections:
    """The faces of all parts, in the order of the parts."""
    if not parts:
        return Detections(
            np.empty((0, 4), np.float32), np.empty((0, 5, 2), np.float32), np.empty(0, np.float32)
        )
    return Detections(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.landmarks for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )


def suppress(boxes: NDArray[np.float32], threshold: float) -> list[int]:
    """Greedy non-maximum suppression: positions of the boxes that stay.

    boxes: (n, 4), the best first. A box goes when it overlaps a better one by more than `threshold`
    (intersection over union; a box of one pixel has the area 1, as InsightFace counts it).
    """
    left, top, right, bottom = boxes.T
    areas = (right - left + 1) * (bottom - top + 1)
    rest = np.arange(len(boxes))
    kept: list[int] = []
    while len(rest):
        best, rest = rest[0], rest[1:]
        kept.append(int(best))
        width = np.minimum(right[best], right[rest]) - np.maximum(left[best], left[rest]) + 1
        height = np.minimum(bottom[best], bottom[rest]) - np.maximum(top[best], top[rest]) + 1
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        rest = rest[shared <= threshold * (areas[best] + areas[rest] - shared)]
    return kept


def _united(parts: Sequence[Detections], overlap: float) -> Detections:
    """Each face once, the highest detection score first; of two that overlap, the one of the earlier part."""
    everything = joined(parts)
    kept = suppress(everything.boxes, overlap)
    return everything.only(np.array(kept, np.intp)).best_first()


def _cut_out(
    picture: Pixels, box: NDArray[np.float32], side: float
) -> tuple[Pixels, NDArray[np.float32], float]:
    """A face of `side` pixels in the middle of a square twice as large, black beyond the picture's edge.

    Also where the square's upper left corner is in the picture, and pixels of the square for one of it.
    """
    longest = max(float(np.max(box[2:] - box[:2])), 1.0)
    corner = np.round((box[:2] + box[2:]) / 2 - longest).astype(int)
    end = corner + round(2 * longest)
    size = round(2 * side)
    scale = size / float(end[0] - corner[0])
    canvas = np.zeros((size, size, 3), np.uint8)
    left, top = np.maximum(corner, 0)
    right, bottom = np.minimum(end, picture.shape[1::-1])
    columns, rows = (round(value * scale) for value in (right - left, bottom - top))
    x, y = (round(value * scale) for value in (left - corner[0], top - corner[1]))
    columns, rows = min(columns, size - x), min(rows, size - y)
    if columns > 0 and rows > 0:
        part = np.ascontiguousarray(picture[top:bottom, left:right])
        canvas[y : y + rows, x : x + columns] = _drawn(part, (columns, rows), scale)
    return canvas, corner.astype(np.float32), scale


def _rounded_up(side: int) -> int:
    return math.ceil(side / _SIDE_STEP) * _SIDE_STEP


def _resized(picture: Pixels, scale: float) -> Pixels:
    if scale >= 1:
        return picture
    height, width = picture.shape[:2]
    return _drawn(picture, (max(1, round(width * scale)), max(1, round(height * scale))), scale)


def _drawn(picture: Pixels, size: tuple[int, int], scale: float) -> Pixels:
    """The picture with this width and height, which are about `scale` times its own."""
    # Below a half, interpolation between four pixels would skip some of them.
    how = cv2.INTER_LINEAR if scale >= 0.5 else cv2.INTER_AREA
    return cv2.resize(picture, size, interpolation=how)  # type: ignore[return-value]
