"""Calibration jobs: what is measured on real people, kept between slices, and asked for again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from numpy.typing import NDArray
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from jobs import calibration as job
from jobs.faces.engine import FaceEngine
from jobs.faces.pipeline import FacePipeline, PhotoAnalysis
from portal.calibration.choosing import Purpose, choose_threshold
from portal.calibration.curves import price_of
from portal.calibration.models import Calibration
from portal.calibration.services import (
    BY_ITSELF,
    PEOPLE_NEEDED,
    CalibrationError,
    current,
    curves_of,
    request_calibration,
    thresholds_of,
)
from portal.calibration.work import known_mates, undecided_pairs
from portal.database import writing
from portal.duplicates.models import DuplicatePair, PairStatus
from portal.enrolment.models import Face, WorkState
from portal.organizations.models import Organization
from portal.search.models import ProbeFace
from tests.photos import mate
from tests.rows import SOMEBODY, add_person
from tests.support import Visitor, enrol, on_both_databases, search
from tests.templates import People, enrol_templates
from tests.workers import Worker, sweep

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
    pipeline, people = FacePipeline(face_engine), {}
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


def measured(session: Session, organization: Organization) -> Calibration:
    session.rollback()
    calibration = current(session, organization)
    assert calibration is not None
    return calibration


def highest_non_mated(people: People) -> NDArray[np.float64]:
    """By plain comparison: of each person's first photo, the highest score with somebody else's photo."""
    firsts = np.array([templates[0] for templates in people.values()])
    everything = np.concatenate(list(people.values()))
    owners = np.repeat(np.arange(len(people)), [len(templates) for templates in people.values()])
    scores = firsts @ everything.T
    scores[owners[None] == np.arange(len(people))[:, None]] = -2
    return scores.max(axis=1).astype(np.float64)


@on_both_databases
def test_the_rates_are_those_that_a_plain_comparison_counts(
    app: Flask, worker: Worker, session: Session, clinic: Organization, real_people: People
) -> None:
    enrol_templates(session, clinic, real_people)
    request_calibration(session, clinic, SOMEBODY)
    worker.work()
    calibration = measured(session, clinic)
    assert (calibration.gallery_people, calibration.sampled_people) == (PEOPLE, PEOPLE)
    assert (calibration.mated_people, calibration.mated_photos) == (TWICE, 2 * TWICE)
    curves = curves_of(calibration)
    assert curves is not None
    highest = highest_non_mated(real_people)
    assert sum(curves["non_mated"]["counts"]) == PEOPLE
    # Below the tail rates are counted, so they are exactly those of the plain comparison.
    for place in (0, 20, 40):
        score = curves["thresholds"][place]
        if score < curves["tail_from"]:
            assert curves["fpir"]["value"][place] == pytest.approx((highest >= score).mean(), abs=0.01)
    # mbf, 120 people: nobody is as much like somebody else as 0.6, and nearly everybody like themselves.
    price = price_of(curves, 0.45)
    assert price.fnir is not None
    assert price.fpir.value < 0.05 < price.fpir.high + 0.05
    assert price.fnir.value < 0.2
    assert price_of(curves, 0.25).fpir.value > 0.5


@pytest.mark.parametrize(("status", "same_photo"), [(PairStatus.DUPLICATE, False), (PairStatus.OPEN, True)])
def test_who_is_known_to_be_one_person_does_not_count_as_somebody_else(
    worker: Worker,
    session: Session,
    clinic: Organization,
    real_people: People,
    status: PairStatus,
    same_photo: bool,
) -> None:
    ids = enrol_templates(session, clinic, real_people)
    # The second photo of one person was enrolled as somebody else.
    name = next(name for name, templates in real_people.items() if len(templates) == 2)
    twin = enrol_templates(session, clinic, {"twin": [real_people[name][1]]})["twin"]
    score = float(real_people[name][0] @ real_people[name][1])
    request_calibration(session, clinic, SOMEBODY)
    worker.work()
    curves = curves_of(measured(session, clinic))
    assert curves is not None
    # They and their twin have the highest non-mated score by far: it can't be ruled out that many do.
    assert price_of(curves, score - 0.05).fpir.high > 2 / PEOPLE

    model = measured(session, clinic).face_model_id
    with writing(session):
        session.add(
            DuplicatePair(
                organization_id=clinic.id,
                a_id=ids[name],
                b_id=twin,
                score=score,
                face_model_id=model,
                threshold=0.4,
                status=status,
                same_photo=same_photo,
            )
        )
    request_calibration(session, clinic, SOMEBODY)
    worker.work()
    decided = curves_of(measured(session, clinic))
    assert decided is not None
    assert price_of(decided, score - 0.05).fpir.high < 1 / PEOPLE
    assert measured(session, clinic).undecided_pairs == 0


def test_one_person_enrolled_thrice(
    worker: Worker, session: Session, clinic: Organization, school: Organization
) -> None:
    ids = [add_person(session, clinic, f"P{number}").id for number in range(5)]
    model = worker.process.face_model_id
    with writing(session):
        for a, b, status in (
            (0, 1, PairStatus.DUPLICATE),
            (1, 2, PairStatus.DUPLICATE),
            (2, 3, PairStatus.DISTINCT),
            (3, 4, PairStatus.OPEN),
        ):
            session.add(
                DuplicatePair(
                    organization_id=clinic.id,
                    a_id=ids[a],
                    b_id=ids[b],
                    score=0.6,
                    face_model_id=model,
                    threshold=0.4,
                    status=status,
                )
            )
    assert known_mates(session, clinic.id) == {
        ids[0]: {ids[1], ids[2]},
        ids[1]: {ids[0], ids[2]},
        ids[2]: {ids[0], ids[1]},
    }
    assert undecided_pairs(session, clinic.id) == 1
    assert known_mates(session, school.id) == {}
    assert undecided_pairs(session, school.id) == 0


def test_of_many_people_some_are_drawn_and_always_the_same(
    worker: Worker,
    session: Session,
    clinic: Organization,
    real_people: People,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job, "SAMPLED_PEOPLE", PEOPLE - 10)
    enrol_templates(session, clinic, real_people)
    request_calibration(session, clinic, SOMEBODY)
    worker.work()
    first = measured(session, clinic)
    assert (first.gallery_people, first.sampled_people) == (PEOPLE, PEOPLE - 10)
    request_calibration(session, clinic, SOMEBODY)
    worker.work()
    assert measured(session, clinic).id != first.id
    assert measured(session, clinic).curves == first.curves


def test_a_measurement_makes_way_and_goes_on_where_it_was(
    worker: Worker,
    session: Session,
    clinic: Organization,
    real_people: People,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enrol_templates(session, clinic, real_people)
    request_calibration(session, clinic, SOMEBODY)
    worker.work()
    whole = measured(session, clinic).curves
    monkeypatch.setattr(job.Slice, "is_over", lambda _: True)
    again = request_calibration(session, clinic, SOMEBODY)
    assert worker.work(jobs=1) == ["jobs.calibration.measure"]
    session.refresh(again)
    assert again.state == WorkState.QUEUED
    assert again.attempts == 0
    assert again.collected is not None
    assert 0 < len(again.collected["scores"]) < PEOPLE
    assert worker.work() == ["jobs.calibration.measure"] * 4
    assert measured(session, clinic).id == again.id
    assert measured(session, clinic).collected is None
    # The same people give the same numbers, in one go or in five.
    assert measured(session, clinic).curves == whole


def test_it_is_measured_by_itself_with_enough_people_and_when_they_have_doubled(
    app: Flask, worker: Worker, session: Session, clinic: Organization
) -> None:
    random = np.random.default_rng(3)

    def some(prefix: str, count: int) -> None:
        dimension = worker.process.pipeline.engine.dimension
        templates = random.normal(size=(count, 1, dimension)).astype(np.float32)
        templates /= np.linalg.norm(templates, axis=2, keepdims=True)
        enrol_templates(session, clinic, {f"{prefix}{n}": list(one) for n, one in enumerate(templates)})

    def measurements() -> int:
        sweep(app)
        worker.work()
        session.rollback()
        return len(session.scalars(select(Calibration)).all())

    some("a", PEOPLE_NEEDED - 1)
    assert measurements() == 0
    with pytest.raises(CalibrationError, match="99 of 100"):
        request_calibration(session, clinic, SOMEBODY)
    some("b", 1)
    assert measurements() == 1
    assert thresholds_of(session, clinic).calibrated  # type: ignore[union-attr]
    some("c", PEOPLE_NEEDED - 1)
    assert measurements() == 1
    some("d", 1)
    assert measurements() == 2
    assert measurements() == 2


def test_a_measurement_whose_worker_died_is_done_by_another(
    app: Flask,
    worker: Worker,
    face_engine: FaceEngine,
    session: Session,
    clinic: Organization,
    real_people: People,
) -> None:
    enrol_templates(session, clinic, real_people)
    asked = request_calibration(session, clinic, SOMEBODY)
    with pytest.raises(CalibrationError, match="under way"):
        request_calibration(session, clinic, BY_ITSELF)
    with writing(session):
        session.execute(
            update(Calibration).values(state=WorkState.RUNNING, claimed_by=worker.name, attempts=1)
        )
    worker.lose()
    Worker(app, face_engine).work()
    assert measured(session, clinic).id == asked.id


def test_too_few_people_are_left_when_it_is_measured(
    worker: Worker, session: Session, clinic: Organization, real_people: People
) -> None:
    ids = enrol_templates(session, clinic, real_people)
    asked = request_calibration(session, clinic, SOMEBODY)
    with writing(session):
        session.execute(
            update(Face).where(Face.person_id.in_(list(ids.values())[:50])).values(gallery_version=None)
        )
    worker.work()
    session.refresh(asked)
    assert (asked.state, asked.reason, asked.gallery_people) == (
        WorkState.FAILED,
        "too_few_people",
        PEOPLE - 50,
    )
    assert current(session, clinic) is None


@on_both_databases
def test_a_search_is_judged_by_the_threshold_of_its_organization(
    worker: Worker, session: Session, clinic: Organization, bob: Visitor, lfw: Path
) -> None:
    enrol(bob, "Anna", "A1", mate(lfw, "Anna_Kournikova", 1))
    worker.work()

    def matches() -> tuple[float | None, list[str]]:
        search_id = search(bob, mate(lfw, "Anna_Kournikova", 2))
        worker.work()
        bob.get(f"/search/{search_id}")
        session.rollback()
        probe = session.scalars(select(ProbeFace).where(ProbeFace.search_id == search_id)).one()
        return probe.threshold, [str(one["data-match"]) for one in bob.page.select("[data-candidate]")]

    card = thresholds_of(session, clinic)
    assert card is not None
    assert matches() == (card.search, ["true"])
    choose_threshold(session, clinic, SOMEBODY, Purpose.DUPLICATES, 0.98)
    assert matches() == (card.search, ["true"])
    choose_threshold(session, clinic, SOMEBODY, Purpose.SEARCH, 0.97)
    assert matches() == (0.97, ["false"])


def test_measuring_says_nothing_about_another_organization(
    worker: Worker, session: Session, clinic: Organization, school: Organization, real_people: People
) -> None:
    enrol_templates(session, clinic, real_people)
    enrol_templates(
        session, school, {name: templates[:1] for name, templates in list(real_people.items())[:50]}
    )
    request_calibration(session, clinic, SOMEBODY)
    worker.work()
    assert measured(session, clinic).gallery_people == PEOPLE
    assert current(session, school) is None
    with pytest.raises(CalibrationError, match="50 of 100"):
        request_calibration(session, school, SOMEBODY)
