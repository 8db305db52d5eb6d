"""How far a batch is: counts that add up, whoever else touches its photos, and an end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.batches.models import Batch, BatchItem
from portal.database import writing
from portal.enrolment.admitting import admit_received
from portal.enrolment.work import claim_photos
from portal.people.models import Person
from portal.photos.models import Photo
from portal.storage import photo_store
from portal.work.claims import MAX_ATTEMPTS
from tests.databases import on_both_databases
from tests.make.batches import all_announced, announce, drop, drop_on, finish, give_manifest, send, start
from tests.make.photos import picture, six_people
from tests.read.batches import assert_sound, counted, fates, items_of, people, progress
from tests.run.workers import Worker, sweep
from tests.visitor import Visitor

THREE = {f"{name}1/1.jpg": picture(number) for number, name in enumerate("ABC")}


def closed(session: Session, batch: int) -> bool:
    """Whether nothing is left to do, and the counts are kept."""
    session.rollback()
    session.expire_all()
    row = session.get_one(Batch, batch)
    assert (row.finished_at is None) == (row.counts is None)
    return row.finished_at is not None


@on_both_databases
def test_the_counts_add_up_at_every_step(worker: Worker, bob: Visitor, session: Session) -> None:
    batch = start(bob)
    seen = [counted(bob, batch)]
    said = announce(bob, batch, {**THREE, "loose.jpg": picture(9)})
    seen.append(counted(bob, batch))
    send(bob, batch, [(said[0]["id"], THREE["A1/1.jpg"])])
    seen.append(counted(bob, batch))
    worker.work()
    seen.append(counted(bob, batch))
    sweep(worker.app)
    assert not closed(session, batch)
    drop_on(bob, batch, THREE)
    seen.append(counted(bob, batch))
    finish(worker)
    seen.append(counted(bob, batch))
    assert seen == [
        {},
        {"expected": 3, "attention": 1},
        {"expected": 2, "received": 1, "attention": 1},
        {"expected": 2, "attention": 2},
        {"received": 2, "attention": 2},
        {"attention": 4},
    ]
    assert closed(session, batch)
    assert_sound(session, {batch: 4})


def test_a_batch_is_not_done_before_everything_is_announced(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    batch = start(bob)
    said = announce(bob, batch, {"A1/1.jpg": picture(1)})
    send(bob, batch, [(said[0]["id"], picture(1))])
    finish(worker)
    assert progress(bob, batch)["status"] == "receiving"
    assert not closed(session, batch)
    all_announced(bob, batch)
    finish(worker)
    assert progress(bob, batch)["status"] == "done"
    assert closed(session, batch)


def test_a_manifests_photos_are_waited_for_until_all_names_are_known(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    batch = start(bob, grouping="auto", label="auto")
    give_manifest(bob, batch, "id,name,photo\nA1,Anna,1.jpg\nB1,Ben,2.jpg\n")
    finish(worker)
    assert counted(bob, batch) == {"expected": 2}
    said = announce(bob, batch, {"1.jpg": picture(1)})
    all_announced(bob, batch)
    finish(worker)
    # The photo whose name is known may still come: that of the other one can't.
    assert counted(bob, batch)["expected"] >= 1
    send(bob, batch, [(said[0]["id"], picture(1))])
    finish(worker)
    assert fates(session, batch) == {"1.jpg": "attention no_face", "2.jpg": "attention photo_not_found"}
    assert closed(session, batch)
    assert_sound(session, {batch: 2})


def let_days_pass(session: Session, days: float) -> None:
    """Let everything have happened so long ago."""
    ago = timedelta(days=days)
    with writing(session):
        for batch in session.scalars(select(Batch)):
            batch.created_at -= ago
            batch.touched_at -= ago
            batch.ended_at = batch.ended_at and batch.ended_at - ago
            batch.finished_at = batch.finished_at and batch.finished_at - ago
        for item in session.scalars(select(BatchItem).where(BatchItem.finished_at.is_not(None))):
            assert item.finished_at is not None
            item.finished_at -= ago


@pytest.mark.parametrize("told", [True, False], ids=["all announced", "not all announced"])
@pytest.mark.parametrize("paused", [True, False], ids=["paused", "going on"])
def test_a_batch_waits_a_week_for_what_does_not_come(
    worker: Worker, bob: Visitor, session: Session, told: bool, paused: bool
) -> None:
    batch = start(bob)
    said = announce(bob, batch, THREE)
    send(bob, batch, [(said[0]["id"], THREE["A1/1.jpg"])])
    if told:
        all_announced(bob, batch)
    finish(worker)
    if paused:
        bob.post(f"/enrol/{batch}/pause")
    let_days_pass(session, 6.9)
    sweep(worker.app)
    assert progress(bob, batch)["status"] == ("paused" if paused else "receiving")
    let_days_pass(session, 0.2)
    sweep(worker.app)
    assert progress(bob, batch)["status"] == "done"
    assert closed(session, batch)
    assert fates(session, batch) == {
        "A1/1.jpg": "attention no_face",
        "B1/1.jpg": "attention not_arrived",
        "C1/1.jpg": "attention not_arrived",
    }
    bob.get(f"/enrol/{batch}")
    assert "It can be undone as a whole until" in " ".join(bob.page.get_text(" ").split())
    assert_sound(session, {batch: 3})


def test_a_batch_in_which_something_happens_is_waited_for_however_old_it_is(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    batch = start(bob)
    said = announce(bob, batch, THREE)
    let_days_pass(session, 8)
    send(bob, batch, [(said[0]["id"], THREE["A1/1.jpg"])])
    worker.work()
    sweep(worker.app)
    assert counted(bob, batch) == {"attention": 1, "expected": 2}
    assert not closed(session, batch)


def test_a_zip_that_does_not_come_is_not_waited_for_longer(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    batch = drop(bob, {"A1/1.jpg": picture(1)})
    archive = bob.call(f"/enrol/{batch}/archives", data={"name": "a.zip", "size": "10"}).get_json()["id"]
    bob.call(f"/enrol/{batch}/archives/{archive}?offset=0", data=b"12345")
    finish(worker)
    let_days_pass(session, 7.1)
    sweep(worker.app)
    assert progress(bob, batch)["status"] == "done"
    assert closed(session, batch)


def test_what_is_dropped_again_on_an_old_batch_is_waited_for(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    batch = start(bob)
    announce(bob, batch, THREE)
    all_announced(bob, batch)
    bob.post(f"/enrol/{batch}/finish")
    finish(worker)
    let_days_pass(session, 10)
    said = announce(bob, batch, THREE)
    sweep(worker.app)  # between the names and the photos
    send(bob, batch, [(item["id"], photo) for item, photo in zip(said, THREE.values(), strict=True)])
    finish(worker)
    assert people(session) == {"A1": 1, "B1": 1, "C1": 1}
    assert_sound(session, {batch: 3})


@on_both_databases
def test_what_no_worker_could_note_is_healed(
    worker: Worker, bob: Visitor, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A photo that was removed while it waited, and a person who was deleted."""
    batch = drop(bob, THREE)
    monkeypatch.setattr("jobs.enrolment.CLAIMED_PHOTOS", 1)
    worker.work(jobs=1)
    assert counted(bob, batch) == {"attention": 1, "queued": 2}
    _, second, third = items_of(session, batch)
    bob.post(f"/photos/{second.photo_id}/remove")
    bob.post(f"/people/{third.person_id}/delete")
    finish(worker)
    assert fates(session, batch) == {
        "A1/1.jpg": "attention no_face",
        "B1/1.jpg": "attention removed",
        "": "attention removed",  # whose it was is forgotten with the person
    }
    assert closed(session, batch)
    assert people(session) == {"A1": 1, "B1": 0}
    assert_sound(session, {batch: 3})


