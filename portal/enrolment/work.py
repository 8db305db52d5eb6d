"""Photos, as workers handle them: claimed in batches, and written back with the faces that were found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, undefer

from portal.database import writing
from portal.enrolment.claims import claim, finish, still_claimed
from portal.enrolment.gallery import join_gallery, leave_gallery
from portal.enrolment.models import Face, Photo, WorkState
from portal.enrolment.reasons import Reason


@dataclass(frozen=True)
class ChosenFace:
    """Where a face is, in pixels of the upright photo."""

    box: list[float]
    landmarks: list[list[float]]


@dataclass(frozen=True)
class ClaimedPhoto:
    """A photo to work on: whole, or only the face that a member chose in it."""

    id: int
    file_key: str
    chosen: ChosenFace | None


@dataclass(frozen=True)
class FaceRecord:
    """A face as it is stored; see models.FoundFace for the units."""

    box: list[float]
    landmarks: list[list[float]]
    detection_score: float
    quality: dict[str, float | str | list[str]]
    template: bytes | None


@dataclass(frozen=True)
class PhotoRecord:
    """What a worker found in a photo, or why it found nothing."""

    media_format: str | None = None
    width: int | None = None
    height: int | None = None
    faces: Sequence[FaceRecord] = field(default_factory=tuple)
    main: int | None = None
    reason: Reason | None = None


@dataclass(frozen=True)
class ChosenFaceRecord:
    """The template of the face that a member chose: float32, little-endian, unit length."""

    template: bytes


def claim_photos(
    session: Session, worker: str, organization_id: int, limit: int
) -> tuple[list[ClaimedPhoto], bool]:
    """Claim up to `limit` of an organization's queued photos, oldest first; and whether more are left.

    A photo that was attempted before is claimed alone: if it takes its worker down, no other suffers.
    """
    with writing(session):
        queued = session.execute(
            select(Photo.id, Photo.attempts, Photo.file_key, Photo.main_face_id)
            .where(Photo.organization_id == organization_id, Photo.state == WorkState.QUEUED)
            .order_by(Photo.attempts, Photo.id)
            .limit(limit + 1)
            .with_for_update(skip_locked=True)
        ).all()
        fresh = [row for row in queued if row.attempts == 0]
        batch = fresh[:limit] if fresh else queued[:1]
        claim(session, Photo, worker, [row.id for row in batch])
        chosen = {
            face.id: ChosenFace(face.box, face.landmarks)
            for face in session.execute(
                select(Face.id, Face.box, Face.landmarks).where(
                    Face.id.in_([row.main_face_id for row in batch if row.main_face_id])
                )
            )
        }
    claimed = [ClaimedPhoto(row.id, row.file_key, chosen.get(row.main_face_id)) for row in batch]
    return claimed, len(queued) > len(batch)


def record_photos(
    session: Session,
    worker: str,
    organization_id: int,
    face_model_id: int,
    records: dict[int, PhotoRecord | ChosenFaceRecord],
) -> list[int]:
    """Write what was found, by photo id, all in one transaction; main faces join the gallery.

    Returns the ids of photos that were deleted meanwhile: what the worker put into the store for them
    is nobody's. Those that are another worker's by now are left alone.
    """
    with writing(session):
        photos = still_claimed(session, Photo, worker, list(records))
        there = set(session.scalars(select(Photo.id).where(Photo.id.in_(records))))
        _forget_faces(session, organization_id, [i for i in photos if isinstance(records[i], PhotoRecord)])
        mains: dict[int, Face] = {}
        for photo_id, photo in photos.items():
            result = records[photo_id]
            if isinstance(result, PhotoRecord):
                face = _write_faces(session, photo, result, face_model_id)
            else:
                face = _write_chosen(session, photo, result)
            if face is not None:
                mains[photo_id] = face
        session.flush()
        for photo_id, face in mains.items():
            photos[photo_id].main_face_id = face.id
        join_gallery(session, organization_id, [face.id for face in mains.values()])
    return [photo_id for photo_id in records if photo_id not in there]


def _forget_faces(session: Session, organization_id: int, photo_ids: Sequence[int]) -> None:
    """Remove what an earlier run found in these photos, so that doing it twice changes nothing."""
    faces = session.execute(select(Face.id, Face.gallery_version).where(Face.photo_id.in_(photo_ids))).all()
    if faces:
        leave_gallery(
            session, organization_id, [face.id for face in faces if face.gallery_version is not None]
        )
        session.execute(delete(Face).where(Face.id.in_([face.id for face in faces])))


def _write_faces(session: Session, photo: Photo, result: PhotoRecord, face_model_id: int) -> Face | None:
    photo.media_format, photo.width, photo.height = result.media_format, result.width, result.height
    photo.main_face_id = None
    faces = [
        Face(
            photo_id=photo.id,
            organization_id=photo.organization_id,
            person_id=photo.person_id,
            face_model_id=face_model_id,
            box=face.box,
            landmarks=face.landmarks,
            detection_score=face.detection_score,
            quality=face.quality,
            template=face.template,
        )
        for face in result.faces
    ]
    session.add_all(faces)
    reason = result.reason or (Reason.NO_FACE if result.main is None else None)
    finish(photo, WorkState.FAILED if reason else WorkState.DONE, reason)
    return None if result.main is None else faces[result.main]


def _write_chosen(session: Session, photo: Photo, result: ChosenFaceRecord) -> Face | None:
    finish(photo, WorkState.DONE)
    before = list(
        session.scalars(
            select(Face.id).where(
                Face.photo_id == photo.id, Face.gallery_version.is_not(None), Face.id != photo.main_face_id
            )
        )
    )
    leave_gallery(session, photo.organization_id, before)
    session.execute(
        update(Face)
        .where(Face.id.in_(before))
        .values(template=None)
        .execution_options(synchronize_session=False)
    )
    chosen = session.scalar(select(Face).where(Face.id == photo.main_face_id).options(undefer(Face.template)))
    if chosen is not None:
        chosen.template = result.template
    return chosen
