"""Maintenance: files that nobody owns are removed, and no other."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import update
from sqlalchemy.orm import Session

from portal.database import writing
from portal.organizations.models import Organization
from portal.queues import enqueue_cleaning
from portal.storage import photo_store
from portal.system.models import Installation
from tests.batches import assert_sound, drop
from tests.photos import picture
from tests.rows import add_person, add_photo, add_search
from tests.support import Visitor
from tests.workers import LONG_AGO, Worker, sweep

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
    # A worker was killed while somebody deleted the photo that it was at.
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
