"""ZIPs whose names can be read in several ways wait for an answer; nobody is enrolled meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.batches.models import BatchArchive
from tests.databases import on_both_databases
from tests.make.batches import drop_zip, finish
from tests.read.batches import assert_sound, counted, people, progress
from tests.run.workers import Worker
from tests.visitor import Visitor


@on_both_databases
def test_staff_say_what_the_names_are_written_in(
    worker: Worker, bob: Visitor, session: Session, cases: Path
) -> None:
    batch = drop_zip(bob, (cases / "zip_sjis.zip").read_bytes())
    finish(worker)
    assert counted(bob, batch) == {}
    assert progress(bob, batch)["status"] == "receiving"
    assert people(session) == {}
    bob.get(f"/enrol/{batch}")
    form = bob.page.select_one("form[action$='/encoding']")
    assert form is not None
    assert "山田太郎.jpg" in form.get_text()
    # The form stays as it is while someone reads it.
    assert bob.page.select_one("#progress[hx-trigger]") is None
    archive = session.scalars(select(BatchArchive.id)).one()
    address = f"/enrol/{batch}/archives/{archive}/encoding"
    bob.post(address, {"encoding": "cp850"})
    assert "answered already" in bob.page.get_text() or people(session) == {}
    bob.post(address, {"encoding": "cp932"})
    finish(worker)
    assert people(session) == {"山田太郎": 1}
    assert counted(bob, batch) == {"enrolled": 1}
    bob.get(f"/enrol/{batch}")
    assert bob.page.select_one("form[action$='/encoding']") is None
    bob.get("/audit")
    assert_sound(session, {batch: 1})


@pytest.mark.parametrize(
    ("case", "there"),
    [
        ("zip_cp850_nordic.zip", {"Søren Østergård": 1, "João Ângelo": 1}),
        ("zip_unicode_extra.zip", {"Søren Ærø": 1}),
        ("zip_pattern.zip", {"12345": 1, "12346": 1}),
        ("zip_copies.zip", {"31001": 3}),
        (
            "zip_classes.zip",
            {
                "Smith_Anna": 1,
                "Jones_Bo": 1,
                "Ek_Cy": 1,
                "Lind_Dee": 1,
                "Holm_Eva": 1,
                "Berg_Fay": 1,
                "Dahl_Gus": 1,
                "Falk_Hal": 1,
            },
        ),
    ],
)
def test_zips_that_came_out_wrong(
    worker: Worker, bob: Visitor, session: Session, cases: Path, case: str, there: dict[str, int]
) -> None:
    drop_zip(bob, (cases / case).read_bytes())
    finish(worker)
    assert people(session) == there
