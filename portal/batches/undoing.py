"""A batch is undone: what it brought is removed again, a part at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, delete, exists, func, insert, select, update
from sqlalchemy.orm import Session

from portal.audit.models import AuditEvent
from portal.audit.services import Action, Actor
from portal.batches.models import Batch, BatchItem, Decision, ItemState
from portal.database import now, writing
from portal.enrolment.models import Photo
from portal.enrolment.services import delete_photos
from portal.organizations.models import Organization
from portal.people.models import Person, PersonWord
from portal.storage import PhotoStore

AT_ONCE = 200


def undo_some(session: Session, batch_id: int, store: PhotoStore) -> bool:
    """Remove some of what a batch brought; returns whether something is left.

    Its photos go, and the people whom it enrolled unless they have photos from elsewhere by now.
    """
    with writing(session):
        batch = session.get(Batch, batch_id, with_for_update={"key_share": True}, populate_existing=True)
        if batch is None or batch.decision != Decision.UNDO:
            return False
        items = session.execute(
            select(BatchItem.id, BatchItem.photo_id, BatchItem.file_key)
            .where(BatchItem.batch_id == batch_id, BatchItem.state != ItemState.UNDONE)
            .order_by(BatchItem.id)
            .limit(AT_ONCE + 1)
        ).all()
        last, items = len(items) <= AT_ONCE, items[:AT_ONCE]
        photo_ids = [item.photo_id for item in items if item.photo_id]
        keys = [item.file_key for item in items if item.file_key]
        organization = session.get_one(Organization, batch.organization_id)
        whose: ColumnElement[bool] = Person.id.in_(select(Photo.person_id).where(Photo.id.in_(photo_ids)))
        if last:
            # Whoever lost the photo that they came with meanwhile goes as well.
            whose = whose | (Person.batch_id == batch_id) & ~exists().where(Photo.person_id == Person.id)
        people = session.scalars(select(Person.id).where(whose).order_by(Person.id).with_for_update()).all()
        session.execute(select(Photo.id).where(Photo.id.in_(photo_ids)).order_by(Photo.id).with_for_update())
        counts = session.execute(
            select(Photo.person_id, func.count()).where(Photo.id.in_(photo_ids)).group_by(Photo.person_id)
        )
        photos = {row[0]: row[1] for row in counts}
        keys += delete_photos(session, organization, photo_ids)
        _delete_people(session, batch, people, photos)
        session.execute(
            update(BatchItem)
            .where(BatchItem.id.in_([item.id for item in items]))
            .values(state=ItemState.UNDONE, reason="", detail="", file_key=None, finished_at=now())
            .execution_options(synchronize_session=False)
        )
    for key in keys:
        store.delete(key)
    return not last


def _delete_people(session: Session, batch: Batch, ids: Sequence[int], photos: Mapping[int, int]) -> None:
    """Delete those of these people whom the batch enrolled and who have no photo left.

    photos: how many of each were just deleted, for the audit trail.
    """
    gone = session.execute(
        select(Person.id, Person.external_id).where(
            Person.id.in_(ids),
            Person.batch_id == batch.id,
            ~exists().where(Photo.person_id == Person.id),
        )
    ).all()
    if not gone:
        return
    session.execute(delete(PersonWord).where(PersonWord.person_id.in_([person.id for person in gone])))
    session.execute(delete(Person).where(Person.id.in_([person.id for person in gone])))
    actor = _who_undid(session, batch)
    session.execute(
        insert(AuditEvent),
        [
            {
                "organization_id": batch.organization_id,
                "actor_id": actor.user_id,
                "actor": actor.name,
                "address": actor.address,
                "action": Action.PERSON_DELETED,
                "subject_type": "person",
                "subject_id": person.id,
                "details": {
                    "external_id": person.external_id,
                    "photos": photos.get(person.id, 0),
                    "batch": batch.id,
                },
            }
            for person in gone
        ],
    )


def _who_undid(session: Session, batch: Batch) -> Actor:
    event = session.scalars(
        select(AuditEvent)
        .where(
            AuditEvent.organization_id == batch.organization_id,
            AuditEvent.subject_type == "batch",
            AuditEvent.subject_id == batch.id,
            AuditEvent.action == Action.BATCH_UNDONE,
        )
        .order_by(AuditEvent.id.desc())
        .limit(1)
    ).one()
    return Actor(event.actor_id, event.actor, event.address)
