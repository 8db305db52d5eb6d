"""Batches are undone to their end, by worker after worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.people.models import Person
from portal.removal import undoing
from tests.databases import on_both_databases
from tests.make.batches import drop, finish, photos
from tests.make.photos import mate, picture
from tests.read.batches import assert_sound, counted, items_of, people
from tests.run.killing import Killed, die_at_work
from tests.run.workers import Worker
from tests.visitor import Visitor, enrol


@on_both_databases
def test_a_batch_is_undone_in_parts_by_worker_after_worker(
    app: Flask,
    bob: Visitor,
    session: Session,
    new_worker: Callable[[], Worker],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("portal.removal.undoing.AT_ONCE", 2)
    monkeypatch.setattr("jobs.slices.SLICE_S", -1.0)
    kept = enrol(bob, "Kept", "P0", picture(100))
    batch = drop(bob, photos(8))
    worker = new_worker()
    finish(worker)
    # Someone removed the photo that this one came with: they are nobody's but the batch's.
    person = session.scalars(select(Person).where(Person.external_id == "P3")).one()
    photo = session.execute(text(f"SELECT id FROM photo WHERE person_id = {person.id}")).scalar_one()
    bob.post(f"/photos/{photo}/remove")
    bob.post(f"/enrol/{batch}/undo")
    undo_some, parts = undoing.undo_some, []

    def undo_or_die(*arguments: Any) -> bool:
        left = undo_some(*arguments)
        parts.append(left)
        if len(parts) in {2, 4}:
            raise Killed  # just after its part was committed
        return left

    with monkeypatch.context() as deadly:
        deadly.setattr(undoing, "undo_some", undo_or_die)
        for _ in range(3):
            lost = new_worker()
            with app.app_context():
                die_at_work(lost)
            lost.lose()
    finish(new_worker())
    assert counted(bob, batch) == {"undone": 8}
    assert people(session) == {"P0": 1}
    assert session.scalars(select(Person.id)).all() == [kept]
    assert_sound(session, {batch: 8})


def test_another_batch_forgets_whom_an_undone_one_enrolled(
    worker: Worker, bob: Visitor, session: Session, lfw: Path
) -> None:
    files = {"P0/1.jpg": mate(lfw, "Al_Sharpton")}
    first = drop(bob, files)
    finish(worker)
    second = drop(bob, files)
    finish(worker)
    bob.post(f"/enrol/{first}/undo")
    finish(worker)
    assert people(session) == {}
    (row,) = items_of(session, second)
    assert (row.path, row.external_id, row.name) == ("", "", "")
    assert counted(bob, second) == {"already-there": 1}
