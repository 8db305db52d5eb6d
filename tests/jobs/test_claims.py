"""Workers that crash, come late, or meet: every photo is done exactly once, and a killer hurts nobody."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.database import writing
from portal.enrolment import work
from portal.enrolment.work import claim_photos, record_photos
from portal.extensions import db
from portal.organizations.models import Organization
from portal.photos.gallery import next_version
from portal.photos.models import Face, GalleryRemoval, Photo
from portal.photos.reasons import Reason
from portal.photos.records import PhotoRecord
from portal.removal.services import remove_photo
from portal.search.models import Search
from portal.search.work import claim_search, record_probe
from portal.storage import photo_store
from portal.work.claims import MAX_ATTEMPTS
from tests.databases import on_both_databases, on_postgresql
from tests.make.face_models import face_model
from tests.make.people import TESTER
from tests.make.photos import mate, picture, six_people
from tests.run.postgres import someone_waits_for_a_lock
from tests.run.workers import Worker, sweep
from tests.visitor import Visitor, enrol, search
from tests.waiting import wait_until

Files = Callable[[], list[Path]]


def claimed(session: Session, worker: str, organization: Organization, limit: int = 32) -> list[int]:
    return [photo.id for photo in claim_photos(session, worker, organization.id, limit)[0]]


def states(session: Session) -> dict[int, tuple[str, int]]:
    """State and attempts of each photo."""
    session.rollback()
    rows = session.execute(select(Photo.id, Photo.state, Photo.attempts)).all()
    return {row.id: (row.state, row.attempts) for row in rows}


def enrol_many(bob: Visitor, number: int) -> list[int]:
    """People with a photo each; returns the numbers of the photos."""
    for index in range(number):
        enrol(bob, "Anna", f"A{index}", picture(index))
    return list(range(1, number + 1))


@on_both_databases
def test_a_killer_is_found_and_set_aside_while_the_others_get_done(
    bob: Visitor, session: Session, clinic: Organization, new_worker: Callable[[], Worker]
) -> None:
    killer, *others = enrol_many(bob, 6)
    first = new_worker()
    assert claimed(session, first.name, clinic) == [killer, *others]
    first.lose()  # the killer took it down, and nobody knows which photo that was
    assert states(session) == dict.fromkeys((killer, *others), ("queued", 1))

    survivor, crashes = new_worker(), 1
    while "queued" in {state for state, _ in states(session).values()}:
        suspect = new_worker()
        (photo,) = claimed(session, suspect.name, clinic)  # from now on each alone
        if photo == killer:
            suspect.lose()
            crashes += 1
        else:
            record = {photo: PhotoRecord(reason=Reason.NO_FACE)}
            record_photos(session, suspect.name, clinic.id, survivor.row.face_model_id, record)
    assert crashes == MAX_ATTEMPTS
    assert states(session) == {killer: ("failed", MAX_ATTEMPTS), **dict.fromkeys(others, ("failed", 2))}
    assert session.get_one(Photo, killer).reason == Reason.SET_ASIDE
    assert {session.get_one(Photo, photo).reason for photo in others} == {Reason.NO_FACE}
    bob.post(f"/photos/{killer}/retry")
    assert states(session)[killer] == ("queued", 0)


def test_new_photos_go_before_those_that_are_suspected(
    bob: Visitor, session: Session, clinic: Organization, new_worker: Callable[[], Worker]
) -> None:
    suspected = enrol_many(bob, 3)
    worker = new_worker()
    claimed(session, worker.name, clinic)
    worker.lose()
    new = enrol(bob, "New", "N1", picture(100))
    other = new_worker()
    assert claimed(session, other.name, clinic) == [new]
    assert claimed(session, other.name, clinic) == suspected[:1]
    assert claimed(session, other.name, clinic) == suspected[1:2]


def test_what_a_live_worker_is_at_is_left_to_it(
    bob: Visitor, session: Session, clinic: Organization, new_worker: Callable[[], Worker]
) -> None:
    enrol_many(bob, 2)
    worker, other = new_worker(), new_worker()
    mine = claimed(session, worker.name, clinic)
    sweep(worker.app)
    other.lose()
    assert states(session) == dict.fromkeys(mine, ("running", 1))
    assert claimed(session, other.name, clinic) == []


@on_both_databases
def test_what_a_lost_worker_writes_late_changes_nothing(
    bob: Visitor, session: Session, clinic: Organization, new_worker: Callable[[], Worker], lfw: Path
) -> None:
    enrol(bob, "Anna", "A1", mate(lfw, "Anna_Kournikova"))
    lost, heir = new_worker(), new_worker()
    (photo,) = claimed(session, lost.name, clinic)
    lost.lose()
    heir.work()
    assert states(session) == {photo: ("done", 2)}
    before = session.execute(select(Face.id, Face.gallery_version, Face.template)).all()
    late = {photo: PhotoRecord(reason=Reason.DAMAGED)}
    assert record_photos(session, lost.name, clinic.id, lost.row.face_model_id, late) == []
    assert states(session) == {photo: ("done", 2)}
    assert session.execute(select(Face.id, Face.gallery_version, Face.template)).all() == before


def test_a_late_writer_does_not_disturb_who_is_at_it_now(
    bob: Visitor, session: Session, clinic: Organization, new_worker: Callable[[], Worker]
) -> None:
    enrol_many(bob, 1)
    lost, heir = new_worker(), new_worker()
    (photo,) = claimed(session, lost.name, clinic)
    lost.lose()
    assert claimed(session, heir.name, clinic) == [photo]
    late = {photo: PhotoRecord(reason=Reason.DAMAGED)}
    record_photos(session, lost.name, clinic.id, lost.row.face_model_id, late)
    assert states(session) == {photo: ("running", 2)}


@on_both_databases
def test_a_photo_deleted_while_it_is_worked_on_leaves_no_file(
    worker: Worker,
    bob: Visitor,
    session: Session,
    files: Files,
    lfw: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = enrol(bob, "Gone", "G1", six_people())
    kept = enrol(bob, "Kept", "K1", mate(lfw, "Anna_Kournikova"))
    analyse = worker.process.pipeline.analyse

    def analyse_while_somebody_deletes(photos: list[bytes]) -> object:
        if six_people() in photos:
            assert bob.post(f"/people/{gone}/delete").status_code == 302
        return analyse(photos)

    monkeypatch.setattr(worker.process.pipeline, "analyse", analyse_while_somebody_deletes)
    worker.work()
    session.rollback()
    (photo,) = session.scalars(select(Photo)).all()
    assert (photo.person_id, photo.state) == (kept, "done")
    assert {path.name.split(".")[0] for path in files()} == {photo.file_key.rsplit("/", 1)[1]}
    assert session.scalars(select(Face.person_id)).all() == [kept]


def test_a_search_deleted_while_it_is_worked_on_leaves_no_file(
    worker: Worker, bob: Visitor, session: Session, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = search(bob, six_people())
    analyse = worker.process.pipeline.analyse

    def analyse_while_somebody_deletes(photos: list[bytes], **how: bool) -> object:
        assert bob.post(f"/search/{found}/delete").status_code == 302
        return analyse(photos, **how)

    monkeypatch.setattr(worker.process.pipeline, "analyse", analyse_while_somebody_deletes)
    worker.work()
    assert files() == []
    assert session.scalars(select(Search.id)).all() == []


class Trouble(Exception):
    """What a bug raises."""


def break_for(monkeypatch: pytest.MonkeyPatch, worker: Worker, bad: bytes, error: Exception) -> list[int]:
    """Let the pipeline raise when it meets a photo; returns how many photos came at a time, as it goes."""
    analyse, sizes = worker.process.pipeline.analyse, []

    def analyse_or_break(photos: list[bytes]) -> object:
        sizes.append(len(photos))
        if bad in photos:
            raise error
        return analyse(photos)

    monkeypatch.setattr(worker.process.pipeline, "analyse", analyse_or_break)
    worker.failures_are_fine = True
    return sizes


def test_a_photo_that_makes_the_job_fail_is_set_aside_and_the_others_get_done(
    worker: Worker, bob: Visitor, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = enrol_many(bob, 4)
    break_for(monkeypatch, worker, picture(1), Trouble("a bug"))
    for _ in range(6):
        worker.work()
        sweep(worker.app)
    assert [str(failure) for failure in worker.failures] == ["a bug"] * MAX_ATTEMPTS
    found = {number: session.get_one(Photo, number).reason for number in photos}
    assert found == {1: "no_face", 2: "set_aside", 3: "no_face", 4: "no_face"}


def test_a_fault_of_the_installation_costs_no_attempt(
    worker: Worker, bob: Visitor, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol_many(bob, 2)
    with monkeypatch.context() as full_disk:
        break_for(full_disk, worker, picture(0), OSError(28, "No space left on device"))
        for _ in range(MAX_ATTEMPTS + 2):
            worker.work()
            sweep(worker.app)
    assert states(session) == {1: ("queued", 0), 2: ("queued", 0)}
    worker.failures_are_fine = False
    worker.work()
    assert {state for state, _ in states(session).values()} == {"failed"}  # they show no face


def test_bulk_work_makes_way_for_a_search(
    worker: Worker, bob: Visitor, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = enrol_many(bob, 5)
    analyse, done = worker.process.pipeline.analyse, []

    def analyse_while_somebody_searches(content: list[bytes], **how: bool) -> object:
        done.append(len(content))
        if len(done) == 1:
            search(bob, picture(50))
        return analyse(content, **how)

    monkeypatch.setattr(worker.process.pipeline, "analyse", analyse_while_somebody_searches)
    enrolling, searching = "jobs.enrolment.process_photos", "jobs.search.run_search"
    assert worker.work() == [enrolling, searching, enrolling]
    # One attempt each: what was put back for the search had not begun.
    assert states(session) == dict.fromkeys(photos, ("failed", 1))


@on_both_databases
def test_claims_at_the_same_time_never_meet(
    app: Flask, bob: Visitor, session: Session, clinic: Organization
) -> None:
    face_model(session)
    photos = enrol_many(bob, 24)

    def take(worker: str) -> list[int]:
        mine: list[int] = []
        with Session(db.engine) as own:
            while batch := claimed(own, worker, clinic, limit=3):
                mine += batch
        return mine

    def in_app(worker: str) -> list[int]:
        with app.app_context():
            return take(worker)

    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(in_app, [f"host:{number}:x" for number in range(4)]))
    # SKIP LOCKED may end a worker's round early, but what is taken is taken once.
    everything = sorted(photo for mine in taken for photo in mine)
    assert len(set(everything)) == len(everything)
    assert everything + claimed(session, "host:9:x", clinic) == photos


@on_postgresql
def test_a_claim_passes_over_what_another_is_just_claiming(
    bob: Visitor, session: Session, clinic: Organization
) -> None:
    face_model(session)
    photos = enrol_many(bob, 3)
    with Session(db.engine) as other, writing(other):
        other.execute(select(Photo.id).where(Photo.id == photos[0]).with_for_update())
        assert claimed(session, "host:1:x", clinic) == photos[1:]
    assert claimed(session, "host:1:x", clinic) == photos[:1]


@on_postgresql
def test_a_search_is_claimed_once(bob: Visitor, session: Session) -> None:
    model = face_model(session)
    found = search(bob, picture(1))
    with Session(db.engine) as other, writing(other):
        other.execute(select(Search.id).with_for_update())
        assert claim_search(session, "host:1:x", found, model.id) is None
    assert claim_search(session, "host:1:x", found, model.id) is not None
    assert claim_search(session, "host:2:x", found, model.id) is None
    assert record_probe(session, "host:2:x", found, model.id, PhotoRecord()) == []
    assert session.scalar(select(Search.state)) == "running"


@on_postgresql
def test_a_photo_removed_while_its_face_joins_leaves_the_gallery_too(
    app: Flask,
    bob: Visitor,
    worker: Worker,
    session: Session,
    clinic: Organization,
    lfw: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The removal waits for the worker's transaction, and then removes what that one wrote."""
    enrol(bob, "Anna", "A1", mate(lfw, "Anna_Kournikova"))
    engine = db.engine
    removals: list[Future[None]] = []

    def remove() -> None:
        with app.app_context():
            own = db.session()
            organization, photo = own.get_one(Organization, clinic.id), own.scalars(select(Photo)).one()
            remove_photo(own, organization, TESTER, photo, photo_store())

    with ThreadPoolExecutor(1) as pool:

        def in_the_middle_of_the_transaction(*arguments: Any) -> int:
            removals.append(pool.submit(remove))
            wait_until(lambda: someone_waits_for_a_lock(engine), "the removal to meet the worker's locks")
            return next_version(*arguments)

        monkeypatch.setattr(work, "next_version", in_the_middle_of_the_transaction)
        worker.work()
        removals[0].result(timeout=60)
    joined = session.scalars(select(GalleryRemoval.face_id)).all()
    assert len(joined) == 1
    assert session.scalar(select(func.count(Face.id))) == session.scalar(select(func.count(Photo.id))) == 0
    assert len(worker.process.galleries.open(session, clinic.id)) == 0


def test_workers_claim_a_batch_at_a_time_and_say_that_more_is_left(
    session: Session, bob: Visitor, clinic: Organization
) -> None:
    face_model(session)
    photos = enrol_many(bob, 5)
    first, more = claim_photos(session, "host:1:x", clinic.id, 4)
    assert ([photo.id for photo in first], more) == (photos[:4], True)
    rest, more = claim_photos(session, "host:2:x", clinic.id, 4)
    assert ([photo.id for photo in rest], more) == (photos[4:], False)
