"""When people are measured: by itself, again, in parts, and whoever is lost meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from jobs.faces.engine import FaceEngine
from jobs.slices import Slice
from portal.calibration.models import Calibration
from portal.calibration.services import (
    BY_ITSELF,
    PEOPLE_NEEDED,
    CalibrationError,
    current,
    request_calibration,
)
from portal.database import writing
from portal.organizations.models import Organization
from portal.photos.services import delete_photos_of
from portal.removal.services import delete_rows
from portal.work.models import WorkState
from tests.jobs.calibration.conftest import PEOPLE
from tests.make.calibrations import measured
from tests.make.people import TESTER, People, enrol_templates
from tests.run.workers import Worker, sweep


def test_a_measurement_makes_way_and_goes_on_where_it_was(
    worker: Worker,
    session: Session,
    clinic: Organization,
    real_people: People,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enrol_templates(session, clinic, real_people)
    request_calibration(session, clinic, TESTER)
    worker.work()
    whole = measured(session, clinic).curves
    monkeypatch.setattr(Slice, "is_over", lambda _: True)
    again = request_calibration(session, clinic, TESTER)
    assert worker.work(jobs=1) == ["jobs.calibration.measure"]
    session.refresh(again)
    assert again.state == WorkState.QUEUED
    assert again.attempts == 0
    assert again.collected is not None
    assert 0 < len(again.collected["highest"]) < PEOPLE
    assert set(worker.work()) == {"jobs.calibration.measure"}
    assert measured(session, clinic).id == again.id
    assert measured(session, clinic).collected is None
    # The same people give the same numbers, in one go or in five.
    assert measured(session, clinic).curves == whole


def test_a_measurement_begins_anew_when_its_gallery_has_become_another(
    worker: Worker,
    session: Session,
    clinic: Organization,
    some: Callable[..., list[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    some("a", PEOPLE)
    monkeypatch.setattr(Slice, "is_over", lambda _: True)
    request_calibration(session, clinic, TESTER)
    assert worker.work(jobs=1) == ["jobs.calibration.measure"]
    some("b", PEOPLE // 4)
    worker.work()
    calibration = measured(session, clinic)
    assert (calibration.gallery_people, calibration.sampled_people) == (PEOPLE * 5 // 4, PEOPLE * 5 // 4)


def test_it_is_measured_by_itself_with_enough_people_and_when_they_have_doubled(
    session: Session,
    clinic: Organization,
    some: Callable[..., list[int]],
    calibrations: Callable[[], int],
) -> None:
    some("a", PEOPLE_NEEDED - 1)
    assert calibrations() == 0
    with pytest.raises(CalibrationError, match="99 of 100"):
        request_calibration(session, clinic, TESTER)
    some("b", 1)
    assert calibrations() == 1
    assert current(session, clinic) is not None
    some("c", PEOPLE_NEEDED - 1)
    assert calibrations() == 1
    some("d", 1)
    assert calibrations() == 2
    assert calibrations() == 2


def test_it_is_measured_again_with_twice_the_photos_and_with_half_the_people(
    app: Flask,
    session: Session,
    clinic: Organization,
    some: Callable[..., list[int]],
    calibrations: Callable[[], int],
) -> None:
    many = some("a", 2 * PEOPLE_NEEDED)
    assert calibrations() == 1
    some("b", PEOPLE_NEEDED // 2, photos=4)
    assert calibrations() == 2

    def delete(people: list[int]) -> None:
        # As everywhere, but that they have no files.
        with writing(session):
            delete_photos_of(session, clinic, people)
            delete_rows(session, clinic, people)

    delete(many[: PEOPLE_NEEDED // 4])
    assert calibrations() == 2
    delete(many[PEOPLE_NEEDED // 4 : 3 * PEOPLE_NEEDED // 2])
    assert calibrations() == 3
    assert calibrations() == 3
    assert measured(session, clinic).gallery_people == PEOPLE_NEEDED


def test_it_is_not_measured_by_itself_before_everybody_was_compared(
    app: Flask, worker: Worker, session: Session, clinic: Organization, some: Callable[..., list[int]]
) -> None:
    some("a", PEOPLE_NEEDED)
    sweep(app)
    session.rollback()
    assert session.scalars(select(Calibration)).all() == []
    worker.work()
    sweep(app)
    session.rollback()
    assert len(session.scalars(select(Calibration)).all()) == 1


def test_a_measurement_whose_worker_died_is_done_by_another(
    app: Flask,
    worker: Worker,
    face_engine: FaceEngine,
    session: Session,
    clinic: Organization,
    real_people: People,
) -> None:
    enrol_templates(session, clinic, real_people)
    asked = request_calibration(session, clinic, TESTER)
    with pytest.raises(CalibrationError, match="under way"):
        request_calibration(session, clinic, BY_ITSELF)
    with writing(session):
        session.execute(
            update(Calibration).values(state=WorkState.RUNNING, claimed_by=worker.name, attempts=1)
        )
    worker.lose()
    Worker(app, face_engine).work()
    assert measured(session, clinic).id == asked.id
