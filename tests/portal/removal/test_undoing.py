"""A batch is undone: what it brought goes, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.audit.models import AuditEvent
from portal.batches.models import Batch
from portal.database import now, writing
from portal.people.models import Person
from portal.photos.models import Face, Photo
from tests.databases import on_both_databases
from tests.make.batches import FOUR, act, drop, drop_on, finish, start
from tests.make.photos import mate, picture
from tests.read.batches import assert_sound, counted, items_of, people, progress, said, sentences
from tests.run.workers import Worker
from tests.visitor import Visitor, enrol, file, search

Files = Callable[[], list[Path]]


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
