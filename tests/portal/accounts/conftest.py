"""A user who is signed in nowhere, and visitors who are nobody yet."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select

from portal.accounts.models import Role, User
from portal.accounts.services import create_user
from portal.audit.models import AuditEvent
from portal.audit.services import Actor
from portal.extensions import db
from portal.organizations.services import create_organization
from tests.support import PASSWORD, Visitor


@pytest.fixture(autouse=True)
def cheap_passwords() -> None:
    """Here passwords are hashed as they are for staff."""


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
def events(app: Flask) -> Callable[[str], list[AuditEvent]]:
    """The audit events of an action, oldest first."""

    def find(action: str) -> list[AuditEvent]:
        with app.app_context():
            return list(
                db.session.scalars(
                    select(AuditEvent).where(AuditEvent.action == action).order_by(AuditEvent.id)
                )
            )

    return find
