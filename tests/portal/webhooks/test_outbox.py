"""What is written when something happens: with the act or not at all, and nothing where nobody listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.orm import Session

from portal.database import writing
from portal.extensions import db
from portal.locks import lock
from portal.organizations.models import Organization
from portal.waiting import DELIVERIES
from portal.webhooks import services
from portal.webhooks.models import Event
from portal.webhooks.outbox import emit
from tests.databases import on_both_databases, on_postgresql
from tests.make.people import TESTER
from tests.make.webhooks import add_endpoint, deliveries, happen, rules, written


@contextmanager
def statements() -> Iterator[list[str]]:
    """The statements that the database is sent in the block."""
    sent: list[str] = []

    def note(connection: object, cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    sqlalchemy_event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sqlalchemy_event.remove(db.engine, "before_cursor_execute", note)


@pytest.fixture
def messages(app: Flask) -> Iterator[Callable[[], int]]:
    """How many messages woke those who deliver, since it was asked the last time."""
    with Redis.from_url(app.config["PORTAL"].redis_url) as connection, connection.pubsub() as heard:
        heard.subscribe(DELIVERIES)
        assert heard.get_message(timeout=5)["type"] == "subscribe"

        def count() -> int:
            found = 0
            while heard.get_message(timeout=0.1) is not None:
                found += 1
            return found

        yield count


@on_both_databases
def test_an_organization_without_endpoints_pays_one_look(
    session: Session, clinic: Organization, school: Organization
) -> None:
    add_endpoint(session, school)
    with writing(session), statements() as sent:
        emit(session, clinic.id, Event.SEARCH_DONE, [{"search_id": n, "state": "done"} for n in range(100)])
        emit(session, clinic.id, Event.PHOTO_FAILED, [])
    assert len(sent) == 1
    assert written(session) == []


@on_both_databases
def test_many_at_once_are_as_few_statements_as_one(session: Session, clinic: Organization) -> None:
    endpoint = add_endpoint(session, clinic)
    counts = []
    for numbers in (range(1), range(1, 101)):
        with statements() as sent:
            happen(session, clinic, *numbers)
        counts.append(len([one for one in sent if one.startswith(("SELECT", "INSERT"))]))
    assert counts[0] == counts[1] <= 3
    assert [data["search_id"] for _, data in written(session)] == list(range(101))
    assert [one.event.data["search_id"] for one in deliveries(session, endpoint)] == list(range(101))
    assert len({one.event.message_id for one in deliveries(session, endpoint)}) == 101


def test_an_act_that_fails_has_not_happened(
    session: Session, clinic: Organization, messages: Callable[[], int]
) -> None:
    add_endpoint(session, clinic)

    def fail() -> None:
        with writing(session):
            emit(session, clinic.id, Event.SEARCH_DONE, [{"search_id": 1, "state": "done"}])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert written(session) == []
    assert messages() == 0
    with writing(session):
        for number in (1, 2):
            emit(session, clinic.id, Event.SEARCH_DONE, [{"search_id": number, "state": "done"}])
        assert messages() == 0
    assert messages() == 1


def test_each_endpoint_hears_what_it_chose(
    session: Session, clinic: Organization, school: Organization
) -> None:
    every = add_endpoint(session, clinic)
    photos = add_endpoint(session, clinic, "https://other.example/", [Event.PHOTO_FAILED])
    elsewhere = add_endpoint(session, school)
    happen(session, clinic, 1)
    assert [len(deliveries(session, one)) for one in (every, photos, elsewhere)] == [1, 0, 0]


def test_one_that_is_off_keeps_what_happens_and_one_that_is_deleted_does_not(
    session: Session, clinic: Organization
) -> None:
    off, deleted = add_endpoint(session, clinic), add_endpoint(session, clinic, "https://other.example/")
    happen(session, clinic, 1)
    services.switch_off(session, TESTER, off.row)
    services.delete_endpoint(session, TESTER, deleted.row)
    happen(session, clinic, 2)
    assert [len(deliveries(session, one)) for one in (off, deleted)] == [2, 0]
    assert services.list_endpoints(session, clinic) == [off.row]
    # The address is free again.
    services.create_endpoint(session, clinic, TESTER, rules(), "https://other.example/", [Event.BATCH_DONE])


@on_postgresql
def test_who_enrols_does_not_wait_for_an_admin_at_the_endpoint(
    app: Flask, session: Session, clinic: Organization
) -> None:
    endpoint = add_endpoint(session, clinic)

    def meanwhile() -> None:
        with app.app_context():
            happen(db.session(), clinic, 1)

    with ThreadPoolExecutor(1) as pool, writing(session):
        lock(session, endpoint.row, key_share=True)
        pool.submit(meanwhile).result(timeout=60)
    assert len(deliveries(session, endpoint)) == 1
