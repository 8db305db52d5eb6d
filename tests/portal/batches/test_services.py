"""What staff do to a batch: pause it, end it, undo it, and put right what needs attention."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from portal.audit.models import AuditEvent
from portal.batches.models import Batch
from portal.database import now, writing
from portal.people.models import Person
from portal.photos.models import Face, Photo
from portal.photos.reasons import MAX_PHOTO_BYTES
from tests.databases import on_both_databases
from tests.make.batches import all_announced, announce, drop, drop_on, finish, start, zipped
from tests.make.photos import mate, picture, six_people
from tests.read.batches import assert_sound, counted, fates, items_of, people, progress
from tests.run.workers import Worker, sweep
from tests.visitor import Visitor, enrol, file, search

Files = Callable[[], list[Path]]

FOUR = {f"{name}1/1.jpg": picture(number) for number, name in enumerate("ABCD")}


def said(visitor: Visitor, batch: int) -> str:
    visitor.get(f"/enrol/{batch}")
    return " ".join(visitor.page.get_text(" ").split())


def act(visitor: Visitor, batch: int, what: str, **fields: object) -> str:
    """Press a button on a batch's page; returns what the page says then."""
    assert visitor.post(f"/enrol/{batch}/{what}", dict(fields)).status_code == 302
    return said(visitor, batch)


def sentences(visitor: Visitor) -> list[str]:
    """What the audit says of batches, oldest first, without who and when."""
    visitor.get("/audit")
    found = [" ".join(cell.get_text().split()) for cell in visitor.page.select("[data-event] .table__main")]
    return [sentence for sentence in reversed(found) if "atch" in sentence]


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


@on_both_databases
def test_a_batch_is_undone(worker: Worker, bob: Visitor, session: Session, lfw: Path, files: Files) -> None:
    before = enrol(bob, "Anna", "A1", mate(lfw, "Anna_Kournikova", 1))
    worker.work()
    there = set(files())
    dropped = {
        "A1/2.jpg": mate(lfw, "Anna_Kournikova", 2),
        "A1/1.jpg": mate(lfw, "Anna_Kournikova", 1),
        "B1/1.jpg": mate(lfw, "Al_Sharpton"),
        "C1/1.jpg": picture(1),
        "loose.jpg": picture(2),
    }
    batch = drop(bob, dropped)
    finish(worker)
    assert people(session) == {"A1": 2, "B1": 1, "C1": 1}
    found = search(bob, dropped["B1/1.jpg"])
    worker.work()
    assert "The batch is being undone." in act(bob, batch, "undo")
    assert progress(bob, batch)["status"] == "undoing"
    finish(worker)
    assert progress(bob, batch)["status"] == "undone"
    assert counted(bob, batch) == {"undone": 5}
    assert people(session) == {"A1": 1}
    assert session.scalars(select(Face.person_id)).all() == [before]
    with_search = {path for path in files() if path not in there}
    session.expire_all()
    assert len(with_search) == 2  # the probe and its thumbnail
    bob.get(f"/search/{found}")
    assert [str(row["data-external-id"]) for row in bob.page.select("[data-candidate]")] == ["A1"]
    assert "This batch is already being undone." in act(bob, batch, "undo")
    assert "The batch was undone: its photos are gone." in act(bob, batch, "retry")
    assert_sound(session, {batch: 5})


