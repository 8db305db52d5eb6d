"""A batch is undone: what it brought is removed, a part at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Row, exists, func, select, update
from sqlalchemy.orm import Session

from portal.audit.models import AuditEvent
from portal.audit.services import Action, Actor, record
from portal.batches.models import FORGOTTEN, Batch, BatchItem, Decision, ItemState
from portal.database import now, writing
from portal.keys.idempotency import forget_answers
from portal.locks import lock_rows
from portal.merging.moving import reveal_hidden_copies
from portal.organizations.models import Organization
from portal.pairs.locking import lock_pairs
from portal.people.aliases import index_words
from portal.people.models import Person
from portal.photos.models import Photo
from portal.photos.services import delete_photos
from portal.removal.services import delete_rows, without_anything_left
from portal.storage import PhotoStore

AT_ONCE = 200


def undo_some(session: Session, batch_id: int, store: PhotoStore) -> bool:
    """Remove some of what a batch brought; returns whether something is left.

    Its photos go, and the people whom it enrolled unless they also have photos from elsewhere.
    """
    with writing(session):
        batch = lock_rows(session, select(Batch).where(Batch.id == batch_id), key_share=True).scalar()
        if batch is None or batch.decision != Decision.UNDO:
            return False
        items = _next(session, batch_id)
        last, items = len(items) <= AT_ONCE, items[:AT_ONCE]
        photo_ids = [item.photo_id for item in items if item.photo_id]
        keys = [item.file_key for item in items if item.file_key]
        organization = session.get_one(Organization, batch.organization_id)
        lock_pairs(session, organization.id)
        whose: ColumnElement[bool] = Person.id.in_(select(Photo.person_id).where(Photo.id.in_(photo_ids)))
        if last:
            # People who have lost the photo they came with go as well.
            whose = whose | (Person.batch_id == batch_id) & ~exists().where(Photo.person_id == Person.id)
            # And, if they were merged into someone, that person is known by one name less.
            whose = whose | Person.id.in_(select(Person.merged_into_id).where(Person.batch_id == batch_id))
        people = lock_rows(session, select(Person.id).where(whose)).scalars().all()
        lock_rows(session, select(Photo.id).where(Photo.id.in_(photo_ids)))
        counts = session.execute(
            select(Photo.person_id, func.count()).where(Photo.id.in_(photo_ids)).group_by(Photo.person_id)
        )
        photos = {row[0]: row[1] for row in counts}
        keys += delete_photos(session, organization, photo_ids)
        reveal_hidden_copies(session, organization, photos)
        _delete_people(session, organization, batch, people, photos)
        if photo_ids:
            forget_answers(session, organization.id)
        session.execute(
            update(BatchItem)
            .where(BatchItem.id.in_([item.id for item in items]))
            .values(state=ItemState.UNDONE, reason="", file_key=None, finished_at=now(), **FORGOTTEN)
            .execution_options(synchronize_session=False)
        )
    for key in keys:
        store.delete(key)
    return not last


def _next(session: Session, batch_id: int) -> list[Row[tuple[int, int | None, str | None]]]:
    """The next items, one more than are removed at once: each state is a range of the index."""
    items: list[Row[tuple[int, int | None, str | None]]] = []
    for state in ItemState:
        if state != ItemState.UNDONE:
            items += session.execute(
                select(BatchItem.id, BatchItem.photo_id, BatchItem.file_key)
                .where(BatchItem.batch_id == batch_id, BatchItem.state == state)
                .order_by(BatchItem.reason, BatchItem.id)
                .limit(AT_ONCE + 1 - len(items))
            )
    return items


def _delete_people(
    session: Session, organization: Organization, batch: Batch, ids: Sequence[int], photos: Mapping[int, int]
) -> None:
    """Delete those of these people whom the batch enrolled and who have no photo left.

    photos: how many of each were just deleted, for the audit trail.
    """
    actor = _who_undid(session, batch)
    gone = session.execute(
        select(Person.id, Person.external_id, Person.merged_into_id).where(
            Person.id.in_(ids),
            Person.batch_id == batch.id,
            ~exists().where(Photo.person_id == Person.id),
        )
    ).all()
    unneeded = without_anything_left(session, [person.id for person in gone])
    gone = [person for person in gone if person.id in unneeded]
    stay = set(photos) - {person.id for person in gone}
    session.execute(
        update(Person)
        .where(Person.id.in_(stay))
        .values(updated_at=now())
        .execution_options(synchronize_session=False)
    )
    for person_id in sorted(stay):
        record(
            session,
            actor,
            Action.PHOTO_REMOVED,
            organization_id=batch.organization_id,
            subject_type="person",
            subject_id=person_id,
            details={"photos": photos[person_id], "batch": batch.id},
        )
    if not gone:
        return
    delete_rows(session, organization, [person.id for person in gone])
    known_as = {person.merged_into_id for person in gone} - {None}
    if known_as:
        index_words(session, session.scalars(select(Person).where(Person.id.in_(known_as))).all())
    for person in gone:
        record(
            session,
            actor,
            Action.PERSON_DELETED,
            organization_id=batch.organization_id,
            subject_type="person",
            subject_id=person.id,
            details={
                "external_id": person.external_id,
                "photos": photos.get(person.id, 0),
                "batch": batch.id,
            },
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
