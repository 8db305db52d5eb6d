"""A manifest that comes in a ZIP: it says who is who, whoever is lost while it is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from portal.batches import manifest_rows
from tests.databases import on_both_databases
from tests.make.batches import (
    AUTO,
    all_announced,
    drop_on,
    drop_zip,
    finish,
    give_manifest,
    photos,
    send_zip,
    start,
    zipped,
)
from tests.make.photos import picture
from tests.portal.batches.zips import Part, part, zip_of
from tests.read.batches import archive_files, assert_sound, fates, people, progress
from tests.run.killing import Killed, die_at_work
from tests.run.workers import Worker
from tests.visitor import Visitor


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
    monkeypatch.setattr("portal.batches.manifest_rows.AT_ONCE", 2)
    rows = "".join(f"E{number},Someone,P{number}/1.jpg\n" for number in range(5))
    batch = drop_zip(bob, zipped({**photos(5), "list.csv": f"id,name,photo\n{rows}".encode()}))
    add, parts = manifest_rows._add_rows, []

    def add_or_die(*arguments: Any) -> int:
        parts.append(arguments)
        if len(parts) == 2:
            raise Killed
        return add(*arguments)

    monkeypatch.setattr(manifest_rows, "_add_rows", add_or_die)
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
    assert "The ZIP holds 2 lists" in bob.page.get_text(" ")
    assert progress(bob, batch)["status"] == "done"
    broken = drop_zip(bob, zipped({"a.csv": b"a,b\n1,2\n", "1.jpg": picture(1)}))
    finish(worker)
    bob.get(f"/enrol/{broken}")
    assert "Which column is the external ID?" in bob.page.get_text(" ")
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
        ([part("list.csv", b"id,name,photo\n"), part("x/LIST.CSV", b"id\n")], "The ZIP holds 2 lists"),
        ([part("list.csv", b"id,name,photo\n"), part("list.csv", b"id\n")], "The ZIP holds 2 lists"),
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
