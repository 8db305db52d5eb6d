"""Photos that have arrived become people: in bulk, a little ahead of the workers that process them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import CompoundSelect, func, insert, select, union_all, update
from sqlalchemy.orm import Session

from portal.audit.services import Action, Actor, record
from portal.batches.items import write_items
from portal.batches.mixing import is_anybodys
from portal.batches.models import Batch, BatchItem, Decision, ItemState, KnownPeople
from portal.batches.naming import Label
from portal.batches.reasons import ItemReason
from portal.database import insert_or_leave, now, writing
from portal.locks import lock_rows
from portal.people.models import Person, PersonWord
from portal.people.search_terms import key_of, terms_of
from portal.photos.models import Photo
from portal.photos.services import MAX_PHOTOS_OF_PERSON
from portal.work.models import WorkState

# This many photos of an organization are queued ahead of the workers and no more: a pause takes hold in a
# moment, and someone who enrols a single person does not wait for the whole batch.
AHEAD = 160
AT_ONCE = 256


class _Item(NamedTuple):
    """What matters here of a row; plain, because there are many."""

    id: int
    batch_id: int
    organization_id: int
    path: str
    dropped_path: str | None
    line: int | None
    external_id: str
    name: str
    sha256: str
    file_key: str
    size_bytes: int


@dataclass
class _Known:
    """An enrolled person, as far as it matters here."""

    id: int
    batch_id: int | None
    # Also those of people who were merged into them.
    name_keys: set[str]
    # By SHA-256: why a photo can't be used, or "".
    photos: dict[str, str] = field(default_factory=dict)
    new: bool = False
    # How many photos each batch added.
    added: Counter[int] = field(default_factory=Counter)


def admit_received(session: Session, organization_id: int) -> tuple[bool, list[str]]:
    """Let the oldest photos that arrived become photos of people, if the workers have few left.

    Returns whether photos still wait, and the keys of files that are not needed: the caller deletes them.
    """
    if not _has_room(session, organization_id):
        return True, []
    with writing(session):
        batches = _open_batches(session, organization_id)
        items = _received(session, list(batches))
        waiting = len(items) > AT_ONCE
        items = items[:AT_ONCE]
        if not items:
            return False, []
        people = _people_of(session, items)
        decided = [_decide(item, batches[item.batch_id], people) for item in items]
        _insert_photos(session, decided, items, people)
        write_items(session, decided)
        _record(session, batches, people)
    # Once it is committed: the caller deletes what was already there.
    unneeded = [
        item.file_key
        for item, values in zip(items, decided, strict=True)
        if values["file_key"] is None and values["photo_id"] is None
    ]
    return waiting, unneeded


def _has_room(session: Session, organization_id: int) -> bool:
    ahead = (
        select(Photo.id)
        .where(Photo.organization_id == organization_id, Photo.state == WorkState.QUEUED, Photo.attempts == 0)
        .limit(AHEAD)
    )
    return (session.scalar(select(func.count()).select_from(ahead.subquery())) or 0) < AHEAD


def _open_batches(session: Session, organization_id: int) -> dict[int, Batch]:
    """The batches from which photos are taken, held: one worker at a time admits photos."""
    batches = select(Batch).where(
        Batch.organization_id == organization_id,
        Batch.finished_at.is_(None),
        Batch.decision == Decision.GO_ON,
    )
    return {batch.id: batch for batch in lock_rows(session, batches, key_share=True).scalars()}


def _received(session: Session, batch_ids: Sequence[int]) -> list[_Item]:
    columns = [getattr(BatchItem, name) for name in _Item._fields]
    items: list[_Item] = []
    for batch_id in batch_ids:
        rows = session.execute(
            select(*columns)
            .where(BatchItem.batch_id == batch_id, BatchItem.state == ItemState.RECEIVED)
            .order_by(BatchItem.reason, BatchItem.id)
            .limit(AT_ONCE + 1 - len(items))
        )
        items += (_Item(*row) for row in rows)
        if len(items) > AT_ONCE:
            break
    return items


def _people_of(session: Session, items: Sequence[_Item]) -> dict[str, _Known]:
    """The people of these items by external id, locked, with their photos; made where there are none."""
    organization_id = items[0].organization_id
    ids = {item.external_id for item in items}
    people = _locked(session, organization_id, ids)
    missing: dict[str, dict[str, Any]] = {}
    for item in items:
        if item.external_id not in people and item.name:
            missing.setdefault(
                item.external_id,
                {
                    "organization_id": organization_id,
                    "external_id": item.external_id,
                    "name": item.name,
                    "name_key": key_of(item.name),
                    "batch_id": item.batch_id,
                },
            )
    if missing:
        made = session.execute(
            # People whose external id has been taken meanwhile are left as they are.
            insert_or_leave(session, Person, ["organization_id", "external_id"]).returning(
                Person.id, Person.external_id, Person.name
            ),
            list(missing.values()),
        ).all()
        words = [
            {"person_id": row.id, "word": word, "organization_id": organization_id}
            for row in made
            for word in terms_of(row.name, row.external_id)
        ]
        if words:
            session.execute(insert(PersonWord), words)
        # Read again: someone else may just have enrolled some of them.
        people = _locked(session, organization_id, ids)
        for row in made:
            people[row.external_id].new = True
    photos = session.execute(
        select(Photo.person_id, Photo.sha256, Photo.state, Photo.reason).where(
            Photo.person_id.in_([person.id for person in people.values() if not person.new])
        )
    )
    by_id = {person.id: person for person in people.values()}
    for photo in photos:
        failed = photo.state == WorkState.FAILED
        by_id[photo.person_id].photos[photo.sha256] = (photo.reason or "") if failed else ""
    return people


def _locked(session: Session, organization_id: int, external_ids: Collection[str]) -> dict[str, _Known]:
    """People by these external ids; for a merged person, their survivor."""
    called = (Person.organization_id == organization_id, Person.external_id.in_(external_ids))
    ids: CompoundSelect[int | None] = union_all(
        select(Person.id).where(*called), select(Person.merged_into_id).where(*called)
    )
    query = select(
        Person.id, Person.external_id, Person.name_key, Person.batch_id, Person.merged_into_id
    ).where(Person.id.in_(ids))
    rows = {row.id: row for row in lock_rows(session, query)}
    while not {row.merged_into_id for row in rows.values()} - {None} <= rows.keys():
        # Someone was merged between the read and the lock.
        rows = {row.id: row for row in lock_rows(session, query)}
    people = {
        row.id: _Known(row.id, row.batch_id, {row.name_key})
        for row in rows.values()
        if row.merged_into_id is None
    }
    aliases = select(Person.merged_into_id, Person.name_key).where(Person.merged_into_id.in_(people))
    for person_id, name_key in session.execute(aliases):
        people[person_id or 0].name_keys.add(name_key)
    return {
        row.external_id: people[row.merged_into_id or row.id]
        for row in rows.values()
        if row.external_id in external_ids
    }


def _decide(item: _Item, batch: Batch, people: Mapping[str, _Known]) -> dict[str, Any]:
    """What becomes of an item, as the values of its row."""
    person = people.get(item.external_id)
    if person is None:
        return _become(item, None, ItemState.ATTENTION, ItemReason.NO_NAME, keeps_file=True)
    of_this_batch = person.batch_id == batch.id
    # A manifest says who someone is, and so does an ID with a name; a folder's name may be anything.
    says_who = item.line is not None or batch.label in (Label.ID_NAME, Label.NAME_ID)
    if says_who and item.name and key_of(item.name) not in person.name_keys:
        reason = ItemReason.TWO_NAMES if of_this_batch else ItemReason.OTHER_NAME
        return _become(item, person, ItemState.ATTENTION, reason, keeps_file=True)
    if batch.known == KnownPeople.SKIP and not of_this_batch:
        return _become(item, person, ItemState.ALREADY_THERE, ItemReason.LEFT_AS_IT_IS)
    if item.line is None and not of_this_batch and is_anybodys(item.external_id, item.path, batch.grouping):
        return _become(item, person, ItemState.ATTENTION, ItemReason.NUMBER_TAKEN, keeps_file=True)
    if item.sha256 in person.photos:
        unusable = person.photos[item.sha256]
        state = ItemState.ATTENTION if unusable else ItemState.ALREADY_THERE
        return _become(item, person, state, unusable)
    if len(person.photos) >= MAX_PHOTOS_OF_PERSON:
        return _become(item, person, ItemState.ATTENTION, ItemReason.TOO_MANY_PHOTOS, keeps_file=True)
    person.photos[item.sha256] = ""
    person.added[batch.id] += 1
    return _become(item, person, ItemState.QUEUED)


def _become(
    item: _Item, person: _Known | None, state: ItemState, reason: str = "", *, keeps_file: bool = False
) -> dict[str, Any]:
    """The values of an item's row; a file that it does not keep is its photo's, or no one's."""
    return {
        "id": item.id,
        "person_id": person.id if person else None,
        "photo_id": None,
        "state": state,
        "file_key": item.file_key if keeps_file else None,
        "reason": reason,
        "detail": "",
        "finished_at": None if state == ItemState.QUEUED else now(),
    }


