"""What is asked often, or of a million pairs, finds its rows by an index and does not walk through all.

By SQLite's own plans: it knows nothing of how many rows there are, as in a portal that began yesterday.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import event
from sqlalchemy.orm import Session

from portal.audit.services import Actor
from portal.calibration.bands import UNCALIBRATED
from portal.database import writing
from portal.duplicates import handing_out, pairs
from portal.duplicates.pairs import Filter
from portal.duplicates.report import report_lines
from portal.extensions import db
from portal.organizations.models import Organization
from portal.pairs import finding, groups, remeasuring
from portal.pairs.finding import FoundPair
from portal.pairs.models import DuplicatePair
from portal.people.models import Person
from tests.make.face_models import THRESHOLD
from tests.make.pairs import add_pair
from tests.make.people import add_person, add_photo
from tests.visitor import Visitor

WALKS = ("SCAN duplicate_pair", "(organization_id=?)", "USE TEMP B-TREE FOR ORDER BY")


@pytest.fixture
def found(app: Flask, clinic: Organization) -> list[DuplicatePair]:
    """Two pairs, as they are found again."""
    with app.app_context():
        one, *others = [
            add_photo(db.session(), add_person(db.session(), clinic, external_id))
            for external_id in ("A1", "B1", "C1")
        ]
        return [add_pair(db.session(), one, other) for other in others]


def plans(session: Session, act: Callable[[], object]) -> list[str]:
    """The steps of SQLite's plans for what `act` asks of pairs."""
    asked: list[tuple[str, tuple[object, ...]]] = []

    def take(
        _connection: object, _cursor: object, statement: str, values: tuple[object, ...], *_: object
    ) -> None:
        if "FROM duplicate_pair" in statement:
            asked.append((statement, values))

    event.listen(db.engine, "before_cursor_execute", take)
    try:
        act()
    finally:
        event.remove(db.engine, "before_cursor_execute", take)
    assert asked
    steps = []
    with db.engine.connect() as connection:
        for statement, values in asked:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            steps += [str(row.detail) for row in rows]
    return [step for step in steps if "duplicate_pair" in step or "ORDER BY" in step]


def walks(steps: list[str]) -> list[str]:
    return [step for step in steps if any(words in step for words in WALKS)]


@pytest.mark.parametrize("at", [None, datetime(2100, 1, 1, tzinfo=UTC)], ids=["now", "as of a day"])
def test_a_report(app: Flask, clinic: Organization, found: list[DuplicatePair], at: datetime | None) -> None:
    with app.app_context():
        session = db.session()
        lines = lambda: list(report_lines(session, clinic, Filter(None), UNCALIBRATED, at))  # noqa: E731
        assert walks(plans(session, lines)) == []


def test_what_a_pass_writes(app: Flask, clinic: Organization, found: list[DuplicatePair]) -> None:
    again = [FoundPair(pair.a_id, pair.b_id, pair.face_a_id or 0, pair.face_b_id or 0, 0.7) for pair in found]
    with app.app_context():
        session = db.session()

        def record() -> None:
            with writing(session):
                finding.record_found(session, clinic.id, again, THRESHOLD, found[0].face_model_id)
                groups.regroup(session, clinic.id, [found[0].a_id])
                remeasuring.stale_pairs(session, clinic.id, 0, 10)

        assert walks(plans(session, record)) == []


def test_what_pages_ask(app: Flask, clinic: Organization, bob: Visitor, found: list[DuplicatePair]) -> None:
    with app.app_context():
        session, actor = db.session(), Actor(bob.user.id, "bob")
        person = session.get_one(Person, found[0].a_id)
        for act in (
            lambda: pairs.count_to_decide(session, clinic),
            lambda: pairs.count_groups(session, clinic, 99),
            lambda: pairs.list_pairs(session, clinic, Filter()),
            lambda: handing_out.next_pair(session, clinic, actor),
            lambda: pairs.pairs_of_person(session, person),
        ):
            assert walks(plans(session, act)) == []
