"""Examinations, as those handle them who ask: begun, read, and deleted with their photos."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session, selectinload

from portal.audit.services import Action, Actor, record
from portal.database import now, writing
from portal.examination.models import Examination, ExaminedPhoto, Kind
from portal.locks import lock
from portal.organizations.models import Organization
from portal.people.models import Person
from portal.photos.services import Upload
from portal.queues import enqueue_examination
from portal.storage import PhotoStore
from portal.work.models import WorkState

# Whoever asked has long given up.
KEPT_FOR = timedelta(minutes=10)
ACTIONS = {
    Kind.DETECTION: Action.FACES_DETECTED,
    Kind.COMPARISON: Action.FACES_COMPARED,
    Kind.VERIFICATION: Action.PERSON_VERIFIED,
}

# A stored photo, or the template (float32, little-endian, unit length) of a face.
Probe = Upload | bytes


def begin_examination(
    session: Session,
    organization: Organization,
    actor: Actor,
    kind: Kind,
    probes: Sequence[Probe],
    *,
    person: Person | None = None,
    with_templates: bool = False,
    face_model_id: int | None = None,
) -> int:
    """Ask for an examination, which is queued when this returns; returns its id.

    face_model_id: of the one that made the templates among the probes. person: whom a verification is about.
    Raises Gone if they are no more.
    """
    with writing(session):
        if person is not None:
            lock(session, person, key_share=True)
        examination = Examination(
            organization_id=organization.id,
            kind=kind,
            person_id=person.id if person else None,
            with_templates=with_templates,
            face_model_id=face_model_id,
        )
        session.add(examination)
        session.flush()
        session.add_all(
            ExaminedPhoto(
                examination_id=examination.id,
                place=place,
                file_key=None if isinstance(probe, bytes) else probe.file.key,
                template=probe if isinstance(probe, bytes) else None,
            )
            for place, probe in enumerate(probes)
        )
        record(
            session,
            actor,
            ACTIONS[kind],
            organization_id=organization.id,
            subject_type="person" if person else "",
            subject_id=person.id if person else None,
            details={"external_id": person.external_id} if person else None,
        )
    enqueue_examination(examination.id)
    return examination.id


def find_examination(session: Session, organization: Organization, examination_id: int) -> Examination | None:
    """An examination of this organization as it is now; None if it is gone or another's."""
    return session.scalar(
        select(Examination)
        .options(selectinload(Examination.photos))
        .where(Examination.id == examination_id, Examination.organization_id == organization.id)
        .execution_options(populate_existing=True)
    )


def delete_examination(
    session: Session,
    organization: Organization,
    examination_id: int,
    file_keys: Sequence[str],
    store: PhotoStore,
) -> None:
    """Delete an examination of this organization with its photos, also while a worker has it.

    file_keys: of its photos. The rows that knew them may have gone with the person of a verification. An
    examination that is gone, or another's, is passed over.
    """
    mine = Examination.id == examination_id, Examination.organization_id == organization.id
    with writing(session):
        session.execute(delete(Examination).where(*mine))
    for key in file_keys:
        store.delete(key)


def expire_examinations(session: Session, store: PhotoStore) -> None:
    """Delete those whose answer nobody waits for any more: called by the sweep."""
    old = select(Examination.id).where(Examination.created_at < now() - KEPT_FOR)
    if session.scalar(old.limit(1)) is None:
        return
    with writing(session):
        ids = session.scalars(old).all()
        keys = session.scalars(
            select(ExaminedPhoto.file_key).where(
                ExaminedPhoto.examination_id.in_(ids), ExaminedPhoto.file_key.is_not(None)
            )
        ).all()
        session.execute(delete(Examination).where(Examination.id.in_(ids)))
    for key in keys:
        if key is not None:
            store.delete(key)


def enqueue_due(session: Session) -> None:
    """Ask for the examinations that wait: called by the sweep."""
    for examination_id in session.scalars(
        select(Examination.id).where(Examination.state == WorkState.QUEUED).order_by(Examination.id)
    ):
        enqueue_examination(examination_id)
