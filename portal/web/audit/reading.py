"""Reading an organization's audit trail: newest first, a page at a time, by filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import ColumnElement, false, func, or_, select
from sqlalchemy.orm import Session

from portal.audit.models import AuditEvent
from portal.audit.services import Action, Actor, record
from portal.database import writing
from portal.organizations.models import Organization
from portal.paging import Cursor, Page, fetch_page
from portal.pairs.models import DuplicatePair
from portal.people.models import Person
from portal.search.models import Search
from portal.search.services import are_kept

PAGE_SIZE = 100
# Row numbers follow time, except for differing clocks of several machines and open transactions.
CLOCKS_DIFFER_BY = timedelta(hours=1)


@dataclass(frozen=True)
class Filters:
    """What of the trail to show; the days are in UTC and belong to it."""

    actor: str = ""
    action: Action | None = None
    external_id: str = ""
    search_id: int | None = None
    first_day: date | None = None
    last_day: date | None = None


@dataclass(frozen=True)
class Subjects:
    """What the pages can say about people, searches and pairs of events: who is still there, and who was."""

    people: dict[int, Person]
    deleted_people: dict[int, str]
    searches: set[int]
    pairs: set[int]


def list_events(
    session: Session, organization: Organization, filters: Filters, cursor: str | None = None
) -> Page[AuditEvent]:
    """A page of the organization's events, newest first. Raises paging.CursorError."""
    conditions = [AuditEvent.organization_id == organization.id]
    if filters.actor:
        conditions.append(AuditEvent.actor == filters.actor)
    if filters.action is not None:
        conditions.append(AuditEvent.action == filters.action)
    if filters.external_id:
        people = _people_called(session, organization, filters.external_id)
        conditions += [AuditEvent.subject_type == "person", AuditEvent.subject_id.in_(people)]
    if filters.search_id is not None:
        conditions += [AuditEvent.subject_type == "search", AuditEvent.subject_id == filters.search_id]
    conditions += _between(session, organization, filters.first_day, filters.last_day)
    page = fetch_page(
        session,
        select(AuditEvent).where(*conditions),
        (AuditEvent.id,),
        Cursor.decode(cursor, (int,)) if cursor else None,
        PAGE_SIZE,
        lambda row: (row[0].id,),
        descending=True,
    )
    return Page([row[0] for row in page.items], page.previous, page.next)


def subjects_of(session: Session, organization: Organization, events: Sequence[AuditEvent]) -> Subjects:
    """What is known about the people, searches and pairs that these events are about."""
    person_ids = {event.subject_id for event in events if event.subject_type == "person"}
    search_ids = {event.subject_id for event in events if event.subject_type == "search"}
    people = session.scalars(
        select(Person).where(Person.organization_id == organization.id, Person.id.in_(person_ids))
    )
    deletions = session.scalars(
        select(AuditEvent).where(
            AuditEvent.organization_id == organization.id,
            AuditEvent.subject_type == "person",
            AuditEvent.subject_id.in_(person_ids),
            AuditEvent.action == Action.PERSON_DELETED,
        )
    )
    searches = session.scalars(select(Search.id).where(Search.id.in_(search_ids), *are_kept(organization)))
    pair_ids = {event.subject_id for event in events if event.subject_type == "pair"}
    pairs = session.scalars(
        select(DuplicatePair.id).where(
            DuplicatePair.organization_id == organization.id, DuplicatePair.id.in_(pair_ids)
        )
    )
    return Subjects(
        {person.id: person for person in people},
        {event.subject_id: event.details["external_id"] for event in deletions if event.subject_id},
        set(searches),
        set(pairs),
    )


def record_reading(session: Session, organization: Organization, actor: Actor, filters: Filters) -> None:
    """Write down that someone read the trail, and what they looked for."""
    asked = {
        "who": filters.actor,
        "what": filters.action or "",
        "external_id": filters.external_id,
        "search": filters.search_id,
        "from": str(filters.first_day or ""),
        "to": str(filters.last_day or ""),
    }
    with writing(session):
        record(
            session,
            actor,
            Action.AUDIT_READ,
            organization_id=organization.id,
            details={name: value for name, value in asked.items() if value not in {"", None}},
        )


def _people_called(session: Session, organization: Organization, external_id: str) -> list[int | None]:
    """The people who have this external id, also as an alias, or had it when they were deleted."""
    called = (Person.organization_id == organization.id, Person.external_id == external_id)
    one = select(func.coalesce(Person.merged_into_id, Person.id)).where(*called).scalar_subquery()
    there = session.scalars(select(Person.id).where(or_(Person.id == one, Person.merged_into_id == one)))
    deleted = session.scalars(
        select(AuditEvent.subject_id).where(
            AuditEvent.organization_id == organization.id,
            AuditEvent.action == Action.PERSON_DELETED,
            AuditEvent.details["external_id"].as_string() == external_id,
        )
    )
    return [*there, *deleted]


def _between(
    session: Session, organization: Organization, first_day: date | None, last_day: date | None
) -> list[ColumnElement[bool]]:
    """The days as conditions on the moment and, for the walk along the row numbers, on those."""
    events = select(AuditEvent.id).where(AuditEvent.organization_id == organization.id).limit(1)
    conditions: list[ColumnElement[bool]] = []
    if first_day is not None:
        start = datetime.combine(first_day, time.min, UTC)
        early = events.where(AuditEvent.at >= start - CLOCKS_DIFFER_BY)
        first = session.scalar(early.order_by(AuditEvent.at, AuditEvent.id))
        conditions += [false()] if first is None else [AuditEvent.at >= start, AuditEvent.id >= first]
    if last_day is not None:
        end = datetime.combine(last_day + timedelta(days=1), time.min, UTC)
        late = events.where(AuditEvent.at < end + CLOCKS_DIFFER_BY)
        last = session.scalar(late.order_by(AuditEvent.at.desc(), AuditEvent.id.desc()))
        conditions += [false()] if last is None else [AuditEvent.at < end, AuditEvent.id <= last]
    return conditions
