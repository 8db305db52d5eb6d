"""ZIPs are unpacked whole, whoever is lost meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.audit.services import Actor
from portal.batches import services, unpacking
from portal.batches.archives import Archive
from portal.batches.models import Batch, BatchArchive
from portal.batches.receiving import receive
from portal.extensions import db
from portal.queues import enqueue_archive, enqueue_undo
from portal.storage import photo_store
from portal.work.claims import MAX_ATTEMPTS
from portal.work.claims import close as close_row
from tests.databases import on_both_databases, on_postgresql
from tests.make.batches import all_announced, drop_zip, finish, photos, send_zip, start, zipped
from tests.make.photos import mate, picture
from tests.portal.batches.zips import part, zip_of
from tests.read.batches import all_fates, archive_files, assert_sound, counted, people, progress
from tests.run.killing import Killed, die_at_work
from tests.run.postgres import someone_waits_for_a_lock
from tests.run.workers import Worker, sweep
from tests.visitor import Visitor, search
from tests.waiting import wait_until

UNPACKING = "jobs.batches.unpack"


@on_both_databases
def test_a_zip_becomes_people(worker: Worker, bob: Visitor, session: Session, lfw: Path) -> None:
    content = zipped(
        {
            "staff/Anna Kournikova/1.jpg": mate(lfw, "Anna_Kournikova", 1),
            "staff/Anna Kournikova/2.jpg": mate(lfw, "Anna_Kournikova", 2),
            "staff/Al Sharpton/1.jpg": mate(lfw, "Al_Sharpton"),
            "__MACOSX/staff/._x": b"x",
        }
    )
    batch = drop_zip(bob, content)
    assert progress(bob, batch)["status"] == "receiving"
    finish(worker)
    assert counted(bob, batch) == {"enrolled": 3}
    assert people(session) == {"Al Sharpton": 1, "Anna Kournikova": 2}
    assert session.get_one(Batch, batch).left_out == 1
    assert archive_files() == []
    assert_sound(session, {batch: 3})


def test_a_zip_is_unpacked_a_slice_at_a_time(
    worker: Worker, bob: Visitor, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.batches.unpacking.ENTRIES_AT_ONCE", 2)
    monkeypatch.setattr("portal.batches.unpacking.AT_ONCE", 3)
    monkeypatch.setattr("jobs.slices.SLICE_S", -1.0)
    batch = drop_zip(bob, zipped(photos(7)))
    done = worker.work()
    # Three parts of names, and four of photos; each makes way for the others.
    assert done.count(UNPACKING) == 7
    assert session.scalars(select(BatchArchive.attempts)).all() == [1]
    finish(worker)
    assert counted(bob, batch) == {"attention": 7}
    assert_sound(session, {batch: 7})


def test_unpacking_makes_way_for_a_search(
    worker: Worker, bob: Visitor, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.batches.unpacking.ENTRIES_AT_ONCE", 1)
    monkeypatch.setattr("portal.queues.LOOK_UP_EVERY_S", -1.0)
    batch = drop_zip(bob, zipped(photos(5)))
    found: list[int] = []

    def receive_while_somebody_searches(*arguments: Any) -> object:
        if not found:
            found.append(search(bob, picture(50)))
        return receive(*arguments)

    monkeypatch.setattr(unpacking, "receive", receive_while_somebody_searches)
    assert worker.work(jobs=2) == [UNPACKING, "jobs.search.run_search"]
    finish(worker)
    assert_sound(session, {batch: 5})


@pytest.mark.parametrize("step", range(1, 7))
def test_a_worker_lost_in_the_middle_loses_and_doubles_nothing(
    app: Flask,
    bob: Visitor,
    session: Session,
    new_worker: Callable[[], Worker],
    monkeypatch: pytest.MonkeyPatch,
    step: int,
) -> None:
    """It dies in the step before the archive's place is written down: all it did since is done again."""
    monkeypatch.setattr("portal.batches.unpacking.ENTRIES_AT_ONCE", 2)
    monkeypatch.setattr("portal.batches.unpacking.AT_ONCE", 3)
    twice = [part("P0/1.jpg", picture(0)), part("P0/1.jpg", picture(10)), part("loose.jpg", picture(11))]
    batch = drop_zip(bob, zip_of([*twice, part("P1/1.jpg", picture(1)), part("P2/1.jpg", b"text")]))
    move, moves = unpacking._advance, []

    def move_or_die(*arguments: Any, **places: Any) -> None:
        moves.append(places)
        if len(moves) == step:
            raise Killed
        move(*arguments, **places)

    monkeypatch.setattr(unpacking, "_advance", move_or_die)
    monkeypatch.setattr("jobs.job.requeue_failed", lambda *_: None)  # it has no time to say anything
    lost = new_worker()
    with app.app_context():
        die_at_work(lost)
    lost.lose()
    finish(new_worker())
    assert len(all_fates(session, batch)) == 5
    assert people(session) in ({"P0": 2, "P1": 1}, {"P0": 1, "P1": 1})
    assert archive_files() == []
    assert_sound(session, {batch: 5})


