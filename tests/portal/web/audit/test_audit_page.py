"""The audit page: an organization's own trail, newest first, by filters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from portal.audit.models import AuditEvent
from portal.audit.services import Action, Actor, record
from portal.database import writing
from portal.extensions import db
from portal.people.models import Person
from portal.web.audit import reading
from tests.visitor import Visitor, one_in


def write(app: Flask, visitor: Visitor, action: Action, actor: Actor | None = None, **event: Any) -> None:
    with app.app_context(), writing(db.session) as session:
        actor = actor or Actor(visitor.user.id, visitor.user.email, "192.0.2.9")
        record(session, actor, action, organization_id=visitor.organization.id, **event)


def enrol(app: Flask, visitor: Visitor, external_id: str, name: str) -> int:
    with app.app_context(), writing(db.session) as session:
        person = Person(
            organization_id=visitor.organization.id, external_id=external_id, name=name, name_key=name.lower()
        )
        session.add(person)
        session.flush()
        number = person.id
    write(
        app,
        visitor,
        Action.PERSON_CREATED,
        subject_type="person",
        subject_id=number,
        details={"external_id": external_id, "photos": 2},
    )
    return number


def sentences(visitor: Visitor, url: str = "/audit") -> list[str]:
    assert visitor.get(url).status_code == 200
    return [" ".join(cell.get_text().split()) for cell in visitor.page.select("[data-event] .table__main")]


def test_an_event_is_a_sentence_with_who_when_and_from_where(
    app: Flask, alice: Visitor, bob: Visitor
) -> None:
    number = enrol(app, bob, "C-1", "Ada Lovelace")
    alice.get("/audit?action=person.created")
    (row,) = alice.page.select("[data-event]")
    words = " ".join(row.get_text().split())
    assert "Enrolled Ada Lovelace (C-1) with 2 photos." in words
    assert bob.user.email in words
    assert "UTC" in words
    assert "192.0.2.9" in words
    assert one_in(row, "a")["href"] == f"/people/{number}"


def test_a_person_who_is_deleted_is_named_without_a_link(app: Flask, alice: Visitor) -> None:
    write(app, alice, Action.PERSON_VIEWED, subject_type="person", subject_id=77)
    write(
        app,
        alice,
        Action.PERSON_DELETED,
        subject_type="person",
        subject_id=77,
        details={"external_id": "C-9", "photos": 1},
    )
    assert sentences(alice, "/audit?person=C-9") == [
        "Deleted a person who is deleted (C-9) with one photo.",
        "Viewed a person who is deleted (C-9).",
    ]
    assert alice.page.select("[data-event] a") == []


def test_a_person_of_another_organization_is_not_named(app: Flask, alice: Visitor, charlie: Visitor) -> None:
    number = enrol(app, charlie, "S-1", "Secret Pupil")
    write(app, alice, Action.PERSON_VIEWED, subject_type="person", subject_id=number)
    alice.get("/audit")
    assert "Secret Pupil" not in alice.page.get_text()
    assert sentences(alice, "/audit?person=S-1") == []


def test_an_organization_sees_its_own_trail_only(app: Flask, alice: Visitor, charlie: Visitor) -> None:
    enrol(app, charlie, "S-1", "Secret Pupil")
    assert not any("Enrolled" in line for line in sentences(alice))
    assert any("Enrolled" in line for line in sentences(charlie))


def test_only_admins_read_the_audit(alice: Visitor, bob: Visitor, vera: Visitor, client: FlaskClient) -> None:
    assert alice.get("/audit").status_code == 200
    assert bob.get("/audit").status_code == 403
    assert vera.get("/audit").status_code == 403
    assert client.get("/audit").location == "/login?next=/audit"


def test_filters_by_who_what_and_subject(app: Flask, alice: Visitor, bob: Visitor) -> None:
    enrol(app, bob, "C-1", "Ada Lovelace")
    enrol(app, alice, "C-2", "Grace Hopper")
    write(app, bob, Action.SEARCH_CREATED, subject_type="search", subject_id=5)
    write(app, bob, Action.SEARCH_CREATED, subject_type="search", subject_id=6)
    write(
        app, bob, Action.SEARCH_EXPIRED, subject_type="search", subject_id=5, actor=Actor(None, "retention")
    )
    ada, grace = "Enrolled Ada Lovelace (C-1) with 2 photos.", "Enrolled Grace Hopper (C-2) with 2 photos."
    assert sentences(alice, "/audit?action=person.created") == [grace, ada]
    assert sentences(alice, f"/audit?who={bob.user.email.upper()}&action=person.created") == [ada]
    assert sentences(alice, "/audit?person=C-2") == [grace]
    assert sentences(alice, "/audit?search=5") == [
        "Deleted search 5, which had expired.",
        "Searched by photo: search 5.",
    ]
    assert sentences(alice, "/audit?who=Retention") == ["Deleted search 5, which had expired."]
    assert sentences(alice, "/audit?person=C-3") == []
    assert "No event matches these filters." in alice.page.get_text()


def test_days_are_whole_and_in_utc(app: Flask, alice: Visitor) -> None:
    moments = [
        datetime(2024, 2, 28, 23, 59, 59, 999999, UTC),
        datetime(2024, 2, 29, 0, 0, 0, 0, UTC),
        datetime(2024, 2, 29, 23, 59, 59, 999999, UTC),
        datetime(2024, 3, 1, 0, 0, 0, 0, UTC),
    ]
    with app.app_context(), writing(db.session) as session:
        for number, moment in enumerate(moments, 1):
            session.add(
                AuditEvent(
                    organization_id=alice.organization.id,
                    at=moment,
                    actor="retention",
                    address="",
                    action=Action.SEARCH_EXPIRED,
                    subject_type="search",
                    subject_id=number,
                )
            )

    def found(query: str) -> list[int]:
        lines = sentences(alice, f"/audit?who=retention&{query}")
        return [int(line.split("search ")[1].split(",")[0]) for line in lines]

    assert found("since=2024-02-29&until=2024-02-29") == [3, 2]
    assert found("since=2024-02-29") == [4, 3, 2]
    assert found("until=2024-02-29") == [3, 2, 1]
    assert found("until=2024-02-27") == []
    assert found("since=2024-03-02&until=2024-03-03") == []


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("since=2024-03-02&until=2024-03-01", "The last day is before the first."),
        ("since=yesterday", "Not a valid date value."),
        ("until=9999-12-31", "Choose a day between the years 2000 and 2100."),
        ("search=abc", "Not a valid integer value."),
        ("search=99999999999999999999", "Enter the number of a search."),
        ("action=person.eaten", "Not a valid choice"),
    ],
)
def test_a_filter_that_makes_no_sense_is_told(alice: Visitor, query: str, message: str) -> None:
    assert alice.get(f"/audit?{query}").status_code == 422
    assert message in alice.page.get_text()
    assert alice.page.select("[data-event]") == []


def _searches_expired(app: Flask, alice: Visitor, ids: range) -> None:
    with app.app_context(), writing(db.session) as session:
        for search_id in ids:
            record(
                session,
                Actor(None, "retention"),
                Action.SEARCH_EXPIRED,
                organization_id=alice.organization.id,
                subject_type="search",
                subject_id=search_id,
            )


def test_pages_follow_one_another_without_gap_or_repetition(app: Flask, alice: Visitor) -> None:
    _searches_expired(app, alice, range(1, 251))
    first = sentences(alice, "/audit?who=retention")
    assert alice.page.select_one("a[rel=prev]") is None
    second = sentences(alice, alice.link("a[rel=next]"))
    third_url = alice.link("a[rel=next]")
    third = sentences(alice, third_url)
    assert alice.page.select_one("a[rel=next]") is None
    assert [len(lines) for lines in (first, second, third)] == [100, 100, 50]
    expected = [f"Deleted search {number}, which had expired." for number in range(250, 0, -1)]
    assert first + second + third == expected
    assert sentences(alice, third_url) == third
    assert sentences(alice, alice.link("a[rel=prev]")) == second


def test_a_damaged_page_link_is_told(alice: Visitor) -> None:
    assert alice.get("/audit?after=nonsense").status_code == 400


def test_reading_is_written_down_page_by_page(app: Flask, alice: Visitor) -> None:
    _searches_expired(app, alice, range(150))
    alice.get("/audit?who=retention")
    alice.get(alice.link("a[rel=next]"))
    assert sentences(alice, "/audit?action=audit.read") == [
        "Read the audit for who “retention”.",
        "Read the audit for who “retention”.",
    ]


def test_each_filter_walks_an_index(app: Flask, alice: Visitor) -> None:
    """A page of a million rows reads a hundred: nothing is scanned, nothing sorted."""
    today = datetime.now(UTC).date()
    filters = [
        reading.Filters(),
        reading.Filters(actor="retention"),
        reading.Filters(action=Action.PERSON_VIEWED),
        reading.Filters(search_id=5),
        reading.Filters(first_day=today, last_day=today),
    ]
    statements: list[tuple[str, tuple[object, ...]]] = []

    def note(
        _connection: object,
        _cursor: object,
        statement: str,
        parameters: tuple[object, ...],
        _context: object,
        _many: bool,
    ) -> None:
        statements.append((statement, parameters))

    with app.app_context():
        connection = db.session.connection()
        event.listen(connection, "before_cursor_execute", note)
        for wanted in filters:
            reading.list_events(db.session, alice.organization, wanted)
        event.remove(connection, "before_cursor_execute", note)
        assert len(statements) == len(filters) + 2  # the days are looked up first
        for statement, parameters in statements:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            steps = " / ".join(step.detail for step in plan)
            assert "INDEX" in steps, statement
            assert "SCAN" not in steps, steps
            assert "TEMP B-TREE" not in steps, steps
