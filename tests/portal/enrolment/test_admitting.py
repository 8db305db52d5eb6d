"""Photos that arrived become photos of people: of the right ones, once, and never too many at a time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.faces.engine import FaceEngine
from portal.audit.models import AuditEvent
from portal.batches.models import Batch
from portal.enrolment.admitting import admit_received
from portal.extensions import db
from portal.people.models import Person
from portal.photos.models import Photo
from portal.storage import photo_store
from portal.work.models import WorkState
from tests.databases import on_both_databases
from tests.make.batches import drop, drop_on, finish, start
from tests.make.photos import mate, picture, six_people
from tests.read.batches import assert_sound, counted, fates, people, progress
from tests.run.workers import Worker
from tests.visitor import Visitor, enrol, search

Files = Callable[[], list[Path]]
Events = Callable[[str], list[AuditEvent]]

HEADER = "external_id,name,photo\n"
ENROLLING = "jobs.enrolment.process_photos"


@on_both_databases
def test_new_people_are_enrolled_and_found(
    worker: Worker, bob: Visitor, session: Session, lfw: Path, events: Events
) -> None:
    files = {
        "Anna_Kournikova/1.jpg": mate(lfw, "Anna_Kournikova", 1),
        "Anna_Kournikova/2.jpg": mate(lfw, "Anna_Kournikova", 2),
        "Al_Sharpton/1.jpg": mate(lfw, "Al_Sharpton"),
    }
    batch = drop(bob, files, label="name")
    finish(worker)
    assert counted(bob, batch) == {"enrolled": 3}
    assert people(session) == {"Al_Sharpton": 1, "Anna_Kournikova": 2}
    names = session.execute(select(Person.name, Person.name_key, Person.batch_id)).all()
    assert {tuple(row) for row in names} == {
        ("Anna Kournikova", "anna kournikova", batch),
        ("Al Sharpton", "al sharpton", batch),
    }
    bob.get("/people?q=kourn")
    assert "Anna Kournikova" in bob.page.get_text()
    created = {event.details["external_id"]: event for event in events("person.created")}
    assert created["Anna_Kournikova"].details == {
        "external_id": "Anna_Kournikova",
        "photos": 2,
        "batch": batch,
    }
    assert created["Anna_Kournikova"].actor == "bob@clinic.example"
    found = search(bob, files["Al_Sharpton/1.jpg"])
    worker.work()
    bob.get(f"/search/{found}")
    assert next(str(row["data-external-id"]) for row in bob.page.select("[data-candidate]")) == "Al_Sharpton"
    assert_sound(session, {batch: 3})


@on_both_databases
def test_people_who_are_known_get_more_photos_or_are_left_alone(
    worker: Worker, bob: Visitor, session: Session, lfw: Path, events: Events
) -> None:
    enrol(bob, "Anna", "A1", mate(lfw, "Anna_Kournikova", 1))
    worker.work()
    files = {"A1/2.jpg": mate(lfw, "Anna_Kournikova", 2), "B1/1.jpg": mate(lfw, "Al_Sharpton")}
    skipping = drop(bob, files, known="skip")
    finish(worker)
    assert fates(session, skipping) == {"A1/2.jpg": "already_there left_as_it_is", "B1/1.jpg": "enrolled"}
    assert people(session) == {"A1": 1, "B1": 1}
    adding = drop(bob, {"A1/2.jpg": files["A1/2.jpg"]})
    finish(worker)
    assert counted(bob, adding) == {"added": 1}
    assert people(session) == {"A1": 2, "B1": 1}
    (added,) = events("photo.added")
    assert added.details == {"photos": 1, "batch": adding}
    assert_sound(session, {skipping: 2, adding: 1})


@on_both_databases
def test_photos_of_two_members_that_are_taken_in_together_are_each_in_their_own_name(
    worker: Worker, bob: Visitor, alice: Visitor, session: Session, events: Events
) -> None:
    first = drop(bob, {"A1/1.jpg": picture(1), "A1/2.jpg": picture(2)})
    second = drop(alice, {"A1/3.jpg": picture(3), "B1/1.jpg": picture(4)})
    finish(worker)
    created = [(event.actor, event.details) for event in events("person.created")]
    assert created == [
        ("bob@clinic.example", {"external_id": "A1", "photos": 2, "batch": first}),
        ("alice@clinic.example", {"external_id": "B1", "photos": 1, "batch": second}),
    ]
    added = [(event.actor, event.details) for event in events("photo.added")]
    assert added == [("alice@clinic.example", {"photos": 1, "batch": second})]
    assert people(session) == {"A1": 3, "B1": 1}
    assert_sound(session, {first: 2, second: 2})


def test_who_is_enrolled_is_written_down_though_another_batch_has_the_photo(
    worker: Worker, bob: Visitor, alice: Visitor, session: Session, events: Events
) -> None:
    """The first manifest has no name for them and waits; the name comes with the second one."""
    first = drop(bob, {"1.jpg": picture(1)}, HEADER + "A1,,1.jpg\n")
    second = drop(alice, {"1.jpg": picture(1)}, HEADER + "A1,Anna,1.jpg\n")
    finish(worker)
    assert people(session) == {"A1": 1}
    assert [event.details["external_id"] for event in events("person.created")] == ["A1"]
    assert_sound(session, {first: 1, second: 1})


def test_skipping_leaves_nobody_out_whom_the_batch_itself_enrols(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    batch = drop(bob, {"A1/1.jpg": picture(1)}, known="skip")
    worker.work()
    drop_on(bob, batch, {"A1/2.jpg": picture(2)})
    finish(worker)
    assert people(session) == {"A1": 2}
    assert_sound(session, {batch: 2})


@on_both_databases
def test_the_same_photo_is_enrolled_once(
    worker: Worker, bob: Visitor, session: Session, lfw: Path, files: Files
) -> None:
    photo = mate(lfw, "Anna_Kournikova")
    first = drop(bob, {"A1/1.jpg": photo, "A1/copy.jpg": photo, "B1/1.jpg": photo})
    finish(worker)
    assert sorted(fates(session, first).values()) == ["already_there", "enrolled", "enrolled"]
    second = drop(bob, {"A1/1.jpg": photo, "A1/again.jpg": photo})
    finish(worker)
    assert counted(bob, second) == {"already-there": 2}
    # The same photo of two people is a photo of each.
    assert people(session) == {"A1": 1, "B1": 1}
    assert_sound(session, {first: 3, second: 2})


def test_a_photo_that_showed_no_face_before_shows_none_now(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    first = drop(bob, {"A1/1.jpg": picture(1)})
    finish(worker)
    second = drop(bob, {"A1/1.jpg": picture(1)})
    finish(worker)
    assert fates(session, second) == {"A1/1.jpg": "attention no_face"}
    assert people(session) == {"A1": 1}
    assert_sound(session, {first: 1, second: 1})


def test_twenty_photos_are_a_persons_and_the_next_waits(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    enrol(bob, "Anna", "A1", *(picture(number) for number in range(15)))
    worker.work()
    # Two that are there already do not count.
    batch = drop(bob, {f"A1/{number:02}.jpg": picture(number) for number in range(13, 22)})
    finish(worker)
    assert people(session) == {"A1": 20}
    found = fates(session, batch)
    assert [path for path, fate in found.items() if "too_many" in fate] == ["A1/20.jpg", "A1/21.jpg"]
    photo = session.scalars(select(Photo.id).limit(1)).one()
    bob.post(f"/photos/{photo}/remove")
    bob.post(f"/enrol/{batch}/retry", {"reason": "too_many_photos"})
    finish(worker)
    assert people(session) == {"A1": 20}
    assert fates(session, batch)["A1/20.jpg"] == "attention no_face"
    assert fates(session, batch)["A1/21.jpg"] == "attention too_many_photos"
    assert_sound(session, {batch: 9})


def test_a_manifests_name_must_be_that_of_who_is_enrolled(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    enrol(bob, "\u00c5nna  Berg", "A1", picture(50))
    enrol(bob, "Ben", "B1", picture(51))
    manifest = (
        HEADER + "A1,anna berg,1.jpg\nB1,Otto,2.jpg\nB1,,3.jpg\nC1,Carl,4.jpg\nC1,Cara,5.jpg\nD1,,6.jpg\n"
    )
    batch = drop(bob, {f"{number}.jpg": picture(number) for number in range(1, 7)}, manifest)
    finish(worker)
    assert fates(session, batch) == {
        "1.jpg": "attention no_face",
        "2.jpg": "attention other_name",
        "3.jpg": "attention no_face",
        "4.jpg": "attention no_face",
        "5.jpg": "attention two_names",
        "6.jpg": "attention no_name",
    }
    assert people(session) == {"A1": 2, "B1": 2, "C1": 1}
    assert_sound(session, {batch: 6})
    # What waits for someone keeps its photo: once the person is there, it is tried again.
    enrol(bob, "Dora", "D1", picture(60))
    bob.post(f"/enrol/{batch}/retry", {"reason": "no_name"})
    finish(worker)
    assert people(session)["D1"] == 2
    assert_sound(session, {batch: 6})


def test_a_folders_name_may_be_anything_for_somebody_who_is_known(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    enrol(bob, "Anna", "A1", picture(50))
    batch = drop(bob, {"A1/1.jpg": picture(1)})
    finish(worker)
    assert people(session) == {"A1": 2}
    assert_sound(session, {batch: 1})


def test_photos_with_several_faces_are_to_be_checked(
    worker: Worker, bob: Visitor, session: Session, lfw: Path
) -> None:
    enrol(bob, "Anna", "A1", mate(lfw, "Anna_Kournikova"))
    batch = drop(
        bob, {"S1/six.jpg": six_people(), "A1/six.jpg": six_people(), "B1/1.jpg": mate(lfw, "Al_Sharpton")}
    )
    finish(worker)
    assert fates(session, batch) == {
        "S1/six.jpg": "enrolled several_faces",
        "A1/six.jpg": "attention unlike_others",
        "B1/1.jpg": "enrolled",
    }
    assert progress(bob, batch)["to-check"] == "1"
    assert_sound(session, {batch: 3})


@on_both_databases
def test_workers_that_take_in_at_the_same_time_enrol_everything_once(
    app: Flask, bob: Visitor, session: Session, clinic_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.enrolment.admitting.AT_ONCE", 7)
    first = drop(bob, {f"P{number % 10}/{number}.jpg": picture(number) for number in range(40)})
    second = drop(bob, {f"P{number % 12}/{number}.jpg": picture(number) for number in range(40)})

    def take_all(_: int) -> None:
        with app.app_context(), Session(db.engine, expire_on_commit=False) as own:
            waiting = True
            while waiting:
                waiting, unneeded = admit_received(own, clinic_id)
                for key in unneeded:
                    photo_store().delete(key)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(take_all, range(3)))
    counts = [counted(bob, batch) for batch in (first, second)]
    assert counts[0] == {"queued": 40}
    # Photos of the same number are the same, and the same person's where 10 and 12 agree.
    same = sum(number % 10 == number % 12 for number in range(40))
    assert counts[1] == {"queued": 40 - same, "already-there": same}
    assert sum(people(session).values()) == 80 - same
    assert_sound(session, {first: 40, second: 40})


@pytest.fixture
def clinic_id(bob: Visitor) -> int:
    return bob.organization.id


def test_few_photos_are_queued_ahead_and_one_message_waits(
    worker: Worker, bob: Visitor, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.enrolment.admitting.AHEAD", 6)
    monkeypatch.setattr("portal.enrolment.admitting.AT_ONCE", 4)
    monkeypatch.setattr("jobs.enrolment.CLAIMED_PHOTOS", 2)
    batch = start(bob)
    drop_on(bob, batch, {f"A{number}/1.jpg": picture(number) for number in range(30)})
    most = 0
    while worker.work(jobs=1):
        session.rollback()
        queued = session.scalar(select(func.count()).where(Photo.state == WorkState.QUEUED)) or 0
        most = max(most, queued)
        with Redis.from_url(worker.app.config["PORTAL"].redis_url) as redis:
            assert redis.llen("rq:queue:enrolment") <= 1
    assert 4 <= most < 6 + 4
    assert counted(bob, batch) == {"attention": 30}
    assert_sound(session, {batch: 30})


def test_organizations_take_turns(
    worker: Worker, bob: Visitor, charlie: Visitor, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.enrolment.admitting.AT_ONCE", 4)
    monkeypatch.setattr("jobs.enrolment.CLAIMED_PHOTOS", 4)
    large = drop(bob, {f"A{number}/1.jpg": picture(number) for number in range(24)})
    small = drop(charlie, {"A1/1.jpg": picture(1), "B1/1.jpg": picture(2)})
    worker.work(jobs=2)
    assert counted(charlie, small) == {"attention": 2}
    assert counted(bob, large)["received"] >= 16
    finish(worker)
    assert_sound(session, {large: 24, small: 2})


def test_a_search_does_not_wait_for_a_batch(worker: Worker, bob: Visitor, session: Session) -> None:
    batch = drop(bob, {f"A{number}/1.jpg": picture(number) for number in range(80)})
    assert worker.work(jobs=1) == [ENROLLING]
    search(bob, picture(100))
    assert worker.work(jobs=1) == ["jobs.search.run_search"]
    finish(worker)
    assert_sound(session, {batch: 80})


def test_somebody_enrolled_alone_does_not_wait_for_a_whole_batch(
    worker: Worker, bob: Visitor, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.enrolment.admitting.AHEAD", 4)
    monkeypatch.setattr("portal.enrolment.admitting.AT_ONCE", 4)
    monkeypatch.setattr("jobs.enrolment.CLAIMED_PHOTOS", 4)
    batch = drop(bob, {f"A{number}/1.jpg": picture(number) for number in range(40)})
    worker.work(jobs=2)
    person = enrol(bob, "Zoe", "Z1", picture(99))
    worker.work(jobs=3)
    session.rollback()
    assert session.scalars(select(Photo.state).where(Photo.person_id == person)).one() == "failed"
    assert counted(bob, batch)["received"] > 10
    finish(worker)
    assert_sound(session, {batch: 40})


def test_the_older_batch_goes_first(worker: Worker, bob: Visitor, session: Session) -> None:
    batches = [drop(bob, {"A1/1.jpg": picture(number)}) for number in range(3)]
    finish(worker)
    photos = session.scalars(select(Photo.id).order_by(Photo.id)).all()
    assert len(photos) == 3
    assert session.scalars(select(Person.batch_id)).all() == batches[:1]
    assert session.scalar(select(func.count(Batch.id)).where(Batch.finished_at.is_not(None))) == 3
    assert_sound(session, dict.fromkeys(batches, 1))


def test_two_new_workers_share_a_batch(
    app: Flask,
    worker: Worker,
    face_engine: FaceEngine,
    bob: Visitor,
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jobs.enrolment.CLAIMED_PHOTOS", 4)
    other = Worker(app, face_engine)
    batch = drop(bob, {f"A{number}/1.jpg": picture(number) for number in range(20)})
    while worker.work(jobs=1) or other.work(jobs=1):
        other.work(jobs=1)
    assert counted(bob, batch) == {"attention": 20}
    assert session.scalars(select(Photo.attempts).distinct()).all() == [1]
    assert_sound(session, {batch: 20})