def _insert_photos(
    session: Session,
    decided: Sequence[dict[str, Any]],
    items: Sequence[_Item],
    people: Mapping[str, _Known],
) -> None:
    """Make the photos of the items that are *queued* now, and tell the items' rows."""
    queued = [
        (item, values)
        for item, values in zip(items, decided, strict=True)
        if values["state"] == ItemState.QUEUED
    ]
    photos = [
        {
            "organization_id": item.organization_id,
            "person_id": people[item.external_id].id,
            "sha256": item.sha256,
            "file_key": item.file_key,
            "file_name": (item.dropped_path or item.path).rpartition("/")[2][-255:] or "photo",
            "size_bytes": item.size_bytes,
        }
        for item, _ in queued
    ]
    if photos:
        ids = session.scalars(insert(Photo).returning(Photo.id, sort_by_parameter_order=True), photos)
        for photo_id, (_, values) in zip(ids, queued, strict=True):
            values["photo_id"] = photo_id
        old = [person.id for person in people.values() if person.added and not person.new]
        session.execute(
            update(Person)
            .where(Person.id.in_(old))
            .values(updated_at=now())
            .execution_options(synchronize_session=False)
        )


def _record(session: Session, batches: Mapping[int, Batch], people: Mapping[str, _Known]) -> None:
    """Write down who was enrolled and who got more photos, as acts of the member who dropped the batch."""
    for external_id, person in {person.id: (name, person) for name, person in people.items()}.values():
        made_by = {person.batch_id} if person.new and person.batch_id is not None else set()
        for batch_id in sorted(made_by | set(person.added)):
            batch, new = batches[batch_id], person.new and batch_id == person.batch_id
            record(
                session,
                Actor(batch.created_by_id, batch.created_by),
                Action.PERSON_CREATED if new else Action.PHOTO_ADDED,
                organization_id=batch.organization_id,
                subject_type="person",
                subject_id=person.id,
                details={
                    **({"external_id": external_id} if new else {}),
                    "photos": person.added[batch_id],
                    "batch": batch_id,
                },
            )
