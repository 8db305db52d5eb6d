"""People and photos come in: a person with photos, and more photos of a person."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.audit.services import Action, Actor, record
from portal.database import now, writing
from portal.organizations.models import Organization
from portal.people.aliases import index_words, lock_person
from portal.people.models import Person
from portal.people.search_terms import key_of
from portal.people.services import clean_external_id, clean_name, external_id_taken, refuse_taken
from portal.photos.services import Upload, add_photos
from portal.queues import enqueue_enrolment
from portal.storage import PhotoStore


def add_more_photos(
    session: Session,
    organization: Organization,
    actor: Actor,
    person: Person,
    uploads: Sequence[Upload],
    store: PhotoStore,
) -> list[Upload]:
    """Add stored photos to an enrolled person; returns those that were already there.

    Raises PhotoError, and Gone.
    """
    with writing(session):
        lock_person(session, person)
        repeated = add_photos(session, organization, person, uploads)
        session.execute(update(Person).where(Person.id == person.id).values(updated_at=now()))
        record(
            session,
            actor,
            Action.PHOTO_ADDED,
            organization_id=organization.id,
            subject_type="person",
            subject_id=person.id,
            details={"photos": len(uploads) - len(repeated)},
        )
    for upload in repeated:
        store.delete(upload.file.key)
    enqueue_enrolment(organization.id)
    return repeated


def create_person(
    session: Session,
    organization: Organization,
    actor: Actor,
    *,
    external_id: str,
    name: str,
    photos: Sequence[Upload],
    store: PhotoStore,
) -> Person:
    """Enrol a person with photos that are in the store already, and tell the workers.

    Raises PersonError and PhotoError; nothing is written then.
    """
    external_id, name = clean_external_id(external_id), clean_name(name)
    try:
        with writing(session):
            refuse_taken(session, organization, external_id)
            person = Person(
                organization_id=organization.id, external_id=external_id, name=name, name_key=key_of(name)
            )
            session.add(person)
            index_words(session, [person])
            repeated = add_photos(session, organization, person, photos)
            record(
                session,
                actor,
                Action.PERSON_CREATED,
                organization_id=organization.id,
                subject_type="person",
                subject_id=person.id,
                details={"external_id": external_id, "photos": len(photos) - len(repeated)},
            )
    except IntegrityError as error:
        raise external_id_taken(external_id) from error  # someone else was faster by a moment
    for upload in repeated:
        store.delete(upload.file.key)
    enqueue_enrolment(organization.id)
    return person
