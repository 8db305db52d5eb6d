"""People of whom much is known, and two organizations that have them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.faces.engine import FaceEngine
from jobs.faces.pipeline import FacePipeline, PhotoAnalysis
from portal.calibration.models import Calibration
from portal.organizations.models import Organization
from tests.make.people import People, enrol_templates
from tests.run.workers import Worker, sweep

PEOPLE = 120
# How many of them have a second photo.
TWICE = 20


@pytest.fixture(scope="session")
def real_people(face_engine: FaceEngine, lfw: Path) -> People:
    """Real templates of LFW: 120 people, 20 of them with two photos."""
    folders = sorted(folder for folder in lfw.iterdir() if folder.is_dir())
    photos = {folder.name: sorted(folder.glob("*.jpg")) for folder in folders}
    twice = [name for name in photos if len(photos[name]) > 1][:TWICE]
    once = [name for name in photos if name not in twice][: PEOPLE - TWICE]
    paths = [path for name in twice for path in photos[name][:2]] + [photos[name][0] for name in once]
    pipeline = FacePipeline(face_engine)
    people: People = {}
    for start in range(0, len(paths), 16):
        part = paths[start : start + 16]
        for path, photo in zip(part, pipeline.analyse([path.read_bytes() for path in part]), strict=True):
            assert isinstance(photo, PhotoAnalysis)
            assert photo.main is not None
            template = photo.faces[photo.main].template
            assert template is not None
            people.setdefault(path.parent.name, []).append(template)
    return people


@pytest.fixture
def clinic(session: Session, clinic: Organization) -> Organization:
    """The clinic, in the session of the test."""
    return session.get_one(Organization, clinic.id)


@pytest.fixture
def school(session: Session, school: Organization) -> Organization:
    """The school, in the session of the test."""
    session.rollback()
    return session.get_one(Organization, school.id)


@pytest.fixture
def some(worker: Worker, session: Session, clinic: Organization) -> Callable[..., list[int]]:
    """Enrol so many people who are like nobody else, each with so many photos; returns their ids."""
    random, dimension = np.random.default_rng(3), worker.process.pipeline.engine.dimension

    def enrol_some(prefix: str, count: int, photos: int = 1) -> list[int]:
        templates = random.normal(size=(count, photos, dimension)).astype(np.float32)
        templates /= np.linalg.norm(templates, axis=2, keepdims=True)
        people = {f"{prefix}{n}": list(one) for n, one in enumerate(templates)}
        return list(enrol_templates(session, clinic, people).values())

    return enrol_some


@pytest.fixture
def calibrations(app: Flask, worker: Worker, session: Session) -> Callable[[], int]:
    """Let the workers do what is due, and count the calibrations."""

    def count() -> int:
        for _ in range(2):  # people are compared first
            sweep(app)
            worker.work()
        session.rollback()
        return len(session.scalars(select(Calibration)).all())

    return count
