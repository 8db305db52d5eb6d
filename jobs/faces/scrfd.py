"""SCRFD face detection on ONNX Runtime (Guo et al., Sample and Computation Redistribution for Efficient
Face Detection, ICLR 2022), with the thresholds that InsightFace uses."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from jobs.faces import graphs
from jobs.faces.engine import Detections, Pixels
from jobs.faces.runtime import Runtime

DETECTION_THRESHOLD = 0.5
NMS_THRESHOLD = 0.4
LONGEST_SIDE = 640

# InsightFace: (pixel - 127.5) / 128, in the order RGB.
_MEAN, _SCALE = 127.5, 1 / 128

# Sides are rounded up to this, twice the coarsest stride, so that a runtime compiles few shapes ...
_SIDE_STEP = 64
# ... and so many of them are kept: some megabytes each.
_SESSIONS = 8


@dataclass(frozen=True)
class _Level:
    """One feature map: its cells are `stride` pixels apart."""

    scores: int  # position among the outputs
    boxes: int
    landmarks: int
    stride: int
    anchors: int


class Scrfd:
    """A detector with five key points, for pictures of any size."""

    def __init__(self, graph: graphs.Graph, runtime: Runtime) -> None:
        """Raises ValueError for a graph that takes neither any size nor a fixed one."""
        if len(graph.input_shape) != 4:
            raise ValueError(f"the input of {graph.path.name} is not a picture")
        height, width = graph.input_shape[2:]
        if (height is None) != (width is None):
            raise ValueError(f"{graph.path.name} fixes one side of its input only")
        self._graph = graph
        self.runtime = runtime
        self._fixed = (height, width) if height is not None and width is not None else None
        self._sessions: OrderedDict[tuple[int, int], InferenceSession] = OrderedDict()
        self._centres: dict[tuple[int, int, int, int], NDArray[np.float32]] = {}
        levels = graph.output_count // 3
        # Three strides with two anchors a cell, or five with one (InsightFace's two kinds of SCRFD).
        anchors = 2 if levels == 3 else 1
        self._levels = [
            _Level(index, index + levels, index + 2 * levels, 8 << index, anchors) for index in range(levels)
        ]

    def detect(self, picture: Pixels) -> Detections:
        """Faces of a BGR picture, which is shrunk to 640 pixels if it is larger and never enlarged.

        Where none is found the picture is tried again with a border of half its size on every side: a face
        that fills the photo is larger than any that the detector knows.
        """
        found = self._detect(picture)
        if len(found):
            return found
        height, width = picture.shape[:2]
        # Shrunk before it is framed: with the frame it has four times the pixels.
        scale = min(1.0, LONGEST_SIDE / (2 * max(height, width)))
        small = _resized(picture, scale)
        rows, columns = small.shape[0] // 2, small.shape[1] // 2
        framed = cv2.copyMakeBorder(small, rows, rows, columns, columns, cv2.BORDER_CONSTANT, value=(0, 0, 0))
        found = self._detect(framed)  # type: ignore[arg-type]
        factor = np.array([width / small.shape[1], height / small.shape[0]], np.float32)
        shift = np.array([columns, rows], np.float32)
        return Detections(
            boxes=((found.boxes.reshape(-1, 2, 2) - shift) * factor).reshape(-1, 4),
            landmarks=(found.landmarks - shift) * factor,
            scores=found.scores,
        )

    def _detect(self, picture: Pixels) -> Detections:
        height, width = picture.shape[:2]
        limit_height, limit_width = self._fixed or (LONGEST_SIDE, LONGEST_SIDE)
        small = _resized(picture, min(1.0, limit_height / height, limit_width / width))
        rows, columns = small.shape[:2]
        canvas_size = self._fixed or (_rounded_up(rows), _rounded_up(columns))
        if small.shape[:2] != canvas_size:
            canvas = np.zeros((*canvas_size, 3), np.uint8)
            canvas[:rows, :columns] = small
        else:
            canvas = small
        blob = cv2.dnn.blobFromImage(canvas, _SCALE, mean=(_MEAN, _MEAN, _MEAN), swapRB=True)
        outputs = self._session(canvas_size).run(None, {self._graph.input_name: blob})
        found = self._decode(outputs, canvas_size)
        factor = np.array([width / columns, height / rows], np.float32)
        return Detections(
            boxes=(found.boxes.reshape(-1, 2, 2) * factor).reshape(-1, 4),
            landmarks=found.landmarks * factor,
            scores=found.scores,
        )

    def _session(self, size: tuple[int, int]) -> InferenceSession:
        session = self._sessions.get(size)
        if session is None:
            model = (
                self._graph.path if self._fixed else graphs.with_fixed_input(self._graph.path, (1, 3, *size))
            )
            session = self.runtime.open(model)
            if len(self._sessions) == _SESSIONS:
                self._sessions.popitem(last=False)
            self._sessions[size] = session
        self._sessions.move_to_end(size)
        return session

    def _decode(self, outputs: list[NDArray[np.float32]], size: tuple[int, int]) -> Detections:
        """Scores, distances to the four sides and offsets of the key points, at every anchor, to faces."""
        boxes, landmarks, scores = [], [], []
        for level in self._levels:
            # With a batch dimension of one or without it.
            score = outputs[level.scores].reshape(-1)
            sure = np.flatnonzero(score >= DETECTION_THRESHOLD)
            if not len(sure):
                continue
            centres = self._anchor_centres(size, level)[sure]
            sides = outputs[level.boxes].reshape(-1, 4)[sure] * level.stride
            offsets = outputs[level.landmarks].reshape(-1, 5, 2)[sure] * level.stride
            boxes.append(np.hstack([centres - sides[:, :2], centres + sides[:, 2:]]))
            landmarks.append(centres[:, None] + offsets)
            scores.append(score[sure])
        if not scores:
            return Detections(
                np.empty((0, 4), np.float32), np.empty((0, 5, 2), np.float32), np.empty(0, np.float32)
            )
        score = np.concatenate(scores)
        order = np.argsort(-score, kind="stable")
        box = np.concatenate(boxes)[order]
        kept = suppress(box, NMS_THRESHOLD)
        return Detections(box[kept], np.concatenate(landmarks)[order][kept], score[order][kept])

    def _anchor_centres(self, size: tuple[int, int], level: _Level) -> NDArray[np.float32]:
        rows, columns = size[0] // level.stride, size[1] // level.stride
        key = (rows, columns, level.stride, level.anchors)
        centres = self._centres.get(key)
        if centres is None:
            y, x = np.mgrid[:rows, :columns]
            cells = np.stack([x, y], axis=-1).reshape(-1, 2).astype(np.float32) * level.stride
            centres = self._centres[key] = np.repeat(cells, level.anchors, axis=0)
        return centres


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


def _rounded_up(side: int) -> int:
    return math.ceil(side / _SIDE_STEP) * _SIDE_STEP


def _resized(picture: Pixels, scale: float) -> Pixels:
    if scale >= 1:
        return picture
    height, width = picture.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Below a half, interpolation between four pixels would skip some of them.
    how = cv2.INTER_LINEAR if scale >= 0.5 else cv2.INTER_AREA
    return cv2.resize(picture, size, interpolation=how)  # type: ignore[return-value]