def test_people_with_photos_from_elsewhere_stay_when_a_batch_is_undone(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    first = drop(bob, {**FOUR, "E1/1.jpg": picture(9)})
    finish(worker)
    numbers = {person.external_id: person.id for person in session.scalars(select(Person))}
    bob.post(f"/people/{numbers['A1']}/photos", {"photos": [file(picture(50))]})
    second = drop(bob, {"B1/2.jpg": picture(51)})
    finish(worker)
    # Someone removed the photo that this one came with, and that one was deleted.
    photo = session.scalars(select(Photo.id).where(Photo.person_id == numbers["C1"])).one()
    bob.post(f"/photos/{photo}/remove")
    bob.post(f"/people/{numbers['D1']}/delete")
    act(bob, first, "undo")
    finish(worker)
    assert people(session) == {"A1": 1, "B1": 1}
    assert counted(bob, first) == {"undone": 5}
    assert counted(bob, second) == {"attention": 1}
    act(bob, second, "undo")
    finish(worker)
    # Whoever was enrolled by a batch that was undone before stays: nobody knows if that was meant.
    assert people(session)["A1"] == 1
    assert_sound(session, {first: 5, second: 1})


def names_in(session: Session, batch: int) -> set[object]:
    """Everything in the rows of a batch's photos that says whose they are."""
    columns = ("path", "path_key", "dropped_path", "external_id", "name", "detail", "sha256", "file_key")
    return {getattr(item, column) for item in items_of(session, batch) for column in columns} - {"", None}


def test_a_batch_that_was_undone_forgets_whose_photos_it_had(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    manifest = "external_id,name,photo\nA1,Anna,one.jpg\nB1,Ben,two.jpg\n,Cora,three.jpg\n"
    batch = drop(bob, {"x/one.jpg": picture(1), "x/two.jpg": b"text", "stranger.jpg": picture(2)}, manifest)
    finish(worker)
    assert {"A1", "Anna", "Ben", "x/one.jpg"} <= names_in(session, batch)
    act(bob, batch, "undo")
    finish(worker)
    assert names_in(session, batch) == set()
    assert counted(bob, batch) == {"undone": 4}
    assert progress(bob, batch)["status"] == "undone"
    words = said(bob, batch)
    assert not [name for name in ("Anna", "Ben", "Cora", "one.jpg", "stranger") if name in words]
    assert_sound(session, {batch: 4})


def test_a_person_who_is_deleted_is_forgotten_by_their_batches_too(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    manifest = "external_id,name,photo1,photo2\nA1,Anna,one.jpg,two.jpg\nB1,Ben,three.jpg,\n"
    photos = {f"{name}.jpg": picture(number) for number, name in enumerate(("one", "two", "three"))}
    first, second = drop(bob, photos, manifest), drop(bob, photos, manifest)
    finish(worker)
    before = [counted(bob, batch) for batch in (first, second)]
    anna = session.scalars(select(Person.id).where(Person.external_id == "A1")).one()
    bob.post(f"/people/{anna}/delete")
    assert "Anna is deleted" in said(bob, first)
    finish(worker)
    assert [counted(bob, batch) for batch in (first, second)] == before
    for batch in (first, second):
        assert not names_in(session, batch) & {"A1", "Anna", "one.jpg", "two.jpg"}
        assert {"B1", "Ben", "three.jpg"} <= names_in(session, batch)
        assert "Anna" not in said(bob, batch)
        assert "one.jpg" not in bob.get(f"/enrol/{batch}/attention.csv", buffered=True).text
    assert_sound(session, {first: 3, second: 3})


def test_photos_that_are_removed_with_their_batch_are_written_down_where_the_person_stays(
    worker: Worker, bob: Visitor, alice: Visitor, session: Session
) -> None:
    stays = enrol(bob, "Anna", "A1", picture(50))
    batch = drop(bob, {"A1/1.jpg": picture(1), "A1/2.jpg": picture(2), "B1/1.jpg": picture(3)})
    finish(worker)
    act(alice, batch, "undo")
    finish(worker)
    assert people(session) == {"A1": 1}
    removed = session.scalars(select(AuditEvent).where(AuditEvent.action == "photo.removed")).one()
    assert (removed.actor, removed.subject_id) == ("alice@clinic.example", stays)
    assert removed.details == {"photos": 2, "batch": batch}
    assert f"Removed 2 photos of Anna (A1), in batch {batch}." in sentences(alice)
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


def test_a_batch_is_undone_while_it_is_worked_on(
    worker: Worker, bob: Visitor, session: Session, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyse = worker.process.pipeline.analyse
    batch = start(bob)
    archive = {"name": "a.zip", "size": "1000"}
    bob.call(f"/enrol/{batch}/archives", data=archive)
    drop_on(bob, batch, FOUR)
    undone: list[str] = []

    def analyse_while_somebody_undoes(photos: list[bytes]) -> object:
        if not undone:
            undone.append(act(bob, batch, "undo"))
        return analyse(photos)

    monkeypatch.setattr(worker.process.pipeline, "analyse", analyse_while_somebody_undoes)
    finish(worker)
    assert counted(bob, batch) == {"undone": 4}
    assert people(session) == {}
    assert files() == []
    assert_sound(session, {batch: 4})


def test_a_batch_can_be_undone_for_a_day(worker: Worker, bob: Visitor, session: Session) -> None:
    batch = drop(bob, FOUR)
    finish(worker)
    assert "It can be undone as a whole until" in said(bob, batch)
    with writing(session):
        session.execute(update(Batch).values(ended_at=now() - timedelta(hours=24, seconds=1)))
    assert "It can be undone" not in said(bob, batch)
    assert "A batch can be undone within a day. This one is older." in act(bob, batch, "undo")
    assert sum(people(session).values()) == 4
    empty = start(bob)
    assert "so there is nothing to undo." in act(bob, empty, "undo")
    assert_sound(session, {batch: 4, empty: 0})


def test_a_batch_that_is_tried_again_can_not_be_undone_for_another_day(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    batch = drop(bob, FOUR)
    finish(worker)
    session.rollback()
    ended = session.get_one(Batch, batch, populate_existing=True).ended_at
    assert ended is not None
    with writing(session):
        session.execute(update(Batch).values(ended_at=now() - timedelta(hours=24, seconds=1)))
    assert "4 photos are being retried." in act(bob, batch, "retry")
    for _ in ("while it goes on", "when it has ended again"):
        assert "This one is older." in act(bob, batch, "undo")
        finish(worker)
    assert counted(bob, batch) == {"attention": 4}
    # Within the day it can, also when it was tried again.
    with writing(session):
        session.execute(update(Batch).values(ended_at=now() - timedelta(hours=23, minutes=59)))
    act(bob, batch, "retry")
    finish(worker)
    assert "It can be undone as a whole until" in said(bob, batch)
    assert "The batch is being undone." in act(bob, batch, "undo")
    finish(worker)
    assert people(session) == {}
    assert_sound(session, {batch: 4})


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
