"""Who was enrolled twice is found: as people arrive, and by comparing all with all."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from portal.database import now
from portal.duplicates import judging
from portal.extensions import db
from portal.organizations.models import Organization
from portal.pairs import finding, passes, scans
from portal.pairs.locking import DuplicatePass
from portal.pairs.models import DuplicatePair, DuplicateScan, OddPhoto, PairEvent, PairStatus
from portal.people.models import Person
from portal.photos.models import Photo
from portal.work.claims import MAX_ATTEMPTS
from tests.databases import on_both_databases
from tests.make.batches import drop
from tests.make.pairs import twins
from tests.make.people import TESTER
from tests.make.photos import mate
from tests.read.pairs import expected, recorded, same
from tests.run.killing import Killed
from tests.run.workers import Worker, sweep
from tests.visitor import Visitor, enrol, file

TWINS = 12

NewWorker = Callable[[], Worker]


def threshold(session: Session) -> float:
    """By what the pairs were found."""
    return session.scalars(select(DuplicatePair.threshold).limit(1)).one()


def only_pair(session: Session) -> DuplicatePair:
    session.rollback()
    session.expire_all()
    return session.scalars(select(DuplicatePair)).one()


def start(app: Flask, organization: Organization) -> int:
    with app.app_context():
        own = db.session()
        return scans.start_scan(own, own.get_one(Organization, organization.id), TESTER).id


def scan_of(session: Session, scan_id: int) -> DuplicateScan:
    session.rollback()
    session.expire_all()
    return session.get_one(DuplicateScan, scan_id)


@on_both_databases
def test_whoever_arrives_is_compared_with_everybody(
    worker: Worker, bob: Visitor, charlie: Visitor, session: Session, lfw: Path
) -> None:
    files = twins(lfw, TWINS)
    drop(charlie, files)
    shuffled = random.Random(3).sample(list(files.items()), len(files))
    for part in (shuffled[:1], shuffled[1:9], shuffled[9:]):
        drop(bob, dict(part))
        worker.work()
    for visitor in (bob, charlie):
        wanted = expected(session, visitor.organization.id, threshold(session))
        assert len(wanted) >= TWINS - 3
        assert same(recorded(session, visitor.organization.id), wanted)
    events = session.execute(select(PairEvent.pair_id, PairEvent.score).order_by(PairEvent.pair_id)).all()
    pairs = session.execute(select(DuplicatePair.id, DuplicatePair.score).order_by(DuplicatePair.id)).all()
    assert events == pairs


def test_workers_that_take_turns_miss_no_pair(
    new_worker: NewWorker, bob: Visitor, session: Session, lfw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.enrolment.CLAIMED_PHOTOS", 3)
    monkeypatch.setattr("jobs.duplicates.FACES_AT_ONCE", 2)
    drop(bob, twins(lfw, TWINS))
    workers = [new_worker() for _ in range(4)]
    chance = random.Random(4)
    while sum(len(chance.choice(workers).work(jobs=1)) for _ in range(8)):
        pass
    wanted = expected(session, bob.organization.id, threshold(session))
    assert same(recorded(session, bob.organization.id), wanted)


def test_a_pass_whose_worker_is_lost_goes_on(
    app: Flask,
    new_worker: NewWorker,
    bob: Visitor,
    session: Session,
    lfw: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jobs.enrolment.CLAIMED_PHOTOS", 1)
    monkeypatch.setattr("jobs.duplicates.FACES_AT_ONCE", 1)
    drop(bob, twins(lfw, 4))
    record = finding.record_found
    calls: list[tuple[Any, ...]] = []

    def record_or_die(*arguments: Any) -> int:
        calls.append(arguments)
        if len(calls) in {2, 4}:
            raise Killed
        return record(*arguments)

    monkeypatch.setattr(finding, "record_found", record_or_die)
    monkeypatch.setattr("jobs.job._give_back", nothing_given_back)
    for _ in range(2):
        lost = new_worker()
        with pytest.raises(Killed):
            lost.work()
        lost.lose()
    new_worker().work()
    wanted = expected(session, bob.organization.id, threshold(session))
    assert same(recorded(session, bob.organization.id), wanted)


def nothing_given_back(_: BaseException) -> None:
    """Whoever is killed gives nothing back."""


@pytest.mark.parametrize("error", [ValueError("broken"), IntegrityError("INSERT", {}, Exception("UNIQUE"))])
def test_a_pass_that_stops_its_worker_three_times_is_set_aside_and_said_so(
    app: Flask,
    worker: Worker,
    bob: Visitor,
    session: Session,
    lfw: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    def broken(*_: Any) -> int:
        raise error

    worker.failures_are_fine = True
    with monkeypatch.context() as patch:
        patch.setattr(finding, "record_found", broken)
        drop(bob, twins(lfw, 1))
        for _ in range(MAX_ATTEMPTS + 1):
            worker.work()
            sweep(app)
    assert passes.is_set_aside(session, bob.organization)
    assert len(worker.failures) == MAX_ATTEMPTS
    passes.retry_pass(session, session.get_one(Organization, bob.organization.id))
    worker.work()
    assert not passes.is_set_aside(session, bob.organization)
    assert only_pair(session).score > 0.4


def test_a_database_that_is_away_costs_a_pass_no_attempt(
    app: Flask, worker: Worker, bob: Visitor, session: Session, lfw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> int:
        raise OperationalError("INSERT", {}, Exception("server closed the connection unexpectedly"))

    worker.failures_are_fine = True
    with monkeypatch.context() as patch:
        patch.setattr(finding, "record_found", away)
        drop(bob, twins(lfw, 1))
        for _ in range(MAX_ATTEMPTS + 1):
            worker.work()
            sweep(app)
    assert len(worker.failures) > MAX_ATTEMPTS
    worker.work()
    assert only_pair(session).score > 0.4


def test_passes_that_redis_forgot_are_sent_again(
    app: Flask, worker: Worker, bob: Visitor, session: Session, lfw: Path
) -> None:
    drop(bob, twins(lfw, 1))
    worker.work(jobs=1)
    worker._connection.flushall()
    sweep(app)
    worker.work()
    assert only_pair(session).status == PairStatus.OPEN


def test_the_very_same_photo_is_said_to_be_that(
    worker: Worker, bob: Visitor, session: Session, lfw: Path
) -> None:
    enrol(bob, "One", "A1", mate(lfw, "Al_Sharpton"))
    enrol(bob, "Other", "B1", mate(lfw, "Al_Sharpton"))
    worker.work()
    pair = only_pair(session)
    assert pair.same_photo
    assert pair.score == pytest.approx(1)


def test_better_photos_raise_the_score_and_photos_that_go_lower_it(
    worker: Worker, bob: Visitor, session: Session, lfw: Path
) -> None:
    first = enrol(bob, "One", "A1", mate(lfw, "Al_Sharpton", 1))
    enrol(bob, "Other", "B1", mate(lfw, "Al_Sharpton", 2))
    worker.work()
    before = only_pair(session).score
    bob.post(f"/people/{first}/photos", {"photos": [file(mate(lfw, "Al_Sharpton", 2))]})
    worker.work()
    assert only_pair(session).score == pytest.approx(1)
    assert only_pair(session).same_photo
    same_one = session.scalars(select(Photo.id).where(Photo.person_id == first).order_by(Photo.id)).all()[1]
    bob.post(f"/photos/{same_one}/remove")
    sweep(worker.app)
    worker.work()
    pair = only_pair(session)
    assert pair.score == pytest.approx(before)
    assert not pair.same_photo
    kinds = session.scalars(select(PairEvent.kind).order_by(PairEvent.id)).all()
    assert kinds == ["found", "rescored", "rescored"]


def test_a_pair_that_was_decided_stays_decided_unless_its_score_rises_clearly(
    app: Flask, worker: Worker, bob: Visitor, session: Session, lfw: Path
) -> None:
    first = enrol(bob, "One", "A1", mate(lfw, "Al_Sharpton", 1))
    enrol(bob, "Other", "B1", mate(lfw, "Al_Sharpton", 2))
    worker.work()
    judging.decide(session, TESTER, only_pair(session), PairStatus.DISTINCT)
    bob.post(f"/people/{first}/photos", {"photos": [file(mate(lfw, "Al_Sharpton", 3))]})
    worker.work()
    start(app, bob.organization)
    worker.work()
    assert only_pair(session).status == PairStatus.DISTINCT
    bob.post(f"/people/{first}/photos", {"photos": [file(mate(lfw, "Al_Sharpton", 2))]})
    worker.work()
    pair = only_pair(session)
    assert pair.status == PairStatus.OPEN
    assert pair.decided_by == "test"
    assert pair.leads


@on_both_databases
def test_a_full_scan_finds_all_pairs_whatever_was_forgotten(
    app: Flask, worker: Worker, bob: Visitor, charlie: Visitor, session: Session, lfw: Path
) -> None:
    files = twins(lfw, TWINS)
    drop(bob, files)
    drop(charlie, files)
    worker.work()
    wanted = expected(session, bob.organization.id, threshold(session))
    theirs = recorded(session, charlie.organization.id)
    for pair in session.scalars(
        select(DuplicatePair).where(DuplicatePair.organization_id == bob.organization.id)
    ):
        session.delete(pair)
    session.commit()
    scan = scan_of(session, start(app, bob.organization))
    worker.work()
    scan = scan_of(session, scan.id)
    assert same(recorded(session, bob.organization.id), wanted)
    assert recorded(session, charlie.organization.id) == theirs
    people = session.scalars(select(Person.id).where(Person.organization_id == bob.organization.id)).all()
    faces = len(people)
    assert (scan.state, scan.faces, scan.people, scan.compared_faces) == ("done", faces, faces, faces)
    assert scan.comparisons == faces * (faces - 1) // 2
    assert (scan.pairs, scan.new_pairs) == (len(wanted), len(wanted))


def test_a_scan_goes_on_where_a_lost_worker_was_and_ends_when_it_is_cancelled(
    app: Flask,
    new_worker: NewWorker,
    bob: Visitor,
    session: Session,
    lfw: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drop(bob, twins(lfw, TWINS))
    new_worker().work()
    wanted = expected(session, bob.organization.id, threshold(session))
    monkeypatch.setattr("jobs.duplicates.FACES_A_COMMIT", 2)
    monkeypatch.setattr("jobs.gallery.scan.FEWEST_OF_A_BLOCK", 2)
    monkeypatch.setattr("jobs.gallery.scan.COMPARISONS_OF_A_BLOCK", 1)
    monkeypatch.setattr("jobs.job._give_back", nothing_given_back)
    scan_id = start(app, bob.organization)
    record = finding.record_found
    calls: list[tuple[Any, ...]] = []

    def record_or_die(*arguments: Any) -> int:
        calls.append(arguments)
        if len(calls) == 3:
            raise Killed
        return record(*arguments)

    with monkeypatch.context() as deadly:
        deadly.setattr(finding, "record_found", record_or_die)
        lost = new_worker()
        with pytest.raises(Killed):
            lost.work()
    lost.lose()
    assert scan_of(session, scan_id).compared_faces == 4
    new_worker().work()
    scan = scan_of(session, scan_id)
    faces = 2 * TWINS
    assert (scan.state, scan.compared_faces) == ("done", scan.faces)
    assert scan.comparisons == (scan.faces or 0) * ((scan.faces or 0) - 1) // 2
    assert (scan.faces or 0) <= faces
    assert same(recorded(session, bob.organization.id), wanted)

    cancelled = start(app, bob.organization)
    calls.clear()

    def record_and_cancel(*arguments: Any) -> int:
        calls.append(arguments)
        return record(*arguments)

    monkeypatch.setattr(finding, "record_found", record_and_cancel)
    monkeypatch.setattr("jobs.slices.SLICE_S", -1.0)
    new_worker().work(jobs=1)
    scans.cancel_scan(session, TESTER, scan_of(session, cancelled))
    new_worker().work()
    scan = scan_of(session, cancelled)
    assert (scan.state, scan.cancelled) == ("done", True)
    assert scan.compared_faces < faces


def test_a_scan_is_started_every_night_once(
    app: Flask, worker: Worker, bob: Visitor, session: Session, lfw: Path
) -> None:
    drop(bob, twins(lfw, 1))
    worker.work()
    organization = session.get_one(Organization, bob.organization.id)
    scans.schedule_scans(session, organization, TESTER, now().hour)
    for _ in range(2):
        sweep(app)
        worker.work()
    made = session.scalars(select(DuplicateScan)).all()
    assert [(scan.started_by, scan.state) for scan in made] == [("timetable", "done")]


def test_a_photo_unlike_the_others_is_reported_until_somebody_finds_it_right(
    app: Flask, worker: Worker, bob: Visitor, session: Session, lfw: Path
) -> None:
    person = enrol(
        bob,
        "Al",
        "A1",
        *(mate(lfw, "Al_Sharpton", number) for number in (1, 2)),
        mate(lfw, "Aaron_Tippin"),
    )
    worker.work()
    odd = session.scalars(select(OddPhoto)).one()
    photos = session.scalars(select(Photo.id).where(Photo.person_id == person).order_by(Photo.id)).all()
    assert odd.photo_id == photos[2]
    assert odd.score < odd.threshold
    session.execute(update(OddPhoto).values(checked_at=odd.found_at))
    session.commit()
    start(app, bob.organization)
    worker.work()
    session.rollback()
    assert session.scalars(select(OddPhoto.checked_at)).one() is not None


def test_who_is_deleted_leaves_no_pair(worker: Worker, bob: Visitor, session: Session, lfw: Path) -> None:
    first = enrol(bob, "One", "A1", mate(lfw, "Al_Sharpton", 1))
    enrol(bob, "Other", "B1", mate(lfw, "Al_Sharpton", 2))
    worker.work()
    assert only_pair(session)
    assert bob.post(f"/people/{first}/delete").status_code == 302
    sweep(worker.app)
    worker.work()
    session.rollback()
    assert session.scalars(select(DuplicatePair)).all() == []
    assert session.scalars(select(PairEvent)).all() == []
    state, version = session.execute(
        select(DuplicatePass.state, DuplicatePass.compared_version).where(
            DuplicatePass.organization_id == bob.organization.id
        )
    ).one()
    assert state == "done"
    assert version == session.get_one(Organization, bob.organization.id).gallery_version
