"""What the API takes and answers about faces of photos that are looked at once and not kept."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from portal.api.schemas import Binary, FaceModel, Quality, Strict
from portal.api.templates import TEMPLATE, Fingerprint
from portal.examination.models import Examination, ExaminedPhoto


class ExaminedFace(BaseModel):
    """A face that was found in a photo. Pixels are those of the upright photo."""

    main: bool = Field(description="whether it is the photo's main face, which is compared")
    box: list[float] = Field(description="left, top, right, bottom, in pixels")
    landmarks: list[list[float]] = Field(description="eyes, nose, corners of the mouth: x, y, left first")
    detection_score: float
    quality: Quality


class DetectedFace(ExaminedFace):
    """A face that was found, with its template if that was asked for."""

    template: str | None = Field(None, description="float32 numbers of unit length, little-endian, in base64")


class ComparedFace(ExaminedFace):
    """A face of one of the photos."""

    image: str = Field(description="the field that its photo came in", examples=["image_a"])


class Steps(BaseModel):
    """How long the work took, in milliseconds, without the wait in the queue."""

    decode: float
    detect: float
    embed: float
    total: float


class Detection(BaseModel):
    """The faces of a photo, the highest detection score first."""

    width: int
    height: int
    faces: list[DetectedFace]
    face_model: FaceModel | None = Field(None, description="of the templates; null without them")
    processing_ms: Steps


class Comparison(BaseModel):
    """How similar two faces are."""

    score: float = Field(description="similarity score: cosine, -1 to 1; not a percentage")
    match: bool = Field(description="whether the score reaches the threshold")
    threshold: float = Field(description="the organization's threshold for searches")
    faces: list[ComparedFace] = Field(description="all that were found in the photos")
    processing_ms: Steps


class PhotoScore(BaseModel):
    """How similar the face is to that of one photo of the person."""

    photo_id: int
    score: float


class Verification(Comparison):
    """How similar a face is to a person: the highest score of their photos counts."""

    person_id: int
    photos: list[PhotoScore] = Field(description="all usable photos of the person, the highest score first")


class DetectionQuery(Strict):
    """What to answer about the faces."""

    templates: bool = Field(False, description="With templates: only for keys that have the scope admin.")


class DetectionForm(BaseModel):
    """A photo to look for faces in."""

    image: Binary


class ComparisonFields(Strict):
    """Templates in place of photos."""

    template_a: str | None = TEMPLATE
    template_b: str | None = TEMPLATE
    face_model: Fingerprint = None


class ComparisonForm(ComparisonFields):
    """Two photos whose main faces are compared; a template may stand for either."""

    image_a: Binary | None = None
    image_b: Binary | None = None


class VerificationFields(Strict):
    """A template in place of the photo."""

    template: str | None = TEMPLATE
    face_model: Fingerprint = None


class VerificationForm(VerificationFields):
    """A photo whose main face is compared with a person; a template may stand for it."""

    image: Binary | None = None


def faces_of(photo: ExaminedPhoto) -> list[dict[str, Any]]:
    """The faces of a photo by the fields of ExaminedFace and DetectedFace."""
    return [{**face, "main": number == photo.main} for number, face in enumerate(photo.faces)]


def comparison_of(examination: Examination, images: tuple[str, ...]) -> dict[str, Any]:
    """The fields of Comparison, for an examination that is done; `images`: what its photos are called."""
    assert examination.score is not None
    assert examination.threshold is not None
    return {
        "score": examination.score,
        "match": examination.score >= examination.threshold,
        "threshold": examination.threshold,
        "faces": [
            {**face, "image": images[photo.place]} for photo in examination.photos for face in faces_of(photo)
        ],
        "processing_ms": examination.steps_ms,
    }
