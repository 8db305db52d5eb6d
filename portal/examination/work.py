"""Examinations, as workers handle them: claimed, and answered."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.database import writing
from portal.examination.models import Examination, ExaminedPhoto, Kind
from portal.installation.services import lock_face_model
from portal.installation.thresholds import thresholds_of
from portal.organizations.models import Organization
from portal.photos.models import Face
from portal.photos.reasons import Reason
from portal.photos.records import FaceRecord, PhotoRecord
from portal.work.claims import claim, close, lock_claimed, lock_queued
from portal.work.models import WorkState


@dataclass(frozen=True)
class ClaimedProbe:
    """A photo's file, or a template (float32, little-endian)."""

    file_key: str | None
    template: bytes | None


@dataclass(frozen=True)
class EnrolledTemplate:
    """The template (float32, little-endian) of the face that stands for a person in a photo."""

    photo_id: int
    template: bytes


@dataclass(frozen=True)
class ClaimedExamination:
    id: int
    kind: Kind
    with_templates: bool
    probes: list[ClaimedProbe]
    # Of the person of a verification.
    enrolled: list[EnrolledTemplate]


@dataclass(frozen=True)
class Answer:
    """What was found. `photos` has one for each probe; None for one that came as a template."""

    photos: Sequence[PhotoRecord | None]
    # Similarity score (cosine, -1…1) of a comparison or a verification.
    score: float | None
    # {"photo_id", "score"}, best first.
    photo_scores: list[dict[str, Any]] | None
    # In milliseconds: decode, detect, embed and total.
    steps_ms: dict[str, float]


def claim_examination(
    session: Session, worker: str, examination_id: int, face_model_id: int
) -> ClaimedExamination | None:
    """Claim a queued examination; None if it is gone, someone else's, or can't be answered any more.

    That is where it has templates of another face model than the worker's: it has failed then.
    """
    with writing(session):
        examination = lock_queued(session, Examination, examination_id)
        if examination is None:
            return None
        if examination.face_model_id not in (None, face_model_id):
            close(examination, WorkState.FAILED, Reason.FACE_MODEL_CHANGED)
            return None
        claim(session, Examination, worker, [examination_id])
        enrolled = session.execute(
            select(Face.photo_id, Face.template)
            .where(
                Face.person_id == examination.person_id,
                Face.face_model_id == face_model_id,
                Face.gallery_version.is_not(None),
            )
            .order_by(Face.id)
        ).all()
        return ClaimedExamination(
            examination.id,
            examination.kind,
            examination.with_templates,
            [ClaimedProbe(photo.file_key, photo.template) for photo in examination.photos],
            [EnrolledTemplate(row.photo_id, row.template) for row in enrolled if row.template],
        )


def record_answer(
    session: Session, worker: str, examination_id: int, face_model_id: int, answer: Answer
) -> None:
    """Write what was found, with the threshold in force; the examination is done then."""
    with writing(session):
        lock_face_model(session, face_model_id)
        examination = lock_claimed(session, Examination, worker, examination_id)
        if examination is None:
            return
        organization = session.get_one(Organization, examination.organization_id, populate_existing=True)
        thresholds = thresholds_of(session, organization)
        assert thresholds is not None, "a worker has chosen the face model before it examines"
        _write_photos(session, examination, answer.photos)
        examination.score, examination.threshold = answer.score, thresholds.search
        examination.photo_scores, examination.steps_ms = answer.photo_scores, answer.steps_ms
        close(examination, WorkState.DONE)


def record_failure(session: Session, worker: str, examination_id: int, reason: Reason, place: int) -> None:
    """Write why an examination could not be answered, and because of which photo."""
    with writing(session):
        examination = lock_claimed(session, Examination, worker, examination_id)
        if examination is not None:
            examination.failed_place = place
            close(examination, WorkState.FAILED, reason)


def _write_photos(session: Session, examination: Examination, found: Sequence[PhotoRecord | None]) -> None:
    photos = session.scalars(
        select(ExaminedPhoto)
        .where(ExaminedPhoto.examination_id == examination.id)
        .order_by(ExaminedPhoto.place)
    ).all()
    for photo, record in zip(photos, found, strict=True):
        if record is not None:
            photo.width, photo.height, photo.main = record.width, record.height, record.main
            photo.faces = [_as_json(face, examination.with_templates) for face in record.faces]


def _as_json(face: FaceRecord, with_template: bool) -> dict[str, Any]:
    template = b64encode(face.template).decode() if with_template and face.template else None
    return {**asdict(face), "template": template}
