"""SCRFD, the detector of InsightFace's packs (Guo et al., Sample and Computation Redistribution for
Efficient Face Detection, ICLR 2022), with the thresholds that InsightFace uses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.faces.detector import cells, joined
from jobs.faces.engine import Detections, UprightScores
from jobs.faces.quality import Nose

DETECTION_THRESHOLD = 0.5


@dataclass(frozen=True)
class _Level:
    """One feature map: its cells are `stride` pixels apart."""

    scores: int  # position among the outputs
    boxes: int
    landmarks: int
    stride: int
    anchors: int


class Scrfd:
    """Scores, distances to the four sides and offsets of the key points, at every anchor."""

    # InsightFace: (pixel - 127.5) / 128, in the order RGB.
    mean, scale, red_first = 127.5, 1 / 128, True
    overlap = 0.4
    largest_face = math.inf
    best_face: float | None = None
    # The tip of the nose (ArcFace's template, and heads as they are).
    nose = Nose(depth=0.5, part=0.495)
    # Of LFW photos 13 % are below the first and 0.5 % below the second with SCRFD-500M; of the same upside
    # down 99 %, and those on their side are seen by their roll.
    upright = UprightScores(0.78, 0.69)

    def __init__(self, output_count: int) -> None:
        """output_count: 9 or 15, three for each feature map."""
        levels = output_count // 3
        # Three strides with two anchors a cell, or five with one (InsightFace's two kinds of SCRFD).
        anchors = 2 if levels == 3 else 1
        self._levels = [
            _Level(index, index + levels, index + 2 * levels, 8 << index, anchors) for index in range(levels)
        ]

    def decode(self, outputs: Sequence[NDArray[np.float32]], size: tuple[int, int]) -> Detections:
        """See Decoder."""
        parts = []
        for level in self._levels:
            # With a batch dimension of one or without it.
            score = outputs[level.scores].reshape(-1)
            sure = np.flatnonzero(score >= DETECTION_THRESHOLD)
            if not len(sure):
                continue
            centres = cells(size, level.stride)[sure // level.anchors] * level.stride
            sides = outputs[level.boxes].reshape(-1, 4)[sure] * level.stride
            offsets = outputs[level.landmarks].reshape(-1, 5, 2)[sure] * level.stride
            boxes = np.hstack([centres - sides[:, :2], centres + sides[:, 2:]])
            parts.append(Detections(boxes, centres[:, None] + offsets, score[sure]))
        return joined(parts)
