"""Maintenance: files that nobody owns are removed, and no other."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import event, select, update
from sqlalchemy.orm import Session

from jobs.maintenance import OWNERS
from portal.batches.models import Batch
from portal.database import writing
from portal.enrolment.admitting import admit_received
from portal.extensions import db
from portal.installation.models import Installation
from portal.organizations.models import Organization
from portal.queues import enqueue_cleaning
from portal.storage import photo_store
from tests.databases import on_both_databases
from tests.make.batches import all_announced, drop, finish, start, zipped
from tests.make.people import add_person, add_photo
from tests.make.photos import picture
from tests.make.searches import add_search
from tests.portal.web.batches.test_whole_form import form, stream
from tests.read.batches import assert_sound, counted, fates, people
from tests.run.workers import LONG_AGO, Worker, sweep
from tests.visitor import Visitor

CLEANING = "jobs.maintenance.remove_orphaned_files"


@pytest.fixture
def age_everything(app: Flask) -> Callable[[], None]:
    """Let all files have been there since yesterday."""

    def age() -> None:
        yesterday = time.time() - 24 * 3600
        for path in app.config["PORTAL"].photo_dir.rglob("*"):
            os.utime(path, (yesterday, yesterday))

    return age


def files() -> set[Path]:
    return {path for path in photo_store().folder.rglob("*") if path.is_file()}


def test_what_no_row_owns_is_removed_and_everything_else_stays(
    worker: Worker,
    session: Session,
    clinic: Organization,
    school: Organization,
    age_everything: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jobs.maintenance.CHECKED_AT_ONCE", 2)
    store = photo_store()
    for organization in (clinic, school):
        add_photo(session, add_person(session, organization, "A1"))
        add_search(session, organization)
    owned = files()
    orphans = [store.receive(clinic.id, io.BytesIO(picture(number)), 10**6).key for number in range(3)]
    store.write(orphans[0], "preview", b"preview")
    # A worker was killed while someone deleted the photo that it was at.
    store.write(orphans[1], "thumbnail", b"thumbnail")
    (store.folder / orphans[1]).unlink()
    (store.folder / "incoming" / "cut off").write_bytes(b"half")
    age_everything()
    upload = store.folder / store.receive(clinic.id, io.BytesIO(picture(9)), 10**6).key
    enqueue_cleaning()
    worker.work()
    # An upload that is just coming in has no row yet.
    assert files() == owned | {upload}


def test_photos_of_batches_are_no_orphans_and_unpacked_zips_go(
    worker: Worker, bob: Visitor, session: Session, age_everything: Callable[[], None]
) -> None:
    paused = drop(bob, {"A1/1.jpg": picture(1)})
    said = bob.call(f"/enrol/{paused}/archives", data={"name": "a.zip", "size": "10"})
    bob.call(f"/enrol/{paused}/archives/{said.get_json()['id']}?offset=0", data=b"12345")
    bob.post(f"/enrol/{paused}/pause")
    done = drop(bob, {"B1/1.jpg": picture(2), "B1/2.jpg": picture(3)})
    bob.post(f"/enrol/{done}/cancel")
    owned = files()
    assert len(owned) == 4
    (photo_store().folder / "archives" / "999.zip").write_bytes(b"whose batch nobody knows")
    age_everything()
    enqueue_cleaning()
    worker.work()
    assert files() == owned
    # What is given up with its batch is not kept for long.
    bob.post(f"/enrol/{paused}/cancel")
    age_everything()
    enqueue_cleaning()
    worker.work()
    assert {path.suffix for path in files()} == {""}
    assert len(files()) == 3
    assert_sound(session, {paused: 1, done: 2})


def test_files_of_a_form_that_is_still_arriving_are_left_alone(
    worker: Worker, bob: Visitor, session: Session, age_everything: Callable[[], None]
) -> None:
    """It takes longer than an hour: its first photos have no rows yet."""
    token, photos = (
        bob.token(),
        [("A1/1.jpg", picture(1)), ("A1/2.jpg", picture(2)), ("B1/1.jpg", picture(3))],
    )
    staged: list[str] = []

    def photos_while_it_is_cleaned() -> Iterator[tuple[str, bytes]]:
        yield from photos[:2]
        # The one that is just coming is young.
        staged.extend(store.keys(float("inf")))
        for key in staged:
            os.utime(store.folder / key, (0, 0))
        Context().run(clean, worker)
        yield photos[2]

    store, size = photo_store(), sum(map(len, form(token, iter(photos))))
    assert stream(bob, lambda: form(token, photos_while_it_is_cleaned()), size) == 302
    assert staged
    session.rollback()
    batch = session.scalars(select(Batch.id)).one()
    assert_sound(session, {batch: 3})
    finish(worker)
    assert people(session) == {"A1": 2, "B1": 1}
    # Another time what is nobody's goes.
    store.receive(bob.organization.id, io.BytesIO(picture(9)), 10**6)
    age_everything()
    clean(worker)
    assert_sound(session, {batch: 3})


def clean(worker: Worker) -> None:
    """Let a worker do the daily cleaning."""
    with worker.app.app_context():
        enqueue_cleaning()
    assert worker.work() == [CLEANING]


@contextmanager
def after_the_first_look(act: Callable[[], object], at: str = "file_key IN") -> Iterator[list[str]]:
    """Do something as soon as the cleaning has asked for the first time whose files these are."""
    asked: list[str] = []

    def look(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if at in statement and "SELECT" in statement:
            asked.append(statement)
            if len(asked) == 1:
                with ThreadPoolExecutor(1) as somebody_else:
                    somebody_else.submit(act).result()

    event.listen(db.engine, "after_cursor_execute", look)
    try:
        yield asked
    finally:
        event.remove(db.engine, "after_cursor_execute", look)


@on_both_databases
def test_a_file_that_changes_hands_while_the_cleaning_looks_stays(
    worker: Worker, bob: Visitor, session: Session, age_everything: Callable[[], None]
) -> None:
    """It was an item's when the photos were asked, and would be a photo's when the items are."""
    batch = drop(bob, {"A1/1.jpg": picture(1), "B1/1.jpg": picture(2)})
    worker._connection.flushall()  # no worker takes them in yet
    age_everything()

    def take_in_all() -> None:
        with worker.app.app_context():
            admit_received(db.session(), bob.organization.id)

    session.rollback()
    with after_the_first_look(take_in_all) as asked:
        clean(worker)
    assert len(asked) == len(OWNERS)
    assert counted(bob, batch) == {"queued": 2}
    assert_sound(session, {batch: 2})
    sweep(worker.app)
    finish(worker)
    assert fates(session, batch) == {"A1/1.jpg": "attention no_face", "B1/1.jpg": "attention no_face"}


@pytest.mark.parametrize("at", ["file_key IN", "batch_archive.state IN"], ids=["at photos", "at ZIPs"])
def test_a_zip_that_comes_while_it_is_cleaned_is_unpacked(
    worker: Worker, bob: Visitor, session: Session, age_everything: Callable[[], None], at: str
) -> None:
    drop(bob, {"A1/1.jpg": picture(1)})
    worker._connection.flushall()
    age_everything()
    content, batches = zipped({"B1/1.jpg": picture(2)}), []

    def drop_a_zip() -> None:
        batch = start(bob)
        named = {"name": "a.zip", "size": str(len(content))}
        archive = bob.call(f"/enrol/{batch}/archives", data=named).get_json()["id"]
        bob.call(f"/enrol/{batch}/archives/{archive}?offset=0", data=content)
        all_announced(bob, batch)
        age_everything()  # one that came in pieces for hours
        batches.append(batch)

    session.rollback()
    with after_the_first_look(drop_a_zip, at):
        with worker.app.app_context():
            enqueue_cleaning()
        assert worker.work(jobs=1) == [CLEANING]
    assert batches
    sweep(worker.app)
    finish(worker)
    (batch,) = batches
    assert fates(session, batch) == {"B1/1.jpg": "attention no_face"}


def test_a_young_zip_of_which_no_row_tells_stays_for_now(
    worker: Worker, session: Session, age_everything: Callable[[], None]
) -> None:
    """Its row may be written at this moment."""
    photo_store().append_to_archive(7, 0, io.BytesIO(b"half of a ZIP"), 100)
    clean(worker)
    assert photo_store().archive_bytes(7) == 13
    age_everything()
    clean(worker)
    assert photo_store().archive_bytes(7) == 0


def test_it_is_asked_for_once_a_day(worker: Worker, session: Session) -> None:
    sweep(worker.app)
    assert worker.work() == []
    with writing(session):
        session.execute(update(Installation).values(cleaned_at=LONG_AGO))
    sweep(worker.app)
    sweep(worker.app)
    assert worker.work() == [CLEANING]
    sweep(worker.app)
    assert worker.work() == []
