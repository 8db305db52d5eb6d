"""A user who is signed in nowhere, and visitors who are nobody yet."""

from __future__ import annotations

import pytest
from flask import Flask

from portal.accounts.models import Role, User
from portal.accounts.services import create_user
from portal.audit.services import Actor
from portal.extensions import db
from portal.organizations.services import create_organization
from tests.support import PASSWORD, Visitor


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
