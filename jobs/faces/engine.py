"""What the pipeline asks of a face model, whichever it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from jobs.faces.models import ModelPack
from jobs.faces.quality import Nose

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Detections:
    """Faces found in one picture, the highest detection score first, in pixels of that picture."""

    # float32, (n, 4): left, top, right, bottom. May reach over the edge.
    boxes: NDArray[np.float32]
    # float32, (n, 5, 2): eye, eye, nose, corner of the mouth, corner of the mouth; left in the picture first.
    landmarks: NDArray[np.float32]
    # float32, (n,): 0…1 or, from dlib, an open scale. Not to be confused with a similarity score.
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def longest_sides(self) -> NDArray[np.float32]:
        """The longer side of each face's box: (n,)."""
        return np.asarray(np.max(self.boxes[:, 2:] - self.boxes[:, :2], axis=1))

    def only(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> Detections:
        """Some of the faces, by position or by whether each is wanted."""
        return Detections(self.boxes[which], self.landmarks[which], self.scores[which])

    def best_first(self) -> Detections:
        """The same faces, the highest detection score first."""
        return self.only(np.argsort(-self.scores, kind="stable"))

    def placed(self, scale: tuple[float, float], shift: tuple[float, float] = (0, 0)) -> Detections:
        """The same faces in a picture that is scaled, and then shifted: in x, in y."""
        by, from_there = np.array(scale, np.float32), np.array(shift, np.float32)
        boxes = (self.boxes.reshape(-1, 2, 2) * by + from_there).reshape(-1, 4)
        return Detections(boxes, self.landmarks * by + from_there, self.scores)


@dataclass(frozen=True)
class UprightScores:
    """Detection scores that upright faces hardly ever fall short of: below them a photo is tried turned."""

    # Below it a face that seems upright may be upside down, ...
    not_upside_down: float
    # ... or lie on its side. -inf: the detector finds no face then, or its landmarks show how it lies.
    not_sideways: float


class FaceEngine(Protocol):
    """A loaded detector and recogniser. Pictures are BGR, uint8, (height, width, 3), contiguous."""

    pack: ModelPack
    # Length of a template.
    dimension: int
    provider: str
    precision: str
    device: str
    # What the third landmark says about the pose.
    nose: Nose
    # Pixels: larger pictures are shrunk to it before faces are looked for.
    longest_side: int
    upright: UprightScores

    def detect(self, picture: Pixels) -> Detections:
        """Every face of a picture of any size. Large pictures are shrunk for it, small ones never enlarged
        unless the detector needs it to find small faces at all."""
        ...

    def alignment_scale(self, landmarks: NDArray[np.float32]) -> float:
        """Pixels that the recogniser takes for each pixel of the picture: above 1 it has to invent some.

        landmarks: (5, 2)."""
        ...

    def align(self, picture: Pixels, landmarks: NDArray[np.float32]) -> Pixels:
        """The picture that the recogniser takes: square, face upright and centred. landmarks: (5, 2)."""
        ...

    def embed(self, aligned: Sequence[Pixels]) -> NDArray[np.float32]:
        """Templates of aligned faces: float32, (n, dimension), unit length."""
        ...


def unit_length(templates: NDArray[np.float32]) -> NDArray[np.float32]:
    """Templates scaled to length 1: (n, dimension)."""
    # A recogniser never gives zeros for a picture; the tiny floor only keeps the division defined.
    lengths = np.maximum(np.linalg.norm(templates, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return np.asarray(templates / lengths, np.float32)
