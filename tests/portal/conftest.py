"""People, browsers and rows that tests of the web tier share."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from portal.accounts.models import Role, User
from portal.accounts.services import create_user
from portal.audit.models import AuditEvent
from portal.audit.services import Actor
from portal.extensions import db
from portal.organizations.models import Organization
from portal.organizations.services import create_organization
from portal.pairs.models import DuplicatePair
from portal.people.models import Person
from portal.photos.models import Photo
from portal.queues import INTERACTIVE, connect, queue
from tests.make.pairs import add_pair
from tests.make.people import add_person, add_photo
from tests.run.workers import Worker
from tests.visitor import PASSWORD, Visitor
from tests.waiting import wait_until


@pytest.fixture
def events(app: Flask) -> Callable[[str], list[AuditEvent]]:
    """The audit events of an action, oldest first."""

    def find(action: str) -> list[AuditEvent]:
        with app.app_context():
            mine = select(AuditEvent).where(AuditEvent.action == action).order_by(AuditEvent.id)
            return list(db.session.scalars(mine))

    return find


Enrolled = Callable[[str], Photo]
Paired = Callable[..., DuplicatePair]
Answered = Callable[[Callable[[], TestResponse]], TestResponse]


@pytest.fixture
def enrolled(session: Session, clinic: Organization) -> Enrolled:
    """Enrol someone of the clinic with one photo; the name is the external id, too."""
    shades = count(1)

    def enrol(name: str) -> Photo:
        return add_photo(session, add_person(session, clinic, name, name), shade=next(shades))

    return enrol


@pytest.fixture
def paired(session: Session, enrolled: Enrolled) -> Paired:
    """Two new people of the clinic who look alike."""

    def pair(one: str, other: str, score: float = 0.6) -> DuplicatePair:
        return add_pair(session, enrolled(one), enrolled(other), score)

    return pair


@pytest.fixture
def browser(app: Flask) -> Visitor:
    """Nobody yet, at a network address of their own."""
    return Visitor(app)


@pytest.fixture
def other_browser(app: Flask) -> Visitor:
    return Visitor(app)


@pytest.fixture
def maria(app: Flask) -> User:
    """An operator of "Harbour Shelter" with the password PASSWORD, signed in nowhere."""
    with app.app_context():
        actor = Actor(None, "portal command")
        organization = create_organization(db.session, actor, "Harbour Shelter")
        return create_user(db.session, actor, "maria@harbour.example", PASSWORD, organization, Role.OPERATOR)


@pytest.fixture
def anna(session: Session, clinic: Organization) -> Person:
    """Someone with two photos, of which the second is Anne's first."""
    person = add_person(session, clinic, "A1", "Anna Bell")
    add_photo(session, person, shade=1)
    add_photo(session, person, shade=2, faces=2)
    return person


@pytest.fixture
def anne(session: Session, clinic: Organization) -> Person:
    """The same, enrolled once more: with a photo that Anna has, one of her own, and one without a face."""
    person = add_person(session, clinic, "B1", "Anne Ball")
    add_photo(session, person, shade=2, faces=2)
    add_photo(session, person, shade=3)
    add_photo(session, person, shade=4, faces=0)
    return person


@pytest.fixture
def answered(app: Flask, worker: Worker) -> Answered:
    """Send a request that is waited for, while a worker works."""
    interactive = queue(INTERACTIVE, connect(app.config["PORTAL"].redis_url))

    def answer(request: Callable[[], TestResponse]) -> TestResponse:
        with ThreadPoolExecutor(1) as elsewhere:
            sent = elsewhere.submit(request)
            wait_until(lambda: sent.done() or interactive.count, "the message for the worker")
            worker.work()
            return sent.result()

    return answer
