"""Photos, as workers handle them: claimed in batches, and written back with the faces that were found."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, func, insert, select, update
from sqlalchemy.orm import Session

from portal.batches.items import close_items
from portal.database import now, writing
from portal.enrolment.likeness import hold_unlike, named_only
from portal.installation.services import lock_face_model
from portal.locks import lock_free_rows, lock_rows
from portal.pairs.locking import lock_pairs
from portal.people.models import Person
from portal.photos.gallery import leave_gallery, next_version
from portal.photos.models import Face, Photo
from portal.photos.reasons import Reason
from portal.photos.records import ChosenFace, ChosenFaceRecord, ClaimedPhoto, PhotoRecord
from portal.queues import enqueue_enrolment
from portal.webhooks.models import Event
from portal.webhooks.outbox import emit
from portal.work.claims import claim, finished, still_claimed
from portal.work.models import UNFINISHED, WorkState

LATE_AT_ONCE = 500


def claim_photos(
    session: Session, worker: str, organization_id: int, limit: int
) -> tuple[list[ClaimedPhoto], bool]:
    """Claim up to `limit` of an organization's queued photos, oldest first; and whether more are left.

    A photo that was attempted before is claimed alone: if it takes its worker down, no other suffers.
    """
    with writing(session):
        next_ones = (
            select(Photo.id, Photo.attempts, Photo.file_key, Photo.main_face_id, Photo.turned_by)
            .where(Photo.organization_id == organization_id, Photo.state == WorkState.QUEUED)
            .order_by(Photo.attempts, Photo.id)
            .limit(limit + 1)
        )
        queued = lock_free_rows(session, next_ones).all()
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
    claimed = [
        ClaimedPhoto(row.id, row.file_key, chosen.get(row.main_face_id), row.turned_by) for row in batch
    ]
    return claimed, len(queued) > len(batch)


def record_photos(
    session: Session,
    worker: str,
    organization_id: int,
    face_model_id: int,
    records: Mapping[int, PhotoRecord | ChosenFaceRecord],
) -> list[int]:
    """Write what was found, by photo id, all in one transaction; main faces join the gallery.

    Returns the ids of photos that were deleted meanwhile: no one owns what the worker put into the store
    for them. Those that another worker has are left alone. Raises FaceModelChanged.
    """
    with writing(session):
        lock_face_model(session, face_model_id)
        named = _people_of_named(session, list(records))
        if named or any(isinstance(record, ChosenFaceRecord) for record in records.values()):
            # Faces may leave the gallery (chosen before, or named wrongly), and pairs may rest on them.
            lock_pairs(session, organization_id)
        aliases = _lock_people(session, list(records))
        still_ours = still_claimed(Photo, worker, list(records))
        held = select(Photo.id, Photo.person_id).where(and_(*still_ours) | Photo.person_id.in_(named))
        ours = set(lock_rows(session, held).scalars())
        photos = session.execute(
            select(Photo.id, Photo.person_id).where(*still_ours, Photo.id.in_(ours)).order_by(Photo.id)
        ).all()
        there = set(session.scalars(select(Photo.id).where(Photo.id.in_(records))))
        version = next_version(session, organization_id)
        found: list[dict[str, Any]] = []
        main: list[bool] = []
        closed: list[dict[str, Any]] = []
        _forget_faces(
            session, organization_id, [p.id for p in photos if isinstance(records[p.id], PhotoRecord)]
        )
        people = {photo.id: photo.person_id for photo in photos}
        unlike = hold_unlike(session, organization_id, face_model_id, people, records) if named else set()
        for photo in photos:
            result = records[photo.id]
            unlike_others = Reason.UNLIKE_OTHERS if photo.id in unlike else None
            joins = None if photo.person_id in aliases or unlike_others else version
            if isinstance(result, ChosenFaceRecord):
                _write_chosen(session, organization_id, photo.id, result, joins)
                closed.append({"id": photo.id, **finished(*_end(unlike_others))})
                continue
            closed.append(_closed(photo.id, result, unlike_others))
            found += (
                {
                    **vars(face),
                    "photo_id": photo.id,
                    "person_id": photo.person_id,
                    "organization_id": organization_id,
                    "face_model_id": face_model_id,
                    "gallery_version": joins if index == result.main else None,
                }
                for index, face in enumerate(result.faces)
            )
            main += (index == result.main for index in range(len(result.faces)))
        _insert_faces(session, found, main, {values["id"]: values for values in closed})
        if closed:
            session.execute(update(Photo), closed)
            # For who asks which people changed. Others hold them in the same way, but not the organization.
            session.execute(
                update(Person)
                .where(Person.id.in_({photo.person_id for photo in photos}))
                .values(updated_at=now())
                .execution_options(synchronize_session=False)
            )
            several = [values["id"] for values in closed if values.get("is_unclear")]
            close_items(session, [photo.id for photo in photos], several)
            failed = [values["id"] for values in closed if values["state"] == WorkState.FAILED]
            _tell_failed(session, organization_id, failed)
            # Of two workers with the last two photos of a person, the second one sees that both are done:
            # the first one has held the organization since it raised the version.
            _note_enrolled(session, organization_id, {photo.person_id for photo in photos})
    return [photo_id for photo_id in records if photo_id not in there]


def note_set_aside(session: Session, photo_ids: Sequence[int]) -> None:
    """Tell of photos that stopped their workers too often, in the transaction that set them aside."""
    photos = session.execute(select(Photo.organization_id, Photo.id).where(Photo.id.in_(photo_ids))).all()
    for organization_id in sorted({photo.organization_id for photo in photos}):
        mine = [photo.id for photo in photos if photo.organization_id == organization_id]
        _tell_failed(session, organization_id, mine)


def note_late(session: Session) -> None:
    """Tell of people whose last waiting photo was set aside or removed: called by the sweep."""
    late = select(Person.organization_id, Person.id).where(*_are_enrolled()).limit(LATE_AT_ONCE)
    people = session.execute(late).all()
    for organization_id in sorted({person.organization_id for person in people}):
        mine = [person.id for person in people if person.organization_id == organization_id]
        with writing(session):
            _note_enrolled(session, organization_id, mine)


def enqueue_due(session: Session) -> None:
    """Ask for the work of organizations whose photos wait: called by the sweep."""
    for organization_id in session.scalars(
        select(Photo.organization_id).where(Photo.state == WorkState.QUEUED).distinct()
    ):
        enqueue_enrolment(organization_id)


def _note_enrolled(session: Session, organization_id: int, person_ids: Collection[int]) -> None:
    """Tell of those of the people of whom no photo is waiting any more, for the first time."""
    enrolled = session.scalars(
        update(Person)
        .where(Person.id.in_(person_ids), *_are_enrolled())
        .values(enrolled_at=now())
        .returning(Person.id)
        .execution_options(synchronize_session=False)
    ).all()
    if not enrolled:
        return
    done = select(Photo.person_id).where(Photo.person_id.in_(enrolled), Photo.state == WorkState.DONE)
    usable = set(session.scalars(done))
    told = [
        {"person_id": person_id, "state": WorkState.DONE if person_id in usable else WorkState.FAILED}
        for person_id in sorted(enrolled)
    ]
    emit(session, organization_id, Event.PERSON_ENROLLED, told)


def _are_enrolled() -> tuple[ColumnElement[bool], ...]:
    """The condition for people with photos of whom none is waiting, and who are not marked so yet."""
    theirs = Photo.person_id == Person.id
    return (
        Person.enrolled_at.is_(None),
        exists().where(theirs),
        ~exists().where(theirs, Photo.state.in_(UNFINISHED)),
    )


def _tell_failed(session: Session, organization_id: int, photo_ids: Sequence[int]) -> None:
    if not photo_ids:
        return
    photos = session.execute(
        select(Photo.id, Photo.person_id, Photo.reason).where(Photo.id.in_(photo_ids)).order_by(Photo.id)
    )
    failed = [
        {"photo_id": photo.id, "person_id": photo.person_id, "reason": photo.reason} for photo in photos
    ]
    emit(session, organization_id, Event.PHOTO_FAILED, failed)


def _lock_people(session: Session, photo_ids: Sequence[int]) -> set[int]:
    """Hold the people of these photos, and return those who are aliases: their photos are hidden.

    In the order of portal.locks: the faces' foreign keys would lock the people last. A merge may
    give the photos to someone else until the people are held, but not from then on.
    """
    held: dict[int, int | None] = {}
    whose = select(Photo.person_id).where(Photo.id.in_(photo_ids)).distinct()
    while others := set(session.scalars(whose)) - held.keys():
        people = select(Person.id, Person.merged_into_id).where(Person.id.in_(others))
        rows = lock_rows(session, people, read=True, key_share=True)
        held |= dict.fromkeys(others) | {row.id: row.merged_into_id for row in rows}
    return {person_id for person_id, merged_into in held.items() if merged_into is not None}


def _people_of_named(session: Session, photo_ids: Sequence[int]) -> set[int]:
    """The people with several photos to whom a name in a batch has brought some of these."""
    theirs = select(Photo.person_id).where(Photo.id.in_(named_only(session, photo_ids))).distinct()
    several = select(Photo.person_id).where(Photo.person_id.in_(theirs)).group_by(Photo.person_id)
    return set(session.scalars(several.having(func.count() > 1)))


def _closed(photo_id: int, result: PhotoRecord, unlike: Reason | None) -> dict[str, Any]:
    reason = result.reason or (Reason.NO_FACE if result.main is None else unlike)
    return {
        "id": photo_id,
        "media_format": result.media_format,
        "width": result.width,
        "height": result.height,
        "turned_by": result.turned_by,
        "is_unclear": result.is_unclear and reason is None,
        "main_face_id": None,
        **finished(*_end(reason)),
    }


def _end(reason: Reason | None) -> tuple[WorkState, Reason | None]:
    return WorkState.FAILED if reason else WorkState.DONE, reason


def _insert_faces(
    session: Session, found: list[dict[str, Any]], main: list[bool], photos: dict[int, dict[str, Any]]
) -> None:
    """Insert faces, and tell each photo which of them is its main one."""
    if found:
        ids = session.scalars(insert(Face).returning(Face.id, sort_by_parameter_order=True), found).all()
        for face_id, face, is_main in zip(ids, found, main, strict=True):
            if is_main:
                photos[face["photo_id"]]["main_face_id"] = face_id


def _forget_faces(session: Session, organization_id: int, photo_ids: Sequence[int]) -> None:
    """Remove what an earlier run found in these photos, so that doing it twice changes nothing."""
    faces = session.execute(select(Face.id, Face.gallery_version).where(Face.photo_id.in_(photo_ids))).all()
    if faces:
        leave_gallery(
            session, organization_id, [face.id for face in faces if face.gallery_version is not None]
        )
        session.execute(delete(Face).where(Face.id.in_([face.id for face in faces])))


def _write_chosen(
    session: Session, organization_id: int, photo_id: int, result: ChosenFaceRecord, version: int | None
) -> None:
    chosen = select(Photo.main_face_id).where(Photo.id == photo_id).scalar_subquery()
    before = session.scalars(
        select(Face.id).where(Face.photo_id == photo_id, Face.gallery_version.is_not(None), Face.id != chosen)
    ).all()
    leave_gallery(session, organization_id, before)
    session.execute(update(Face).where(Face.id.in_(before)).values(template=None))
    session.execute(
        update(Face)
        .where(Face.photo_id == photo_id, Face.id == chosen)
        .values(template=result.template, gallery_version=version)
        .execution_options(synchronize_session=False)
    )
