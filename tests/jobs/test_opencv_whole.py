"""The whole portal on YuNet and SFace: enrolment, search, duplicates, and what the scores mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.faces.engine import FaceEngine
from jobs.faces.pipeline import FacePipeline, PhotoAnalysis
from portal.calibration.services import current, request_calibration
from portal.organizations.models import Organization
from portal.pairs.models import DuplicatePair
from portal.people.models import Person
from portal.photos.models import Face, Photo
from portal.search.models import Candidate
from portal.work.models import WorkState
from tests.make.people import TESTER, enrol_templates
from tests.make.photos import mate, six_people
from tests.run.workers import Worker
from tests.visitor import Visitor, enrol, search

# A calibration needs a hundred people.
PEOPLE = 110


@pytest.fixture
def worker(app: Flask, opencv_engine: FaceEngine) -> Worker:
    return Worker(app, opencv_engine)


def test_enrolled_searched_and_found_twice(worker: Worker, bob: Visitor, session: Session, lfw: Path) -> None:
    enrol(bob, "Ai", "A1", mate(lfw, "Ai_Sugiyama", 1))
    enrol(bob, "Ai again", "A2", mate(lfw, "Ai_Sugiyama", 3))
    enrol(bob, "Ahmed", "C1", mate(lfw, "Ahmed_Chalabi", 1))
    group = enrol(bob, "Six", "S6", six_people())
    worker.work()
    assert set(session.scalars(select(Photo.state))) == {WorkState.DONE}
    assert session.scalar(select(func.count(Face.id)).where(Face.person_id == group)) == 6
    (pair,) = session.scalars(select(DuplicatePair)).all()
    assert {session.get_one(Person, one).external_id for one in (pair.a_id, pair.b_id)} == {"A1", "A2"}
    search(bob, mate(lfw, "Ahmed_Chalabi", 2))
    worker.work()
    session.rollback()
    first = session.scalars(select(Candidate).order_by(Candidate.rank)).first()
    assert first is not None
    assert session.get_one(Person, first.person_id).external_id == "C1"
    assert first.score >= worker.process.pipeline.engine.pack.card.threshold


def test_scores_are_calibrated(
    worker: Worker, session: Session, clinic: Organization, opencv_engine: FaceEngine, lfw: Path
) -> None:
    paths = [min(folder.glob("*.jpg")) for folder in sorted(lfw.iterdir())[:PEOPLE]]
    found = FacePipeline(opencv_engine).analyse([path.read_bytes() for path in paths])
    people = {}
    for path, photo in zip(paths, found, strict=True):
        assert isinstance(photo, PhotoAnalysis)
        assert photo.main is not None
        people[path.parent.name] = [np.asarray(photo.faces[photo.main].template)]
    organization = session.get_one(Organization, clinic.id)
    enrol_templates(session, organization, people)
    request_calibration(session, organization, TESTER)
    worker.work()
    session.rollback()
    calibration = current(session, organization)
    assert calibration is not None
    assert calibration.state == WorkState.DONE
    assert calibration.curves is not None
