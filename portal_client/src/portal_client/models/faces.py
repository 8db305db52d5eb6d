"""Faces, and what is found in photos that are not kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Quality:
    """How well a face can be recognised."""

    word: str
    reasons: list[str]


@dataclass(frozen=True)
class FaceModel:
    """What made a template: those of two face models can't be compared."""

    name: str
    fingerprint: str
    dimension: int


@dataclass(frozen=True)
class Steps:
    """How long the work took, in milliseconds."""

    decode: float
    detect: float
    embed: float
    total: float


@dataclass(frozen=True)
class ExaminedFace:
    """A face that was found in a photo that is not kept; the main face is the one that is compared."""

    main: bool
    box: list[float]
    # Eyes, nose, corners of the mouth: x, y, left first.
    landmarks: list[list[float]]
    detection_score: float
    quality: Quality


@dataclass(frozen=True)
class DetectedFace(ExaminedFace):
    """A face that was looked for."""

    # float32 numbers of unit length, little-endian; None unless asked for.
    template: bytes | None = None


@dataclass(frozen=True)
class Detection:
    """The faces of a photo, the highest detection score first."""

    width: int
    height: int
    faces: list[DetectedFace]
    processing_ms: Steps
    face_model: FaceModel | None = None


@dataclass(frozen=True)
class ComparedFace(ExaminedFace):
    """A face of one of the photos; `image` is the field that its photo came in."""

    image: str


@dataclass(frozen=True)
class Comparison:
    """How similar two faces are."""

    score: float
    match: bool
    threshold: float
    faces: list[ComparedFace]
    processing_ms: Steps


@dataclass(frozen=True)
class PhotoScore:
    """How similar the face is to that of one photo of the person."""

    photo_id: int
    score: float


@dataclass(frozen=True)
class Verification(Comparison):
    """How similar a face is to a person: the highest score of their photos counts."""

    person_id: int
    # All usable ones, the highest score first.
    photos: list[PhotoScore]
