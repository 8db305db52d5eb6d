"""What the portal answers. Scores are cosines from -1 to 1; boxes are left, top, right, bottom in pixels.

States are words that a newer portal may add to: queued, running, done, failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Quality:
    """How well a face can be recognised."""

    word: str
    reasons: list[str]


@dataclass(frozen=True)
class Face:
    """A face in a photo of an enrolled person."""

    id: int
    box: list[float]
    # Eyes, nose, corners of the mouth: x, y, left first.
    landmarks: list[list[float]]
    detection_score: float
    quality: Quality


@dataclass(frozen=True)
class Photo:
    """A photo of an enrolled person."""

    id: int
    person_id: int
    state: str
    # Why it failed: a code, and in words with what to do.
    reason: str | None
    message: str | None
    file_name: str
    sha256: str
    width: int | None
    height: int | None
    main_face_id: int | None
    faces: list[Face]
    created_at: datetime
    # For if_match; of a photo that was asked for by itself.
    etag: str | None = None


@dataclass(frozen=True)
class PersonInList:
    """An enrolled person."""

    id: int
    external_id: str
    name: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Person:
    """An enrolled person with all photos."""

    id: int
    external_id: str
    name: str
    created_at: datetime
    updated_at: datetime
    photos: list[Photo]
    # For if_match.
    etag: str | None = None


@dataclass(frozen=True)
class Candidate:
    """A person who may be the one searched for."""

    rank: int
    person_id: int
    external_id: str
    name: str
    score: float
    # Whether the score reaches the organization's threshold.
    match: bool
    # What the score says, by the calibration: strong, possible or unlikely; None without one.
    band: str | None


@dataclass(frozen=True)
class SearchedFace:
    """A face of the searched photo; one that was compared has candidates, best first."""

    face: int
    box: list[float]
    landmarks: list[list[float]]
    detection_score: float
    quality: Quality
    candidates: list[Candidate] | None


@dataclass(frozen=True)
class ProcessingMs:
    """How long the work took, by step; None for a step that was not needed or not done yet."""

    total: float | None
    decode: float | None = None
    detect: float | None = None
    embed: float | None = None
    search: float | None = None


@dataclass(frozen=True)
class Search:
    """A search and what it found."""

    id: int
    status: str
    reason: str | None
    message: str | None
    processing_ms: ProcessingMs
    faces: list[SearchedFace]
    people_compared: int | None
    threshold: float | None
    created_at: datetime


@dataclass(frozen=True)
class Searches:
    """The searches of several photos, in their order."""

    items: list[Search]


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
class DetectedFace:
    """A face that was found in a photo that is not kept."""

    main: bool
    box: list[float]
    landmarks: list[list[float]]
    detection_score: float
    quality: Quality
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
class ComparedFace:
    """A face of one of the photos; `image` is the field that its photo came in."""

    image: str
    main: bool
    box: list[float]
    landmarks: list[list[float]]
    detection_score: float
    quality: Quality


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
class Verification:
    """How similar a face is to a person: the highest score of their photos counts."""

    person_id: int
    score: float
    match: bool
    threshold: float
    photos: list[PhotoScore]
    faces: list[ComparedFace]
    processing_ms: Steps
