"""The list of people: complete, in order, page by page, and searched by what staff type."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from portal.organizations.models import Organization
from portal.organizations.services import create_organization
from portal.paging import Page
from portal.people import services
from portal.people.models import Person
from portal.people.search_terms import key_of, query_terms, terms_of
from portal.people.services import change_person, count_people, list_people
from tests.databases import on_both_databases
from tests.make.people import TESTER, add_person

# Few letters, so that names begin alike, and some that are sorted or compared in their own way.
NAMES = st.text("abAzZé ßñ-'10", min_size=1, max_size=8).filter(lambda text: text.strip())
PEOPLE = st.lists(NAMES, max_size=12)
QUERIES = st.one_of(st.just(""), st.text("abzé 'ß-10", max_size=4))

property_test = effort(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(autouse=True)
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "PAGE_SIZE", 3)


def new_organization(session: Session) -> Organization:
    number = len(session.query(Organization.id).all())
    return create_organization(session, TESTER, f"Organization {number}", f"organization-{number}")


def walk(turn: Callable[[str | None], Page[Person]]) -> list[Page[Person]]:
    """All pages from the first to the last."""
    pages = [turn(None)]
    while (cursor := pages[-1].next) is not None:
        pages.append(turn(cursor))
    return pages


def ids(pages: list[Page[Person]]) -> list[int]:
    return [person.id for page in pages for person in page.items]


@on_both_databases
@property_test
@given(names=PEOPLE, query=QUERIES)
def test_pages_hold_everybody_once_in_order_there_and_back(
    session: Session, names: list[str], query: str
) -> None:
    organization = new_organization(session)
    people = [
        add_person(session, organization, f"{number}", name) for number, name in enumerate(names, start=1)
    ]
    words = query_terms(query)
    if words:
        # Whom a query finds is listed by the first of their words that the longest typed one begins.
        def place(person: Person) -> tuple[str, int]:
            mine = terms_of(person.name, person.external_id)
            return min(word for word in mine if word.startswith(words[0])), person.id
    else:

        def place(person: Person) -> tuple[str, int]:
            return key_of(person.name), person.id

    met = [
        person
        for person in people
        if all(
            any(word.startswith(typed) for word in terms_of(person.name, person.external_id))
            for typed in words
        )
    ]
    expected = [person.id for person in sorted(met, key=place)]

    def turn(cursor: str | None) -> Page[Person]:
        return list_people(session, organization, query, cursor)

    pages = walk(turn)
    assert ids(pages) == expected
    assert all(len(page.items) == 3 for page in pages[:-1])
    assert pages[0].previous is None
    assert count_people(session, organization) == len(people)
    back = pages[-1]
    for page in reversed(pages[:-1]):
        assert back.previous is not None
        back = turn(back.previous)
        assert ids([back]) == ids([page])
    assert back.previous is None


@on_both_databases
def test_people_who_come_and_go_shift_nobody_out_of_the_pages(session: Session, clinic: Organization) -> None:
    for number, name in enumerate("BCDEFGHI"):
        add_person(session, clinic, f"X{number}", name)
    first = list_people(session, clinic)
    add_person(session, clinic, "earlier", "A")
    second = list_people(session, clinic, cursor=first.next)
    assert [person.name for person in first.items + second.items] == list("BCDEFG")
    back = list_people(session, clinic, cursor=second.previous)
    assert [person.name for person in back.items] == list("BCD")
    assert back.previous is not None
    assert [person.name for person in list_people(session, clinic, cursor=back.previous).items] == ["A"]


def test_a_renamed_person_is_found_by_the_new_name_only(session: Session, clinic: Organization) -> None:
    person = add_person(session, clinic, "X1", "Old Name")
    change_person(session, clinic, TESTER, person, external_id="Y2", name="New Name")
    for query, found in (("old", []), ("x1", []), ("new", [person.id]), ("y2", [person.id])):
        assert ids([list_people(session, clinic, query)]) == found


@on_both_databases
def test_an_organization_finds_its_own_people_only(
    session: Session, clinic: Organization, school: Organization
) -> None:
    mine, theirs = (
        add_person(session, clinic, "1", "Same Name"),
        add_person(session, school, "1", "Same Name"),
    )
    for organization, person in ((clinic, mine), (school, theirs)):
        for query in ("", "same", "same name", "1"):
            assert ids([list_people(session, organization, query)]) == [person.id]
        assert count_people(session, organization) == 1


@on_both_databases
def test_odd_things_that_are_typed_find_nobody_and_break_nothing(
    session: Session, clinic: Organization
) -> None:
    add_person(session, clinic, "1", "Anna")
    for query in ("a\0b", "%", "_", "\\", "'; DROP TABLE person", "\U0010ffff", "x" * 5000):
        assert ids([list_people(session, clinic, query)]) == []
