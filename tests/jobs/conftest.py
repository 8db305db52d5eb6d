"""What tests of jobs look at behind the jobs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from portal.extensions import db


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """A database session outside of jobs and requests."""
    with app.app_context():
        yield db.session()
