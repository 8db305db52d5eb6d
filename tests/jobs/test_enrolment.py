"""Enrolment jobs: photos become faces with templates, all of them, once, and only as much as is needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, undefer

from jobs.faces.engine import FaceEngine
from jobs.faces.pipeline import FacePipeline, PhotoAnalysis
from portal.database import writing
from portal.organizations.models import Organization
from portal.photos.models import Face, GalleryRemoval, Photo
from portal.queues import enqueue_enrolment
from portal.work.models import WorkState
from tests.databases import on_both_databases
from tests.make.photos import mate, picture, six_people
from tests.run.workers import Worker
from tests.visitor import Visitor, enrol

MATES = [("Anna_Kournikova", 1), ("Anna_Kournikova", 2), ("Al_Sharpton", 1), ("Amelia_Vega", 1)]


def faces(session: Session) -> list[Face]:
    session.rollback()
    return list(session.scalars(select(Face).options(undefer(Face.template)).order_by(Face.id)))


@on_both_databases
def test_what_is_stored_is_what_the_pipeline_found(
    worker: Worker, bob: Visitor, session: Session, lfw: Path, face_engine: FaceEngine
) -> None:
    content = six_people()
    person = enrol(bob, "Six", "S1", content)
    worker.work()
    (expected,) = FacePipeline(face_engine).analyse([content])
    assert isinstance(expected, PhotoAnalysis)
    photo = session.scalars(select(Photo)).one()
    assert (photo.media_format, photo.width, photo.height) == ("JPEG", 1280, 886)
    assert (photo.state, photo.attempts, photo.claimed_by, photo.reason) == ("done", 1, None, None)
    assert photo.finished_at is not None
    found = faces(session)
    assert len(found) == len(expected.faces) == 6
    for face, wanted in zip(found, expected.faces, strict=True):
        assert (face.photo_id, face.person_id) == (photo.id, person)
        np.testing.assert_allclose(face.box, wanted.box, atol=0.01)
        np.testing.assert_allclose(face.landmarks, wanted.landmarks, atol=0.001)
        assert face.detection_score == pytest.approx(wanted.detection_score, abs=1e-4)
        assert face.quality == wanted.quality.as_dict()
    # Only the face that stands for the person has a template, and is in the gallery.
    (main,) = [face for face in found if face.template is not None]
    assert main.id == photo.main_face_id
    assert [face.id for face in found if face.gallery_version is not None] == [main.id]
    stored, wanted_template = (
        np.frombuffer(main.template or b"", "<f4"),
        expected.faces[expected.main or 0].template,
    )
    assert wanted_template is not None
    assert len(stored) == face_engine.dimension
    assert float(np.linalg.norm(stored)) == pytest.approx(1, abs=1e-5)
    assert float(stored @ wanted_template) > 0.9999


@on_both_databases
def test_every_photo_of_every_organization_is_done_in_batches(
    worker: Worker,
    bob: Visitor,
    charlie: Visitor,
    session: Session,
    lfw: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jobs.enrolment.CLAIMED_PHOTOS", 3)
    for visitor in (bob, charlie):
        for number, (name, photo) in enumerate(MATES):
            enrol(visitor, name, f"{number}", mate(lfw, name, photo), picture(number))
    jobs = worker.work()
    assert jobs.count("jobs.enrolment.process_photos") == 6  # eight photos in threes, of two organizations
    session.rollback()
    rows = session.execute(
        select(Photo.organization_id, Photo.state, Photo.attempts, func.count())
        .group_by(Photo.organization_id, Photo.state, Photo.attempts)
        .order_by(Photo.organization_id, Photo.state)
    ).all()
    assert [tuple(row) for row in rows] == [
        (visitor.organization.id, state, 1, 4) for visitor in (bob, charlie) for state in ("done", "failed")
    ]
    found = faces(session)
    assert len(found) == len({(face.organization_id, face.photo_id) for face in found}) == 8


def test_organizations_take_turns(
    worker: Worker, bob: Visitor, charlie: Visitor, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.enrolment.CLAIMED_PHOTOS", 2)
    enrol(bob, "Anna", "A1", *(picture(number) for number in range(6)))
    enrol(charlie, "Anna", "A1", picture(1))
    worker.work(jobs=2)
    waiting = session.execute(
        select(Photo.organization_id, func.count())
        .where(Photo.state == WorkState.QUEUED)
        .group_by(Photo.organization_id)
    ).all()
    assert [tuple(row) for row in waiting] == [(bob.organization.id, 4)]


@on_both_databases
def test_doing_it_twice_changes_nothing(
    worker: Worker, bob: Visitor, session: Session, clinic: Organization
) -> None:
    enrol(bob, "Six", "S1", six_people())
    worker.work()
    before = [(face.box, face.detection_score, face.template) for face in faces(session)]
    gallery = worker.process.galleries.open(session, clinic.id)
    (old,) = [face.id for face in faces(session) if face.gallery_version is not None]
    with writing(session):
        session.execute(update(Photo).values(state=WorkState.QUEUED, main_face_id=None))
    with worker.app.app_context():
        enqueue_enrolment(clinic.id)
    worker.work()
    assert [(face.box, face.detection_score, face.template) for face in faces(session)] == before
    assert session.scalars(select(GalleryRemoval.face_id)).all() == [old]
    gallery = worker.process.galleries.open(session, clinic.id)
    assert (len(gallery), gallery.people) == (1, 1)


def test_a_message_too_many_does_nothing(worker: Worker, bob: Visitor, session: Session) -> None:
    enrol(bob, "Six", "S1", six_people())
    worker.work()
    before = [(face.id, face.gallery_version) for face in faces(session)]
    with worker.app.app_context():
        enqueue_enrolment(bob.organization.id)
    assert worker.work() == ["jobs.enrolment.process_photos"]
    assert [(face.id, face.gallery_version) for face in faces(session)] == before
