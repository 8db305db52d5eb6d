"""What tests of the pages look at behind the pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit.models import AuditEvent
from portal.extensions import db


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """A database session outside of requests."""
    with app.app_context():
        yield db.session()


@pytest.fixture
def files(app: Flask) -> Callable[[], list[Path]]:
    """All files of the photo store."""
    return lambda: [path for path in app.config["PORTAL"].photo_dir.rglob("*") if path.is_file()]


@pytest.fixture
def events(app: Flask) -> Callable[[str], list[AuditEvent]]:
    """The audit events of an action, oldest first."""

    def find(action: str) -> list[AuditEvent]:
        with app.app_context():
            mine = select(AuditEvent).where(AuditEvent.action == action).order_by(AuditEvent.id)
            return list(db.session.scalars(mine))

    return find
