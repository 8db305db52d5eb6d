"""People of an organization: found, listed, renamed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, exists, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from portal.audit.services import Action, Actor, record
from portal.database import Precondition, now, unconditional, writing
from portal.organizations.models import Organization
from portal.paging import Cursor, Page, fetch_changes, fetch_page
from portal.people.aliases import alias_ids, index_words, lock_person
from portal.people.models import Person, PersonWord
from portal.people.renewing import are_renewed
from portal.people.search_terms import key_of, query_forms
from portal.text import TextError, clean_line

PAGE_SIZE = 50
LAST_CHARACTER = chr(0x10FFFF)


class PersonError(ValueError):
    """What is wrong with a field, in words for staff; `field` names it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def find_person(session: Session, organization: Organization, person_id: int) -> Person | None:
    """A person of this organization, who may be merged into another; None if not there or another's."""
    return session.scalar(
        select(Person).where(Person.id == person_id, Person.organization_id == organization.id)
    )


def count_people(session: Session, organization: Organization) -> int:
    """How many people the organization has enrolled; those who were merged into others are not counted."""
    rows = session.scalar(select(func.count()).where(Person.organization_id == organization.id)) or 0
    return rows - (session.scalar(select(func.count()).select_from(alias_ids(organization).subquery())) or 0)


def list_people(
    session: Session,
    organization: Organization,
    query: str = "",
    cursor: str | None = None,
    limit: int | None = None,
) -> Page[Person]:
    """A page of people by name; with a query those for whom each typed word begins a word of name or id.

    Someone is found by the names and ids of those who were merged into them as well; these are not listed.
    `cursor` comes from an earlier page. limit: how many a page has at most; None: PAGE_SIZE. Raises
    paging.CursorError if the cursor is damaged.
    """
    words, limit = query_forms(query), limit or PAGE_SIZE
    if not words:
        everyone = select(Person).where(Person.organization_id == organization.id, ~Person.is_alias)
        rows = fetch_page(
            session,
            everyone,
            (Person.name_key, Person.id),
            Cursor.decode(cursor, (str, int)) if cursor else None,
            limit,
            lambda row: (row[0].name_key, row[0].id),
        )
    else:
        rows = _search(session, organization, words, cursor, limit)
    return Page([row[0] for row in rows.items], rows.previous, rows.next)


def list_changed(
    session: Session, organization: Organization, after: datetime, cursor: str | None, limit: int
) -> Page[Person]:
    """A page of the people who changed after a moment, in the order of their changes.

    A person is changed by whatever changes name, external id, photos or what was found in them, and by a
    merge; those who were merged away are listed as well. `cursor` comes from an earlier page. Raises
    paging.CursorError if it is damaged.
    """
    everyone = select(Person).where(Person.organization_id == organization.id)
    rows = fetch_changes(session, everyone, Person.updated_at, Person.id, after, cursor, limit)
    return Page([row[0] for row in rows.items], None, rows.next)


def _search(
    session: Session,
    organization: Organization,
    words: Sequence[Sequence[str]],
    cursor: str | None,
    limit: int,
) -> Page[Row[Any]]:
    """People in the order of the word that matched, walked along the index of words.

    So a page costs the same however many match: nothing is sorted or counted. words: each in one form or,
    while some people have words of an earlier version, in several.
    """
    if any(len(forms) > 1 for forms in words) and are_renewed(session):
        words = [forms[:1] for forms in words]
    first, *others = words
    earlier = aliased(PersonWord)
    query = (
        select(Person, PersonWord.word)
        .join(PersonWord, PersonWord.person_id == Person.id)
        .where(
            PersonWord.organization_id == organization.id,
            _begins(PersonWord.word, first),
            # Someone whom two words find is listed at the first of them only.
            ~exists().where(
                earlier.person_id == PersonWord.person_id,
                _begins(earlier.word, first),
                earlier.word < PersonWord.word,
            ),
        )
    )
    for word in others:
        also = aliased(PersonWord)
        query = query.where(exists().where(also.person_id == PersonWord.person_id, _begins(also.word, word)))
    return fetch_page(
        session,
        query,
        (PersonWord.word, PersonWord.person_id),
        Cursor.decode(cursor, (str, int)) if cursor else None,
        limit,
        lambda row: (row.word, row[0].id),
    )


def _begins(word: InstrumentedAttribute[str], forms: Sequence[str]) -> ColumnElement[bool]:
    return or_(*(and_(word >= form, word < form + LAST_CHARACTER) for form in forms))


def change_person(
    session: Session,
    organization: Organization,
    actor: Actor,
    person: Person,
    *,
    external_id: str | None = None,
    name: str | None = None,
    precondition: Precondition = unconditional,
) -> None:
    """Give a person another name or external id; None: as it is. Raises PersonError, and Gone."""
    external_id = None if external_id is None else clean_external_id(external_id)
    name = None if name is None else clean_name(name)
    try:
        with writing(session):
            lock_person(session, person)
            precondition()
            external_id, name = external_id or person.external_id, name or person.name
            changes = {
                field: [getattr(person, field), value]
                for field, value in (("external_id", external_id), ("name", name))
                if getattr(person, field) != value
            }
            if not changes:
                return
            if "external_id" in changes:
                refuse_taken(session, organization, external_id)
            person.external_id, person.name, person.name_key = external_id, name, key_of(name)
            person.updated_at = now()
            index_words(session, [person])
            record(
                session,
                actor,
                Action.PERSON_CHANGED,
                organization_id=organization.id,
                subject_type="person",
                subject_id=person.id,
                # A name is not written down: the trail outlives the person's deletion.
                details={"name": "name" in changes, "external_id": changes.get("external_id")},
            )
    except IntegrityError as error:
        raise external_id_taken(external_id or person.external_id) from error


def record_view(session: Session, organization: Organization, actor: Actor, person: Person) -> None:
    """Write down that someone viewed a person."""
    with writing(session):
        record(
            session,
            actor,
            Action.PERSON_VIEWED,
            organization_id=organization.id,
            subject_type="person",
            subject_id=person.id,
        )


def clean_name(text: str) -> str:
    """A person's name with single spaces. Raises PersonError if it is empty, too long or not text."""
    return _clean(text, "name", "name", 200)


def clean_external_id(text: str) -> str:
    """An external id. Raises PersonError if it is empty, too long or not text."""
    return _clean(text, "external_id", "external ID", 100)


def _clean(text: str, field: str, what: str, longest: int) -> str:
    try:
        return clean_line(text, what, longest)
    except TextError as error:
        raise PersonError(field, str(error)) from error


def refuse_taken(session: Session, organization: Organization, external_id: str) -> None:
    """Raise PersonError if someone has this external id, or had it before they were merged."""
    taken_by = session.scalar(
        select(Person).where(Person.organization_id == organization.id, Person.external_id == external_id)
    )
    if taken_by is None:
        return
    if not taken_by.is_alias:
        raise external_id_taken(external_id)
    survivor = session.get_one(Person, taken_by.merged_into_id)
    raise PersonError(
        "external_id",
        f"External ID {external_id} is already in use: that person was merged into "
        f"{survivor.name} ({survivor.external_id}).",
    )


def external_id_taken(external_id: str) -> PersonError:
    """What is wrong with an external id that someone has."""
    return PersonError("external_id", f"External ID {external_id} is already in use.")