def test_a_zip_that_gets_on_is_not_given_up(
    app: Flask,
    bob: Visitor,
    session: Session,
    new_worker: Callable[[], Worker],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its workers are lost more often than those of one photo may be."""
    monkeypatch.setattr("portal.batches.unpacking.ENTRIES_AT_ONCE", 1)
    batch = drop_zip(bob, zipped(photos(MAX_ATTEMPTS + 3)))
    received: list[int] = []

    def receive_or_die(*arguments: Any) -> object:
        received.append(len(received))
        if len(received) % 2 == 0:
            raise Killed
        return receive(*arguments)

    with monkeypatch.context() as deadly:
        deadly.setattr(unpacking, "receive", receive_or_die)
        for _ in range(MAX_ATTEMPTS + 1):
            lost = new_worker()
            with app.app_context():
                die_at_work(lost)
            lost.lose()
    finish(new_worker())
    assert counted(bob, batch) == {"attention": MAX_ATTEMPTS + 3}
    assert_sound(session, {batch: MAX_ATTEMPTS + 3}, killed=True)


def test_a_zip_that_stops_the_program_is_given_up(
    app: Flask,
    bob: Visitor,
    session: Session,
    new_worker: Callable[[], Worker],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch = drop_zip(bob, zipped(photos(2)))

    def die(*_: Any) -> object:
        raise Killed

    monkeypatch.setattr(Archive, "open", die)
    for _ in range(MAX_ATTEMPTS):
        lost = new_worker()
        with app.app_context():
            die_at_work(lost)
        lost.lose()
    worker = new_worker()
    finish(worker)
    assert session.scalars(select(BatchArchive.state)).all() == ["failed"]
    bob.get(f"/enrol/{batch}")
    assert "all.zip can't be used." in bob.page.get_text(" ")
    assert progress(bob, batch)["status"] == "done"


@pytest.mark.parametrize("step", ["_announce", "receive", "decide_naming"])
def test_a_zip_whose_workers_are_lost_before_it_gets_on_is_given_up(
    app: Flask,
    bob: Visitor,
    session: Session,
    new_worker: Callable[[], Worker],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    """Each time at the same place, and at the first photo after the names were noted."""
    batch = drop_zip(bob, zipped(photos(2)))
    done, died = getattr(unpacking, step), []

    def die(*_: Any) -> object:
        died.append(step)
        raise Killed

    with monkeypatch.context() as deadly:
        deadly.setattr(unpacking, step, die)
        for _ in range(MAX_ATTEMPTS + 2):
            lost = new_worker()
            with app.app_context():
                die_at_work(lost)
            lost.lose()
    assert len(died) == MAX_ATTEMPTS
    assert getattr(unpacking, step) is done
    finish(new_worker())
    assert session.scalars(select(BatchArchive.state)).all() == ["failed"]
    bob.get(f"/enrol/{batch}")
    said = " ".join(bob.page.get_text(" ").split())
    assert "all.zip can't be used." in said
    assert "three times" in said


@pytest.mark.parametrize("with_manifest", [True, False])
def test_names_of_very_many_folders_in_a_zip_harm_nobody(
    worker: Worker, bob: Visitor, session: Session, with_manifest: bool
) -> None:
    deep = [part("a/" * 32_000 + f"{number}.jpg", picture(number)) for number in range(20)]
    list_of_them = [part("list.csv", b"id,name,photo\nA1,Anna,1.jpg\nB1,Ben,2.jpg\n")]
    batch = drop_zip(bob, zip_of(deep + (list_of_them if with_manifest else [])), grouping="file")
    finish(worker)
    assert sum(people(session).values()) == (2 if with_manifest else 20)
    assert archive_files() == []
    assert_sound(session, {batch: 20})


def test_two_zips_of_a_batch_are_both_unpacked(worker: Worker, bob: Visitor, session: Session) -> None:
    batch = start(bob)
    send_zip(bob, batch, zipped({"A1/1.jpg": picture(1), "B1/1.jpg": picture(2)}), "one.zip")
    send_zip(bob, batch, zipped({"A1/1.jpg": picture(3), "B1/1.jpg": picture(2)}), "two.zip")
    all_announced(bob, batch)
    finish(worker)
    # A1 has two different photos of one path; B1 has one that came twice.
    assert people(session) == {"A1": 2, "B1": 1}
    assert_sound(session, {batch: 3})


@pytest.mark.parametrize("decision", ["pause", "cancel", "undo"])
def test_a_batch_is_decided_about_while_its_zip_is_unpacked(
    worker: Worker, bob: Visitor, session: Session, monkeypatch: pytest.MonkeyPatch, decision: str
) -> None:
    monkeypatch.setattr("portal.batches.unpacking.ENTRIES_AT_ONCE", 2)
    batch = drop_zip(bob, zipped(photos(6)))
    decided: list[str] = []

    def receive_while_somebody_decides(*arguments: Any) -> object:
        decided.append(decision)
        if len(decided) == 2:
            assert bob.post(f"/enrol/{batch}/{decision}").status_code == 302
        return receive(*arguments)

    monkeypatch.setattr(unpacking, "receive", receive_while_somebody_decides)
    finish(worker)
    counts = counted(bob, batch)
    if decision == "pause":
        assert counts["expected"] == 4
        assert worker.work() == []
        bob.post(f"/enrol/{batch}/resume")
        finish(worker)
        assert counted(bob, batch) == {"attention": 6}
        assert sum(people(session).values()) == 6
    elif decision == "cancel":
        assert counts == {"attention": 6}
        assert progress(bob, batch)["status"] == "cancelled"
    else:
        assert counts == {"undone": 6}
        assert people(session) == {}
    sweep(worker.app)
    assert archive_files() == []
    assert_sound(session, {batch: 6})


def test_a_message_too_many_does_nothing(worker: Worker, bob: Visitor, session: Session) -> None:
    batch = drop_zip(bob, zipped(photos(2)))
    finish(worker)
    with worker.app.app_context():
        archive = session.scalars(select(BatchArchive.id)).one()
        enqueue_archive(archive)
        enqueue_archive(10**6)
        enqueue_undo(batch)
        enqueue_undo(10**6)
    assert len(worker.work()) == 4
    assert_sound(session, {batch: 2})


@on_postgresql
def test_a_batch_cancelled_while_its_zip_is_closed_meets_no_deadlock(
    app: Flask, worker: Worker, bob: Visitor, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = drop_zip(bob, zipped(photos(2)))
    close, cancelled = unpacking._close, []
    engine = db.engine

    def cancel() -> None:
        with app.app_context():
            own = db.session()
            services.cancel(own, Actor(None, "test"), own.get_one(Batch, batch), photo_store())

    with ThreadPoolExecutor(1) as pool:

        def in_the_middle(*arguments: Any) -> None:
            future: Future[None] = pool.submit(cancel)
            cancelled.append(future)
            wait_until(
                lambda: someone_waits_for_a_lock(engine) or future.done(),
                "the cancellation to meet the worker's locks",
            )
            close_row(*arguments)

        def close_while_somebody_cancels(*arguments: Any, **options: Any) -> None:
            with monkeypatch.context() as patch:
                patch.setattr(unpacking, "close", in_the_middle)
                close(*arguments, **options)

        monkeypatch.setattr(unpacking, "_close", close_while_somebody_cancels)
        worker.work()
        cancelled[0].result(timeout=60)
    finish(worker)
    assert progress(bob, batch)["status"] == "cancelled"
    assert_sound(session, {batch: 2})


def test_a_zip_whose_turn_does_not_come_is_sent_again(
    app: Flask, worker: Worker, bob: Visitor, session: Session
) -> None:
    batch = drop_zip(bob, zipped(photos(2)))
    worker._connection.flushall()
    session.execute(update(BatchArchive).values(state="running", claimed_by="gone:1:x", attempts=1))
    session.commit()
    assert worker.work() == []
    sweep(app)
    finish(worker)
    assert counted(bob, batch) == {"attention": 2}
    assert_sound(session, {batch: 2})
