"""Jobs of batches: ZIPs are unpacked whole, whoever is lost meanwhile, and batches undone to their end."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from jobs.faces.engine import FaceEngine
from portal.audit.services import Actor
from portal.batches import listing, services, unpacking
from portal.batches.archives import Archive
from portal.batches.models import Batch, BatchArchive
from portal.batches.receiving import receive
from portal.extensions import db
from portal.people.models import Person
from portal.queues import enqueue_archive, enqueue_undo
from portal.removal import undoing
from portal.storage import photo_store
from portal.work.claims import MAX_ATTEMPTS, finished
from tests.databases import on_both_databases, on_postgresql
from tests.make.batches import all_announced, drop, drop_on, finish, give_manifest, start, zipped
from tests.make.photos import mate, picture
from tests.portal.batches.zips import Part, part, zip_of
from tests.read.batches import all_fates, assert_sound, counted, fates, items_of, people, progress
from tests.run.postgres import someone_waits_for_a_lock
from tests.run.workers import Worker, sweep
from tests.visitor import Visitor, enrol, search
from tests.waiting import wait_until

UNPACKING = "jobs.batches.unpack"
AUTO = {"grouping": "auto", "label": "auto"}


class Killed(BaseException):
    """What nobody catches."""


@pytest.fixture
def new_worker(app: Flask, face_engine: FaceEngine) -> Callable[[], Worker]:
    """A maker of further workers."""
    return lambda: Worker(app, face_engine)


def send_zip(visitor: Visitor, batch: int, content: bytes, name: str = "all.zip") -> int:
    """Send a ZIP for a batch; returns its number."""
    said = visitor.call(f"/enrol/{batch}/archives", data={"name": name, "size": str(len(content))})
    archive = int(said.get_json()["id"])
    response = visitor.call(f"/enrol/{batch}/archives/{archive}?offset=0", data=content)
    assert response.get_json() == {"received_bytes": len(content)}
    return archive


def drop_zip(visitor: Visitor, content: bytes, **fields: str) -> int:
    """Drop a ZIP as a batch of its own; returns the number of the batch."""
    batch = start(visitor, **{**AUTO, **fields})
    send_zip(visitor, batch, content)
    all_announced(visitor, batch)
    return batch


def photos(count: int) -> dict[str, bytes]:
    return {f"P{number}/1.jpg": picture(number) for number in range(count)}


def archive_files() -> list[Path]:
    return list((photo_store().folder / "archives").glob("*"))


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
    move, moves = unpacking._move, []

    def move_or_die(*arguments: Any, **places: Any) -> None:
        moves.append(places)
        if len(moves) == step:
            raise Killed
        move(*arguments, **places)

    monkeypatch.setattr(unpacking, "_move", move_or_die)
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


def die_at_work(worker: Worker) -> None:
    """Let a worker do its jobs until one kills it, or they are done."""
    worker.failures_are_fine = True
    try:
        worker.work()
    except Killed:
        db.session.rollback()


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


@on_both_databases
def test_the_manifest_in_a_zip_says_who_is_who(worker: Worker, bob: Visitor, session: Session) -> None:
    manifest = b"external_id,name,photo\nA1,Anna,one.jpg\nB1,Ben,b/two.jpg\nC1,Carl,three.jpg\n"
    files = {
        "x/one.jpg": picture(1),
        "x/b/two.jpg": picture(2),
        "x/list.csv": manifest,
        "x/y.jpg": picture(3),
    }
    batch = drop_zip(bob, zipped(files))
    finish(worker)
    assert people(session) == {"A1": 1, "B1": 1}
    assert fates(session, batch) == {
        "one.jpg": "attention no_face",
        "b/two.jpg": "attention no_face",
        "three.jpg": "attention photo_not_found",
        "x/y.jpg": "attention not_in_manifest",
    }
    assert_sound(session, {batch: 4})


def test_a_worker_lost_in_the_middle_of_the_manifest_of_a_zip_does_not_let_names_be_guessed(
    app: Flask,
    bob: Visitor,
    session: Session,
    new_worker: Callable[[], Worker],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("portal.batches.listing.AT_ONCE", 2)
    rows = "".join(f"E{number},Someone,P{number}/1.jpg\n" for number in range(5))
    batch = drop_zip(bob, zipped({**photos(5), "list.csv": f"id,name,photo\n{rows}".encode()}))
    add, parts = listing._add_rows, []

    def add_or_die(*arguments: Any) -> int:
        parts.append(arguments)
        if len(parts) == 2:
            raise Killed
        return add(*arguments)

    monkeypatch.setattr(listing, "_add_rows", add_or_die)
    lost = new_worker()
    with app.app_context():
        die_at_work(lost)
    lost.lose()
    finish(new_worker())
    assert people(session) == {f"E{number}": 1 for number in range(5)}
    assert_sound(session, {batch: 5})


def test_a_zip_with_two_manifests_is_refused(worker: Worker, bob: Visitor, session: Session) -> None:
    manifest = b"id,name,photo\nA1,Anna,1.jpg\n"
    batch = drop_zip(bob, zipped({"a.csv": manifest, "b.csv": manifest, "1.jpg": picture(1)}))
    finish(worker)
    bob.get(f"/enrol/{batch}")
    assert "The ZIP holds 2 CSV files" in bob.page.get_text(" ")
    assert progress(bob, batch)["status"] == "done"
    broken = drop_zip(bob, zipped({"a.csv": b"a,b\n1,2\n", "1.jpg": picture(1)}))
    finish(worker)
    bob.get(f"/enrol/{broken}")
    assert "names no column that is known" in bob.page.get_text(" ")
    assert archive_files() == []
    assert_sound(session, {batch: 0, broken: 0})


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ([part("list.csv", b"id,name,photo\nA1,Anna,P0/1.jpg\n", flags=1)], "list.csv can't be read"),
        ([part("list.csv", bytes(10), size=30 * 1024**2)], "list.csv can't be read"),
        ([part("../list.csv", b"id,name,photo\nA1,Anna,P0/1.jpg\n")], "list.csv can't be read"),
        ([part("list.csv", b"id,name,photo\nA1,Anna,P0/1.jpg\n", crc=1)], "list.csv"),
        ([part("list.csv", zipped({"list.csv": b"id,name,photo\n"}))], "list.csv"),
        ([part("list.csv", b"id,name,photo\n"), part("x/LIST.CSV", b"id\n")], "The ZIP holds 2 CSV files"),
        ([part("list.csv", b"id,name,photo\n"), part("list.csv", b"id\n")], "The ZIP holds 2 CSV files"),
        ([part("list.csv", b"")], "The manifest is empty."),
    ],
    ids=["encrypted", "too large", "unsafe", "damaged", "a ZIP by another name", "two", "twice", "empty"],
)
def test_where_the_manifest_of_a_zip_can_not_be_used_nobody_is_guessed(
    worker: Worker, bob: Visitor, session: Session, manifest: list[Part], words: str
) -> None:
    entries = [part(f"P{number}/1.jpg", picture(number)) for number in range(3)]
    batch = drop_zip(bob, zip_of([*entries, *manifest]))
    finish(worker)
    bob.get(f"/enrol/{batch}")
    said = " ".join(bob.page.get_text(" ").split())
    assert "all.zip can't be used." in said
    assert words in said
    assert people(session) == {}
    assert progress(bob, batch)["status"] == "done"
    assert archive_files() == []
    assert_sound(session, {batch: 0})


def test_a_manifest_in_a_zip_that_comes_too_late_is_told(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    manifest = b"id,name,photo\nA1,Anna,1.jpg\n"
    late = zipped({"P1/1.jpg": picture(1), "list.csv": manifest})
    files = start(bob)
    drop_on(bob, files, {"Q1/1.jpg": picture(2)})
    send_zip(bob, files, late)
    named = start(bob, **AUTO)
    give_manifest(bob, named, "id,name,photo\nB1,Ben,b.jpg\n")
    send_zip(bob, named, late)
    all_announced(bob, named)
    zips = start(bob, **AUTO)
    send_zip(bob, zips, zipped({"R1/1.jpg": picture(3), "R2/1.jpg": picture(4)}), "first.zip")
    send_zip(bob, zips, late)
    all_announced(bob, zips)
    finish(worker)
    for batch in (files, named, zips):
        bob.get(f"/enrol/{batch}")
        said = " ".join(bob.page.get_text(" ").split())
        assert (
            "The ZIP holds a manifest (list.csv), but other files of this batch have already been read."
            in said
        )
        assert "Drop the ZIP as a batch of its own." in said
        assert progress(bob, batch)["status"] == "done"
    assert people(session) == {"Q1": 1, "R1": 1, "R2": 1}
    assert_sound(session, {files: 1, named: 1, zips: 2})


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


@on_both_databases
def test_a_hostile_zip_harms_nobody(app: Flask, worker: Worker, bob: Visitor, session: Session) -> None:
    bomb = part("A1/bomb.jpg", b"\xff\xd8\xff" + bytes(20 * 1024**2), 8)
    entries = [
        part("../../outside.jpg", picture(1)),
        part("/etc/passwd", picture(1)),
        part("C:\\x.jpg", picture(1)),
        part("A1/link.jpg", b"/etc/passwd", mode=0o120777),
        part("A1/secret.jpg", picture(2), flags=1),
        part("A1/inner.zip", zipped({"x.jpg": picture(3)})),
        part("A1/disguised.jpg", zipped({"x.jpg": picture(3)})),
        bomb,
        part("A1/liar.jpg", picture(4) * 50, 8, size=100),
        part("A1/rar.jpg", picture(5), method=99),
        part("A1/damaged.jpg", picture(6), crc=1),
        part("A1/cut.jpg", picture(7), packed_size=10**6),
        part("A1/good.jpg", picture(8)),
        part("A1/good.jpg", picture(9)),
        part("A1/text.jpg", b"text"),
    ]
    before = {path for path in app.config["PORTAL"].photo_dir.parent.rglob("*") if path.is_file()}
    batch = drop_zip(bob, zip_of(entries), grouping="folder", label="external_id")
    finish(worker)
    found = all_fates(session, batch)
    assert len(found) == len(entries)
    reasons = [fate.removeprefix("attention ") for _, fate in found]
    assert reasons[:8] == [
        "unsafe_path",
        "unsafe_path",
        "unsafe_path",
        "symlink",
        "encrypted",
        "nested_archive",
        "nested_archive",
        "expands_too_much",
    ]
    assert set(reasons[8:12]) <= {"expands_too_much", "damaged_entry", "encrypted", "unknown_compression"}
    assert reasons[12] == "no_face"
    assert reasons[14] == "not_an_image"
    assert set(people(session)) == {"A1"}
    outside = {path for path in app.config["PORTAL"].photo_dir.parent.rglob("*") if path.is_file()} - before
    assert all(path.is_relative_to(photo_store().folder) or path.suffix.startswith(".db") for path in outside)
    assert archive_files() == []
    bob.get(f"/enrol/{batch}")
    assert "The name of the file in the ZIP points outside the ZIP." in bob.page.get_text(" ")
    assert_sound(session, {batch: len(entries)})


def test_a_photo_that_is_too_large_in_a_zip_is_told(worker: Worker, bob: Visitor, session: Session) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("A1/1.jpg", bytes(25 * 1024**2 + 1))
        archive.writestr("A1/2.jpg", picture(1))
    batch = drop_zip(bob, content.getvalue(), grouping="folder", label="external_id")
    finish(worker)
    assert fates(session, batch) == {"A1/1.jpg": "attention too_large", "A1/2.jpg": "attention no_face"}
    assert_sound(session, {batch: 2})


@pytest.mark.parametrize(
    "content",
    [b"PK no zip", zlib.compress(b"x" * 1000), zipped(photos(3))[:-30]],
    # Of their own: the bytes of a ZIP hold the time, and are not the same in two processes.
    ids=["a beginning alone", "something else", "without its end"],
)
def test_what_is_no_zip_is_told(worker: Worker, bob: Visitor, session: Session, content: bytes) -> None:
    batch = drop_zip(bob, content)
    finish(worker)
    bob.get(f"/enrol/{batch}")
    assert "all.zip can't be used." in bob.page.get_text(" ")
    assert progress(bob, batch)["status"] == "done"
    assert archive_files() == []
    assert_sound(session, {batch: 0})


def test_a_zip_that_is_gone_is_told(worker: Worker, bob: Visitor, session: Session) -> None:
    batch = drop_zip(bob, zipped(photos(2)))
    for path in archive_files():
        path.unlink()
    finish(worker)
    bob.get(f"/enrol/{batch}")
    assert "The ZIP is no longer there. Drop it again." in bob.page.get_text(" ")
    assert_sound(session, {batch: 0})


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

        def in_the_middle(*arguments: Any) -> dict[str, Any]:
            future: Future[None] = pool.submit(cancel)
            cancelled.append(future)
            wait_until(
                lambda: someone_waits_for_a_lock(engine) or future.done(),
                "the cancellation to meet the worker's locks",
            )
            return finished(*arguments)

        def close_while_somebody_cancels(*arguments: Any, **options: Any) -> None:
            with monkeypatch.context() as patch:
                patch.setattr(unpacking, "finished", in_the_middle)
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
