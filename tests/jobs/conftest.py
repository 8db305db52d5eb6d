"""What tests of jobs look at behind the jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from jobs.faces.engine import FaceEngine
from portal.extensions import db
from tests.run.workers import Worker


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """A database session outside of jobs and requests."""
    with app.app_context():
        yield db.session()


@pytest.fixture
def new_worker(app: Flask, face_engine: FaceEngine) -> Callable[[], Worker]:
    """A maker of further workers."""
    return lambda: Worker(app, face_engine)
