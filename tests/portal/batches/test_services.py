"""What staff do to a batch: pause it, end it, undo it, and put right what needs attention."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.audit.models import AuditEvent
from portal.batches.models import Batch
from portal.photos.models import Photo
from portal.photos.reasons import MAX_PHOTO_BYTES
from tests.make.batches import FOUR, act, all_announced, announce, drop, drop_on, finish, start, zipped
from tests.make.photos import mate, picture, six_people
from tests.read.batches import assert_sound, counted, fates, items_of, people, progress, said, sentences
from tests.run.workers import Worker, sweep
from tests.visitor import Visitor, file


def test_what_staff_did_to_a_batch_is_in_the_audit_trail(
    worker: Worker, bob: Visitor, alice: Visitor, session: Session
) -> None:
    batch = start(bob)
    announce(bob, batch, FOUR)
    all_announced(bob, batch)
    bob.post(f"/enrol/{batch}/pause")
    bob.post(f"/enrol/{batch}/resume")
    bob.post(f"/enrol/{batch}/finish")
    sweep(worker.app)
    assert drop_on(bob, batch, {"A1/1.jpg": FOUR["A1/1.jpg"]})[0]["state"] == "expected"
    finish(worker)
    bob.get(f"/enrol/{batch}")
    bob.get(f"/enrol/{batch}/attention.csv", buffered=True)
    bob.post(f"/enrol/{batch}/retry")
    bob.post(f"/enrol/{batch}/cancel")
    bob.post(f"/enrol/{batch}/undo")
    finish(worker)
    assert sentences(alice) == [
        f"Started batch {batch} (from a browser).",
        f"Paused batch {batch}.",
        f"Resumed batch {batch}.",
        f"Finished batch {batch} without 4 files that never arrived.",
        f"Enrolled a person who is deleted (A1) with one photo, in batch {batch}.",
        f"Viewed batch {batch}.",
        f"Downloaded what needs attention in batch {batch}.",
        f"Retried one photo in batch {batch}.",
        f"Cancelled batch {batch}; what was enrolled stays.",
        f"Undid batch {batch}.",
        f"Deleted a person who is deleted (A1) with one photo, in batch {batch}.",
    ]
    events = session.scalars(select(AuditEvent).where(AuditEvent.subject_type == "batch")).all()
    assert {(event.actor, event.subject_id) for event in events} == {("bob@clinic.example", batch)}


def test_a_paused_batch_rests_and_goes_on(worker: Worker, bob: Visitor, session: Session) -> None:
    batch = drop(bob, FOUR)
    assert "The batch is paused." in act(bob, batch, "pause")
    finish(worker)
    assert counted(bob, batch) == {"received": 4}
    assert progress(bob, batch)["status"] == "paused"
    assert "Only a batch that is under way can be paused." in act(bob, batch, "pause")
    assert "The batch goes on." in act(bob, batch, "resume")
    finish(worker)
    assert counted(bob, batch) == {"attention": 4}
    assert "This batch is not paused." in act(bob, batch, "resume")
    assert "Only a batch that is under way can be paused." in act(bob, batch, "pause")
    assert_sound(session, {batch: 4})


def test_what_workers_are_at_is_finished_while_a_batch_is_paused(
    worker: Worker, bob: Visitor, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.enrolment.admitting.AT_ONCE", 2)
    monkeypatch.setattr("portal.enrolment.admitting.AHEAD", 2)
    monkeypatch.setattr("jobs.enrolment.CLAIMED_PHOTOS", 1)
    batch = drop(bob, FOUR)
    worker.work(jobs=1)
    act(bob, batch, "pause")
    finish(worker)
    assert counted(bob, batch) == {"attention": 2, "received": 2}
    act(bob, batch, "resume")
    finish(worker)
    assert_sound(session, {batch: 4})


def test_a_cancelled_batch_ends_and_what_is_left_can_be_tried_again(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    batch = start(bob)
    drop_on(bob, batch, {"A1/1.jpg": picture(1)})
    worker.work()
    drop_on(bob, batch, {"B1/1.jpg": picture(2)})
    announce(bob, batch, {"C1/1.jpg": picture(3)})
    assert "The batch is cancelled. What was enrolled stays." in act(bob, batch, "cancel")
    finish(worker)
    assert progress(bob, batch)["status"] == "cancelled"
    assert fates(session, batch) == {
        "A1/1.jpg": "attention no_face",
        "B1/1.jpg": "attention cancelled",
        "C1/1.jpg": "attention cancelled",
    }
    assert "This batch has already ended." in act(bob, batch, "cancel")
    assert "One photo is being retried." in act(bob, batch, "retry", reason="cancelled")
    finish(worker)
    assert people(session) == {"A1": 1, "B1": 1}
    assert_sound(session, {batch: 3})


def test_what_is_put_right_one_by_one_is_in_the_audit_trail(
    worker: Worker, bob: Visitor, alice: Visitor, session: Session
) -> None:
    batch = drop(bob, {"A1/1.jpg": picture(1), "B1/1.jpg": b"text", "S1/1.jpg": six_people()})
    finish(worker)
    empty, text_file, several = items_of(session, batch)
    photo = {"photo": [file(picture(5))]}
    numbers = (several.person_id, several.photo_id, empty.person_id, empty.photo_id)
    for _ in range(2):  # the second time there is nothing to be taken off the list
        bob.post(f"/enrol/{batch}/items/{several.id}/checked")
    bob.post(f"/enrol/{batch}/items/{empty.id}/replace", photo)
    # No photo of a person goes where there was none.
    bob.post(f"/enrol/{batch}/items/{text_file.id}/replace", {"photo": [file(picture(6))]})
    several_of, several_photo, empty_of, empty_photo = numbers
    session.rollback()
    found = {
        action: [
            (event.actor, event.subject_type, event.subject_id, event.details)
            for event in session.scalars(select(AuditEvent).where(AuditEvent.action == action))
        ]
        for action in ("photo.face_checked", "photo.removed", "batch.retried")
    }
    actor = "bob@clinic.example"
    assert found == {
        "photo.face_checked": [(actor, "person", several_of, {"photo": several_photo})],
        "photo.removed": [(actor, "person", empty_of, {"photo": empty_photo})],
        "batch.retried": [(actor, "batch", batch, {"photos": 1})] * 2,
    }
    alice.get("/audit")
    assert "Confirmed the selected face in a photo of S1 (S1)." in " ".join(alice.page.get_text().split())
    finish(worker)
    assert_sound(session, {batch: 3})


def test_photos_are_tried_again_all_or_of_a_reason_or_one(
    worker: Worker, bob: Visitor, session: Session, lfw: Path
) -> None:
    batch = drop(bob, {**FOUR, "E1/text.jpg": b"text", "loose.jpg": picture(9)})
    finish(worker)
    assert "Nothing can be retried as it is." in act(bob, batch, "retry", reason="not_an_image")
    one = next(item.id for item in items_of(session, batch) if item.path == "B1/1.jpg")
    assert "One photo is being retried." in act(bob, batch, "retry", item_id=one)
    assert counted(bob, batch) == {"queued": 1, "attention": 5}
    assert progress(bob, batch)["status"] == "running"
    finish(worker)
    assert "4 photos are being retried." in act(bob, batch, "retry", reason="no_face")
    finish(worker)
    assert "4 photos are being retried." in act(bob, batch, "retry")
    finish(worker)
    assert counted(bob, batch) == {"attention": 6}
    attempts = session.scalars(select(Photo.attempts)).all()
    assert attempts == [1] * 4
    assert bob.post(f"/enrol/{batch}/retry", {"item_id": 10**6}).status_code == 404
    assert_sound(session, {batch: 6})


def test_another_photo_is_given_instead(worker: Worker, bob: Visitor, session: Session, lfw: Path) -> None:
    batch = drop(bob, {"A1/1.jpg": picture(1), "B1/1.jpg": b"text", "loose.jpg": picture(2)})
    finish(worker)
    item = {item.path: item for item in items_of(session, batch)}

    def replace(path: str, *sent: tuple[bytes, str]) -> str:
        photos = [file(content, name) for content, name in sent]
        bob.post(f"/enrol/{batch}/items/{item[path].id}/replace", {"photo": photos} if photos else {})
        return said(bob, batch)

    assert "Choose a photo." in replace("A1/1.jpg")
    assert "no.jpg: The file is not a photo." in replace("A1/1.jpg", (b"text", "no.jpg"))
    large = picture(3) + bytes(MAX_PHOTO_BYTES)
    assert "large.jpg is larger than 25 MiB" in replace("A1/1.jpg", (large, "large.jpg"))
    assert "It is not known whose photo this is" in replace("loose.jpg", (picture(3), "x.jpg"))
    assert_sound(session, {batch: 3})
    good = mate(lfw, "Anna_Kournikova"), "anna.jpg"
    assert "The photo is replaced and being processed." in replace("A1/1.jpg", good)
    replace("B1/1.jpg", (mate(lfw, "Al_Sharpton"), "al.jpg"))
    assert counted(bob, batch) == {"received": 2, "attention": 1}
    finish(worker)
    assert counted(bob, batch) == {"enrolled": 2, "attention": 1}
    assert people(session) == {"A1": 1, "B1": 1}
    assert "This photo no longer needs attention." in replace("A1/1.jpg", good)
    assert_sound(session, {batch: 3})


def test_a_photo_that_was_looked_at_is_taken_off_the_list(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    batch = drop(bob, {"S1/1.jpg": six_people(), "T1/1.jpg": six_people()})
    finish(worker)
    assert progress(bob, batch)["to-check"] == "2"
    first, second = items_of(session, batch)
    assert bob.post(f"/enrol/{batch}/items/{first.id}/checked").status_code == 302
    assert progress(bob, batch)["to-check"] == "1"
    finish(worker)
    assert [item.reason for item in items_of(session, batch)] == ["", "several_faces"]
    # Another face was chosen on the photo's own page.
    bob.get(f"/photos/{second.photo_id}")
    face = bob.page.select("button[name=face_id]")[0]["value"]
    bob.post(f"/photos/{second.photo_id}/face", {"face_id": face})
    finish(worker)
    assert progress(bob, batch)["to-check"] == "0"
    assert counted(bob, batch) == {"enrolled": 2}
    assert_sound(session, {batch: 2})


def test_another_batchs_items_are_not_this_ones(worker: Worker, bob: Visitor, session: Session) -> None:
    first, second = drop(bob, {"A1/1.jpg": b"text"}), drop(bob, {"B1/1.jpg": picture(1)})
    finish(worker)
    (item,) = items_of(session, first)
    for address in (f"items/{item.id}/replace", f"items/{item.id}/checked"):
        assert bob.post(f"/enrol/{second}/{address}", {"photo": [file(picture(2))]}).status_code == 404
    assert bob.post(f"/enrol/{second}/retry", {"item_id": item.id}).status_code == 404
    assert_sound(session, {first: 1, second: 1})


def test_what_redis_forgot_is_sent_again(worker: Worker, bob: Visitor, session: Session) -> None:
    photos, undoing, zips = drop(bob, FOUR), drop(bob, {"Z1/1.jpg": picture(60)}), start(bob)
    content = zipped({"Y1/1.jpg": picture(61)})
    said_of = bob.call(f"/enrol/{zips}/archives", data={"name": "a.zip", "size": str(len(content))})
    bob.call(f"/enrol/{zips}/archives/{said_of.get_json()['id']}?offset=0", data=content)
    all_announced(bob, zips)
    act(bob, undoing, "undo")
    worker._connection.flushall()
    assert worker.work() == []
    sweep(worker.app)
    finish(worker)
    assert counted(bob, photos) == {"attention": 4}
    assert counted(bob, undoing) == {"undone": 1}
    assert counted(bob, zips) == {"attention": 1}
    assert session.scalar(select(func.count(Batch.id)).where(Batch.finished_at.is_(None))) == 0
    sweep(worker.app)
    assert worker.work() == []
    assert_sound(session, {photos: 4, undoing: 1, zips: 1})
