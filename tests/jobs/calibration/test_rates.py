"""What a calibration says of real people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from numpy.typing import NDArray
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from jobs import calibration as job
from portal.calibration.choosing import Purpose, choose_threshold
from portal.calibration.curves import error_rates_at
from portal.calibration.services import (
    CalibrationError,
    current,
    curves_of,
    request_calibration,
)
from portal.calibration.work import known_mates, undecided_pairs
from portal.database import writing
from portal.installation.thresholds import thresholds_of
from portal.organizations.models import Organization
from portal.pairs.models import DuplicatePair, PairStatus
from portal.people.services import find_person
from portal.photos.models import Face, Photo
from portal.search.models import ProbeFace
from portal.work.models import WorkState
from tests.databases import on_both_databases
from tests.jobs.calibration.conftest import PEOPLE, TWICE
from tests.make.calibrations import measured
from tests.make.merges import merge_people
from tests.make.people import TESTER, People, add_person, enrol_templates
from tests.make.photos import mate
from tests.run.workers import Worker, sweep
from tests.visitor import Visitor, enrol, search


def highest_non_mated(people: People) -> NDArray[np.float64]:
    """By plain comparison: of each person's first photo, the highest score with someone else's photo."""
    firsts = np.array([templates[0] for templates in people.values()])
    everything = np.concatenate(list(people.values()))
    owners = np.repeat(np.arange(len(people)), [len(templates) for templates in people.values()])
    scores = firsts @ everything.T
    scores[owners[None] == np.arange(len(people))[:, None]] = -2
    highest: NDArray[np.float64] = scores.max(axis=1).astype(np.float64)
    return highest


@on_both_databases
def test_the_rates_are_those_that_a_plain_comparison_counts(
    app: Flask, worker: Worker, session: Session, clinic: Organization, real_people: People
) -> None:
    enrol_templates(session, clinic, real_people)
    request_calibration(session, clinic, TESTER)
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
        if (highest >= score).mean() > 0.5:
            assert curves["fpir"]["value"][place] == pytest.approx((highest >= score).mean(), abs=0.01)
    # mbf, 120 people: nobody is as much like someone else as 0.6, and nearly everybody like themselves.
    rates = error_rates_at(curves, 0.45)
    assert rates.fnir is not None
    assert rates.fpir.value < 0.05 < rates.fpir.high + 0.05
    assert rates.fnir.value < 0.2
    assert error_rates_at(curves, 0.25).fpir.value > 0.5


def test_false_pairs_are_told_by_all_photos_of_everybody(
    worker: Worker, session: Session, clinic: Organization
) -> None:
    random, dimension = np.random.default_rng(5), worker.process.pipeline.engine.dimension
    # As four unlike photos each: every two people have sixteen chances to be alike.
    vectors = random.normal(size=(300, 4, dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    enrol_templates(session, clinic, {f"P{n}": list(faces) for n, faces in enumerate(vectors)})
    request_calibration(session, clinic, TESTER)
    worker.work()
    curves = curves_of(measured(session, clinic))
    assert curves is not None
    flat = vectors.reshape(1200, dimension)
    between = (flat @ flat.T).reshape(300, 4, 300, 4).max(axis=(1, 3))
    pairs = between[np.triu_indices(300, 1)]
    score = float(np.sort(pairs)[-200])
    rates = error_rates_at(curves, score)
    assert not rates.more_false_pairs
    assert rates.false_pairs.value == pytest.approx(200, rel=0.1)
    # A search has one photo: it meets fewer of them.
    highest = (vectors[:, 0] @ flat.T).reshape(300, 300, 4).max(axis=2)
    np.fill_diagonal(highest, -1)
    assert rates.fpir.value == pytest.approx((highest.max(axis=1) >= score).mean(), rel=0.25)


def test_photos_that_a_merge_brought_together_do_not_say_who_is_missed(
    worker: Worker, session: Session, clinic: Organization, real_people: People
) -> None:
    ids = enrol_templates(session, clinic, real_people)
    names = [name for name, templates in real_people.items() if len(templates) == 1][:2]
    organization = session.get_one(Organization, clinic.id)
    kept, other = (find_person(session, organization, ids[name]) for name in names)
    assert kept
    assert other
    merge_people(session, organization, TESTER, kept, other, name=kept.name, external_id=kept.external_id)
    request_calibration(session, clinic, TESTER)
    worker.work()
    assert measured(session, clinic).mated_people == TWICE


@pytest.mark.parametrize("known_by", ["a decision", "the very same file"])
def test_who_is_known_to_be_one_person_does_not_count_as_somebody_else(
    worker: Worker,
    session: Session,
    clinic: Organization,
    real_people: People,
    known_by: str,
) -> None:
    ids = enrol_templates(session, clinic, real_people)
    # The second photo of one person was enrolled as someone else.
    name = next(name for name, templates in real_people.items() if len(templates) == 2)
    twin = enrol_templates(session, clinic, {"twin": [real_people[name][1]]})["twin"]
    score = float(real_people[name][0] @ real_people[name][1])
    request_calibration(session, clinic, TESTER)
    worker.work()
    curves = curves_of(measured(session, clinic))
    assert curves is not None
    # They and their twin have the highest non-mated score by far: it can't be ruled out that many do.
    assert error_rates_at(curves, score - 0.05).fpir.high > 2 / PEOPLE

    with writing(session):
        if known_by == "a decision":
            pair = DuplicatePair(
                organization_id=clinic.id,
                a_id=ids[name],
                b_id=twin,
                score=score,
                face_model_id=measured(session, clinic).face_model_id,
                threshold=0.4,
                status=PairStatus.DUPLICATE,
            )
            session.add(pair)
        else:
            first = session.scalars(select(Photo).where(Photo.person_id == ids[name])).first()
            copy = session.scalars(select(Photo).where(Photo.person_id == twin)).one()
            assert first
            copy.sha256 = first.sha256
    request_calibration(session, clinic, TESTER)
    worker.work()
    decided = curves_of(measured(session, clinic))
    assert decided is not None
    assert error_rates_at(decided, score - 0.05).fpir.high < 1 / PEOPLE
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
    request_calibration(session, clinic, TESTER)
    worker.work()
    first = measured(session, clinic)
    assert (first.gallery_people, first.sampled_people) == (PEOPLE, PEOPLE - 10)
    request_calibration(session, clinic, TESTER)
    worker.work()
    assert measured(session, clinic).id != first.id
    assert measured(session, clinic).curves == first.curves


def test_too_few_people_are_left_when_it_is_measured(
    app: Flask,
    worker: Worker,
    session: Session,
    clinic: Organization,
    real_people: People,
    some: Callable[..., list[int]],
    calibrations: Callable[[], int],
) -> None:
    ids = enrol_templates(session, clinic, real_people)
    asked = request_calibration(session, clinic, TESTER)
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
    # By itself only when there are enough, and twice as many.
    sweep(app)
    assert worker.work().count("jobs.calibration.measure") == 0
    some("more", PEOPLE)
    assert calibrations() == 2
    assert measured(session, clinic).gallery_people == 2 * PEOPLE - 50


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
    choose_threshold(session, clinic, TESTER, Purpose.DUPLICATES, 0.98)
    assert matches() == (card.search, ["true"])
    choose_threshold(session, clinic, TESTER, Purpose.SEARCH, 0.97)
    assert matches() == (0.97, ["false"])


def test_measuring_says_nothing_about_another_organization(
    worker: Worker, session: Session, clinic: Organization, school: Organization, real_people: People
) -> None:
    enrol_templates(session, clinic, real_people)
    enrol_templates(
        session, school, {name: templates[:1] for name, templates in list(real_people.items())[:50]}
    )
    request_calibration(session, clinic, TESTER)
    worker.work()
    assert measured(session, clinic).gallery_people == PEOPLE
    assert current(session, school) is None
    with pytest.raises(CalibrationError, match="50 of 100"):
        request_calibration(session, school, TESTER)
