"""Photos of people, as staff handle them: added, counted, retried, given another face, downloaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session, selectinload

from portal.audit.services import Action, Actor, record
from portal.database import Precondition, unconditional, writing
from portal.locks import lock, lock_rows
from portal.organizations.models import Organization
from portal.people.aliases import alias_ids
from portal.people.models import Person
from portal.photos.gallery import leave_gallery
from portal.photos.models import Face, Photo
from portal.queues import enqueue_enrolment
from portal.storage import StoredFile
from portal.work.claims import requeue
from portal.work.models import UNFINISHED, WorkState

MAX_PHOTOS_OF_PERSON = 20


class PhotoError(ValueError):
    """What is wrong with a photo or with a request about it, in words for staff."""


@dataclass(frozen=True)
class Upload:
    """A photo that is in the store, and the name under which it was sent."""

    file: StoredFile
    name: str


def find_photo(session: Session, organization: Organization, photo_id: int) -> Photo | None:
    """A photo of this organization with its faces; None for one that is not there or another's."""
    return session.scalar(
        select(Photo)
        .options(selectinload(Photo.faces), selectinload(Photo.person))
        .where(Photo.id == photo_id, Photo.organization_id == organization.id)
    )


def count_photos(session: Session, organization: Organization) -> dict[WorkState, int]:
    """How many photos the organization has in each state; what an alias keeps hidden is not counted."""
    by_state = select(Photo.state, func.count()).group_by(Photo.state)
    rows = session.execute(by_state.where(Photo.organization_id == organization.id))
    counts = {WorkState(state): count for state, count in rows}
    for state, count in session.execute(by_state.where(Photo.person_id.in_(alias_ids(organization)))):
        counts[WorkState(state)] -= count
    return {state: counts.get(state, 0) for state in WorkState}


def add_photos(
    session: Session, organization: Organization, person: Person, uploads: Sequence[Upload]
) -> list[Upload]:
    """Add stored photos to a person as *queued*; returns those that this person already has.

    Runs in the caller's transaction. No row owns the files of what is returned: the caller deletes
    them. Raises PhotoError if the person would have more than MAX_PHOTOS_OF_PERSON photos.
    """
    known = set(session.scalars(select(Photo.sha256).where(Photo.person_id == person.id)))
    had, repeated = len(known), []
    for upload in uploads:
        if upload.file.sha256 in known:
            repeated.append(upload)
            continue
        known.add(upload.file.sha256)
        session.add(
            Photo(
                organization_id=organization.id,
                person_id=person.id,
                sha256=upload.file.sha256,
                file_key=upload.file.key,
                file_name=upload.name[-255:],
                size_bytes=upload.file.size_bytes,
            )
        )
    # A merge may have made them more than that.
    if len(known) > max(had, MAX_PHOTOS_OF_PERSON):
        raise PhotoError(
            f"A person can have {MAX_PHOTOS_OF_PERSON} photos. This one has {had}; "
            f"{len(known) - had} more were sent."
        )
    session.flush()
    return repeated


def retry_photo(session: Session, organization: Organization, actor: Actor, photo: Photo) -> None:
    """Retry a failed photo, with as many attempts as a new one.

    Raises PhotoError, and Gone.
    """
    with writing(session):
        lock(session, photo)
        if photo.state != WorkState.FAILED:
            raise PhotoError("This photo is already being processed.")
        requeue(photo)
        record_photo_event(session, organization, actor, Action.PHOTO_RETRIED, photo)
    enqueue_enrolment(organization.id)


def choose_face(
    session: Session,
    organization: Organization,
    actor: Actor,
    photo: Photo,
    face_id: int,
    precondition: Precondition = unconditional,
) -> None:
    """Let another face of the photo stand for the person; a worker makes its template next.

    Until then the face chosen before stays in the gallery. Raises PhotoError, and Gone.
    """
    with writing(session):
        lock(session, photo)
        precondition()
        if not session.scalar(select(Face.id).where(Face.id == face_id, Face.photo_id == photo.id)):
            raise PhotoError("This face is no longer in the photo. Choose again.")
        if photo.state in UNFINISHED:
            raise PhotoError("This photo is being processed. Wait a moment and choose again.")
        photo.main_face_id, photo.is_unclear = face_id, False
        requeue(photo)
        record_photo_event(session, organization, actor, Action.FACE_CHOSEN, photo)
    enqueue_enrolment(organization.id)


def count_photos_of(session: Session, person_ids: Iterable[int]) -> dict[int, int]:
    """How many photos each of these people has, by person id."""
    counts = dict.fromkeys(person_ids, 0)
    whose = select(Photo.person_id, func.count()).where(Photo.person_id.in_(counts))
    return counts | dict(session.execute(whose.group_by(Photo.person_id)).all())


def delete_photos_of(session: Session, organization: Organization, person_ids: Sequence[int]) -> list[str]:
    """Delete all photos of people, in the caller's transaction; returns the keys of their files."""
    ids = list(lock_rows(session, select(Photo.id).where(Photo.person_id.in_(person_ids))).scalars())
    return delete_photos(session, organization, ids)


def record_download(session: Session, organization: Organization, actor: Actor, photo: Photo) -> None:
    """Write down that someone took an original out of the portal."""
    with writing(session):
        record_photo_event(session, organization, actor, Action.PHOTO_DOWNLOADED, photo)


def delete_photos(session: Session, organization: Organization, photo_ids: Sequence[int]) -> list[str]:
    """Delete photos with their faces, in the caller's transaction; returns the keys of their files."""
    which = (Photo.id.in_(photo_ids), Photo.organization_id == organization.id)
    keys = list(session.scalars(select(Photo.file_key).where(*which)))
    faces = session.execute(select(Face.id, Face.gallery_version).where(Face.photo_id.in_(photo_ids))).all()
    leave_gallery(session, organization.id, [face.id for face in faces if face.gallery_version is not None])
    session.execute(delete(Face).where(Face.photo_id.in_(photo_ids), Face.organization_id == organization.id))
    session.execute(delete(Photo).where(*which))
    return keys


def record_photo_event(
    session: Session, organization: Organization, actor: Actor, action: Action, photo: Photo
) -> None:
    """Write down what someone did with a photo, in the caller's transaction."""
    record(
        session,
        actor,
        action,
        organization_id=organization.id,
        subject_type="person",
        subject_id=photo.person_id,
        details={"photo": photo.id},
    )


def photos_of(session: Session, people: Sequence[Person]) -> dict[int, list[Photo]]:
    """The photos of each of these people, by person id, oldest first."""
    photos: dict[int, list[Photo]] = {person.id: [] for person in people}
    query = select(Photo).options(selectinload(Photo.faces)).where(Photo.person_id.in_(photos))
    for photo in session.scalars(query.order_by(Photo.id)):
        photos[photo.person_id].append(photo)
    return photos
