"""ZIPs, or parts of them, that can not be used: it is told, and harms nobody."""

from __future__ import annotations

import io
import zipfile
import zlib

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from portal.storage import photo_store
from tests.databases import on_both_databases
from tests.make.batches import drop_zip, finish, photos, zipped
from tests.make.photos import picture
from tests.portal.batches.zips import part, zip_of
from tests.read.batches import all_fates, archive_files, assert_sound, fates, people, progress
from tests.run.workers import Worker
from tests.visitor import Visitor


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
        part("A1/page.pdf", b"%PDF-1.4 text"),
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
    assert reasons[14:] == ["not_an_image", "pdf"]
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