def test_a_photo_that_was_set_aside_is_noted(
    bob: Visitor, session: Session, new_worker: Callable[[], Worker]
) -> None:
    batch = drop(bob, {"A1/1.jpg": picture(1)})
    first = new_worker()
    admit_received(session, bob.organization.id)
    for _ in range(MAX_ATTEMPTS):
        lost = new_worker()
        claimed, _ = claim_photos(session, lost.name, bob.organization.id, 10)
        assert len(claimed) == 1
        lost.lose()
    sweep(first.app)
    assert fates(session, batch) == {"A1/1.jpg": "attention set_aside"}
    assert closed(session, batch)
    bob.get(f"/enrol/{batch}")
    assert "it stopped the program three times" in bob.page.get_text(" ")
    bob.post(f"/enrol/{batch}/retry")
    finish(new_worker())
    assert fates(session, batch) == {"A1/1.jpg": "attention no_face"}
    assert_sound(session, {batch: 1})


def test_a_worker_lost_with_photos_in_its_hands_loses_none(
    bob: Visitor, session: Session, new_worker: Callable[[], Worker]
) -> None:
    batch = drop(bob, THREE)
    lost = new_worker()
    admit_received(session, bob.organization.id)
    claim_photos(session, lost.name, bob.organization.id, 2)
    lost.lose()
    finish(new_worker())
    assert counted(bob, batch) == {"attention": 3}
    assert_sound(session, {batch: 3})


def test_what_is_put_right_on_a_photos_own_page_is_counted(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    batch = drop(bob, {"S1/1.jpg": six_people()})
    (path,) = photo_store().folder.rglob("*-*")
    away = path.rename(path.with_name("away"))
    finish(worker)
    assert fates(session, batch) == {"S1/1.jpg": "attention file_missing"}
    assert closed(session, batch)
    photo = session.scalars(select(Photo)).one()
    away.rename(path)
    bob.post(f"/photos/{photo.id}/retry")
    finish(worker)
    assert counted(bob, batch) == {"enrolled": 1}
    assert progress(bob, batch)["to-check"] == "1"
    assert progress(bob, batch)["status"] == "done"
    assert_sound(session, {batch: 1})


def test_a_batch_that_is_done_keeps_its_counts_when_people_go(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    batch = drop(bob, THREE)
    finish(worker)
    before = counted(bob, batch)
    bob.post(f"/people/{session.scalars(select(Person.id).limit(1)).one()}/delete")
    finish(worker)
    assert counted(bob, batch) == before
    bob.get(f"/enrol/{batch}")
    assert len(bob.page.select("[data-item]")) == 3
    session.rollback()
    assert session.scalar(select(func.count(BatchItem.id)).where(BatchItem.photo_id.is_(None))) == 1
    assert_sound(session, {batch: 3})


def test_the_pace_says_how_long_it_takes(
    worker: Worker, bob: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.enrolment.admitting.AT_ONCE", 10)
    monkeypatch.setattr("jobs.enrolment.CLAIMED_PHOTOS", 10)
    batch = drop(bob, {f"A{number}/1.jpg": picture(number) for number in range(20)})
    bob.get(f"/enrol/{batch}/progress")
    assert "photos/s" not in bob.page.get_text(" ")
    worker.work(jobs=1)
    bob.get(f"/enrol/{batch}/progress")
    assert "photos/s" in bob.page.get_text(" ")
    finish(worker)
    bob.get(f"/enrol/{batch}/progress")
    assert "photos/s" not in bob.page.get_text(" ")
