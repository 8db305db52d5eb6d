"""Staff say that the photos under one name show several people: each file becomes a person of its own."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from portal.audit.services import Action, Actor, record
from portal.batches.guessing import guess
from portal.batches.items import write_items
from portal.batches.models import Batch, BatchItem, ItemState
from portal.batches.naming import (
    Grouping,
    Naming,
    Unnamed,
    folder_and_stem,
    is_small_number,
    person_of,
    without_copy,
)
from portal.batches.opening import BatchError, lock_kept
from portal.batches.services import record_event, tell_workers
from portal.database import now, writing
from portal.enrolment.one_person import DECIDED
from portal.locks import lock_rows
from portal.organizations.models import Organization
from portal.pairs.locking import lock_pairs
from portal.people.models import Person
from portal.photos.models import Photo
from portal.photos.reasons import Reason
from portal.photos.services import delete_photos
from portal.removal.services import delete_rows, without_anything_left


def tell_apart(
    session: Session, organization: Organization, actor: Actor, batch: Batch, person_id: int
) -> int:
    """Take a batch's photos from a person, and enrol each under the name of its file; returns how many.

    Where others have such a name, the folder's stands before it. The person goes if the batch enrolled it and
    nothing else is left of it. Raises BatchError, and Gone.
    """
    with writing(session):
        lock_kept(session, batch)
        lock_pairs(session, organization.id)
        person = lock_rows(
            session, select(Person).where(Person.id == person_id, Person.organization_id == organization.id)
        ).scalar()
        items = _items(session, batch, person_id)
        if person is None or not any(item.reason == Reason.UNLIKE_OTHERS for item in items):
            raise BatchError(DECIDED)
        photos = select(Photo).where(Photo.id.in_([item.photo_id for item in items]))
        of_photos = {photo.id: photo.file_key for photo in lock_rows(session, photos).scalars()}
        files = {item.id: item.file_key or of_photos[item.photo_id or 0] for item in items}
        naming = _naming_of(session, batch, items)
        # The files are the items' own again, and go on to the photos of other people.
        delete_photos(session, organization, list(of_photos))
        write_items(session, [_as_it_came(item, naming, files[item.id]) for item in items])
        _delete_if_empty(session, organization, actor, batch, person, len(items))
        batch.reopen()
        record_event(session, actor, Action.BATCH_TOLD_APART, batch, {"photos": len(items)})
    tell_workers(session, batch)
    return len(items)


def _items(session: Session, batch: Batch, person_id: int) -> Sequence[BatchItem]:
    return session.scalars(
        select(BatchItem).where(
            BatchItem.batch_id == batch.id,
            BatchItem.person_id == person_id,
            BatchItem.line.is_(None),
            BatchItem.photo_id.is_not(None) | BatchItem.file_key.is_not(None),
        )
    ).all()


def _naming_of(session: Session, batch: Batch, items: Sequence[BatchItem]) -> Naming:
    """By file name; with the folder before it, where others have the same name or there is only a number."""
    paths = [item.path for item in items]
    by_file = guess(paths, Grouping.FILE)
    names = {folder_and_stem(path)[1] for path in paths}
    try:
        ids = {person_of(path, by_file).external_id for path in paths}
    except Unnamed:
        ids = names
    others = [item.id for item in items]
    taken = session.scalar(
        select(
            exists().where(Person.organization_id == batch.organization_id, Person.external_id.in_(ids))
            | exists().where(
                BatchItem.batch_id == batch.id, BatchItem.external_id.in_(ids), BatchItem.id.not_in(others)
            )
        )
    )
    if taken or any(is_small_number(without_copy(name)) for name in names):
        return guess(paths, Grouping.BOTH)
    return by_file


def _as_it_came(item: BatchItem, naming: Naming, file_key: str) -> dict[str, object]:
    """The values of an item that is to be enrolled under the name of its file."""
    values: dict[str, object] = {"id": item.id, "person_id": None, "photo_id": None, "file_key": file_key}
    try:
        named = person_of(item.path, naming)
    except Unnamed as problem:
        ended: dict[str, object] = {
            "state": ItemState.ATTENTION,
            "reason": problem.reason,
            "detail": problem.detail[:300],
        }
        return values | ended | {"external_id": "", "name": "", "finished_at": now()}
    received = {"state": ItemState.RECEIVED, "reason": "", "detail": "", "finished_at": None}
    return values | received | {"external_id": named.external_id, "name": named.name}


def _delete_if_empty(
    session: Session, organization: Organization, actor: Actor, batch: Batch, person: Person, photos: int
) -> None:
    left = session.scalar(select(exists().where(Photo.person_id == person.id)))
    made_here = person.batch_id == batch.id and not left
    made_here = made_here and person.id in without_anything_left(session, [person.id])
    record(
        session,
        actor,
        Action.PERSON_DELETED if made_here else Action.PHOTO_REMOVED,
        organization_id=organization.id,
        subject_type="person",
        subject_id=person.id,
        details={
            **({"external_id": person.external_id} if made_here else {}),
            "photos": photos,
            "batch": batch.id,
        },
    )
    if made_here:
        delete_rows(session, organization, [person.id])
    else:
        session.execute(
            update(Person)
            .where(Person.id == person.id)
            .values(updated_at=now())
            .execution_options(synchronize_session=False)
        )
