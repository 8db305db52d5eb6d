"""Photos that came under one name and show different people: held up before they can be found.

A name in a folder or a file is all that says who is on a photo of such a batch. Where the faces under it do
not resemble each other, it may be a class, or the number of someone else: staff say what it is.
"""

from __future__ import annotations

import operator
from array import array
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.batches.models import BatchItem, ItemState
from portal.database import now
from portal.installation.models import FaceModel
from portal.pairs.models import OddPhoto
from portal.photos.gallery import leave_gallery
from portal.photos.models import Face, Photo
from portal.photos.reasons import Reason
from portal.photos.records import ChosenFaceRecord, PhotoRecord
from portal.work.claims import finished
from portal.work.models import WorkState

# How far below a model's threshold two faces are unlike, in parts of what the threshold is below 1. On two
# photos each of 150 people of LFW, about 0.5 % of the pairs of one person are below (SFace; 1.5 % with mbf),
# and at most 0.5 % of the pairs of strangers above.
LENIENCE = 1.28


@dataclass
class _FaceOf:
    """A person's face in one photo."""

    photo_id: int
    template: array[float]
    # Whether something besides the name in this batch says whose it is.
    stands_for_itself: bool
    face_id: int | None = None


def named_only(session: Session, photo_ids: Collection[int]) -> dict[int, int]:
    """Those of the photos of which nothing but a name in a batch says whose they are: the batch, by photo."""
    checked = select(OddPhoto.photo_id).where(OddPhoto.checked_at.is_not(None))
    rows = session.execute(
        select(BatchItem.photo_id, BatchItem.batch_id).where(
            BatchItem.photo_id.in_(photo_ids), BatchItem.line.is_(None), BatchItem.photo_id.not_in(checked)
        )
    )
    return {photo_id: batch_id for photo_id, batch_id in rows if photo_id is not None}


def hold_unlike(
    session: Session,
    organization_id: int,
    face_model_id: int,
    people: Mapping[int, int],
    records: Mapping[int, PhotoRecord | ChosenFaceRecord],
) -> set[int]:
    """Which of these photos do not join the gallery, as their faces are unlike the others of their person.

    people: the persons of photos that are being recorded, by photo id. Those recorded earlier that turn out
    to be unlike the others leave the gallery here. In the caller's transaction, in which all photos of these
    people and the organization are held.
    """
    batches = named_only(session, people)
    fresh: dict[int, list[_FaceOf]] = defaultdict(list)
    for photo_id, person_id in people.items():
        template = _template_of(records[photo_id])
        if template is not None:
            fresh[person_id].append(_FaceOf(photo_id, _numbers(template), photo_id not in batches))
    asked = {people[photo_id] for photo_id in batches}
    fresh = {person_id: faces for person_id, faces in fresh.items() if person_id in asked}
    if not fresh:
        return set()
    threshold = like_threshold(session.get_one(FaceModel, face_model_id))
    there = _recorded(session, face_model_id, fresh, set(batches.values()), people)
    held: set[int] = set()
    leaving: list[_FaceOf] = []
    for person_id, faces in fresh.items():
        unlike = _unlike([*there.get(person_id, []), *faces], threshold)
        held |= {face.photo_id for face in unlike if face.face_id is None}
        leaving += [face for face in unlike if face.face_id is not None]
    _take_out(session, organization_id, leaving)
    return held


def best_score(session: Session, photo: Photo) -> float:
    """The highest score of a photo's main face with another of its person: a cosine; 0 if it is alone."""
    rows = session.execute(
        select(Face.photo_id, Face.template)
        .join(Photo, Photo.main_face_id == Face.id)
        .where(Face.person_id == photo.person_id, Face.template.is_not(None))
    ).all()
    faces = [_FaceOf(row.photo_id, _numbers(row.template), False) for row in rows]
    mine = [face for face in faces if face.photo_id == photo.id]
    return max(
        (_score(one, other) for one in mine for other in faces if other.photo_id != photo.id), default=0.0
    )


def like_threshold(model: FaceModel) -> float:
    """From which score on two faces are not unlike: a cosine, below the model's threshold for a match."""
    return 1 - LENIENCE * (1 - model.threshold)


def _recorded(
    session: Session,
    face_model_id: int,
    people: Collection[int],
    batch_ids: Collection[int],
    recorded_now: Collection[int],
) -> dict[int, list[_FaceOf]]:
    """Main faces of these people in other photos, in the gallery or held up earlier."""
    rows = session.execute(
        select(Face.id, Face.person_id, Face.photo_id, Face.template)
        .join(Photo, Photo.main_face_id == Face.id)
        .where(
            Face.person_id.in_(people),
            Face.photo_id.not_in(recorded_now),
            Face.face_model_id == face_model_id,
            Face.template.is_not(None),
            Face.gallery_version.is_not(None) | (Photo.reason == Reason.UNLIKE_OTHERS),
        )
    ).all()
    named = named_only(session, [row.photo_id for row in rows])
    there: dict[int, list[_FaceOf]] = defaultdict(list)
    for row in rows:
        known = named.get(row.photo_id) not in batch_ids
        there[row.person_id].append(_FaceOf(row.photo_id, _numbers(row.template), known, row.id))
    return there


def _template_of(record: PhotoRecord | ChosenFaceRecord) -> bytes | None:
    if isinstance(record, ChosenFaceRecord):
        return record.template
    return None if record.reason or record.main is None else record.faces[record.main].template


def _unlike(faces: list[_FaceOf], threshold: float) -> list[_FaceOf]:
    """The faces that belong to no group of likes which holds a known one or more than half of all."""
    groups: list[list[_FaceOf]] = []
    for face in faces:
        alike = [group for group in groups if any(_score(face, other) >= threshold for other in group)]
        groups = [group for group in groups if group not in alike]
        groups.append([face, *(other for group in alike for other in group)])
    known = any(face.stands_for_itself for face in faces)
    return [
        face
        for group in groups
        if not any(one.stands_for_itself for one in group) and (known or 2 * len(group) <= len(faces))
        for face in group
    ]


def _take_out(session: Session, organization_id: int, faces: list[_FaceOf]) -> None:
    """Let faces that were recorded earlier be found no more, and tell their batches' items."""
    photo_ids = [face.photo_id for face in faces]
    in_gallery = session.scalars(
        select(Face.id).where(
            Face.id.in_([face.face_id for face in faces]), Face.gallery_version.is_not(None)
        )
    ).all()
    leave_gallery(session, organization_id, in_gallery)
    session.execute(
        update(Photo)
        .where(Photo.id.in_(photo_ids), Photo.state == WorkState.DONE)
        .values(finished(WorkState.FAILED, Reason.UNLIKE_OTHERS))
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(BatchItem)
        .where(BatchItem.photo_id.in_(photo_ids))
        .values(state=ItemState.ATTENTION, reason=Reason.UNLIKE_OTHERS, detail="", finished_at=now())
        .execution_options(synchronize_session=False)
    )


def _numbers(template: bytes) -> array[float]:
    """A stored template (float32, little-endian, unit length) as numbers."""
    numbers = array("f")
    numbers.frombytes(template)
    return numbers


def _score(one: _FaceOf, other: _FaceOf) -> float:
    return float(sum(map(operator.mul, one.template, other.template)))
