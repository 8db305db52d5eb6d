"""Photos that may be of different people under one name are held up, whichever comes first."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from tests.databases import on_both_databases
from tests.make.batches import announce, drop, drop_on, drop_zip, finish, start
from tests.make.photos import mate, picture
from tests.read.batches import assert_sound, fates, people
from tests.run.workers import Worker
from tests.visitor import Visitor

BY_FILE = {"grouping": "file", "label": "external_id"}
HELD = "attention same_name_elsewhere"


@on_both_databases
@pytest.mark.parametrize("at_once", [True, False], ids=["told at once", "told one by one"])
def test_two_people_of_one_name_in_two_classes_are_held_up(
    worker: Worker, bob: Visitor, session: Session, at_once: bool
) -> None:
    files = {
        "4A/Anna.jpg": picture(1),
        "4A/Bo.jpg": picture(2),
        "4B/Anna.jpg": picture(3),
        "4C/Anna.jpg": picture(4),
    }
    batch = start(bob, **BY_FILE)
    for part in [files] if at_once else [{path: content} for path, content in files.items()]:
        announce(bob, batch, part)
    drop_on(bob, batch, files)
    finish(worker)
    assert fates(session, batch) == {
        "4A/Anna.jpg": HELD,
        "4A/Bo.jpg": "attention no_face",
        "4B/Anna.jpg": HELD,
        "4C/Anna.jpg": HELD,
    }
    assert people(session) == {"Bo": 1}
    assert bob.post(f"/enrol/{batch}/retry").status_code == 302
    finish(worker)
    assert people(session) == {"Bo": 1}
    assert_sound(session, {batch: 4})


def test_folders_of_one_name_in_two_classes_are_held_up(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    files = {
        "4A/Anna Holm/1.jpg": picture(1),
        "4A/Anna Holm/2.jpg": picture(2),
        "4B/Anna Holm/1.jpg": picture(3),
    }
    batch = drop(bob, files, grouping="folder", label="name")
    finish(worker)
    assert set(fates(session, batch).values()) == {HELD}
    assert people(session) == {}


def test_a_long_number_is_one_persons_wherever_it_stands(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    batch = drop(bob, {"front/20017.jpg": picture(1), "side/20017.jpg": picture(2)}, **BY_FILE)
    finish(worker)
    assert people(session) == {"20017": 2}
    assert_sound(session, {batch: 2})


def test_a_number_behind_a_name_that_is_there_is_asked_about(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    batch = drop(
        bob, {"31001.jpg": picture(1), "31001_2.jpg": picture(2), "31002-1.jpg": picture(3)}, **BY_FILE
    )
    finish(worker)
    assert fates(session, batch)["31001_2.jpg"] == "attention numbered_copy"
    assert people(session) == {"31001": 1, "31002-1": 1}


def test_numbers_of_another_folder_are_not_added_to_people(
    worker: Worker, bob: Visitor, session: Session, lfw: Path
) -> None:
    drop(bob, {"Foxes/1.jpg": mate(lfw, "Al_Sharpton")}, **BY_FILE)
    finish(worker)
    batch = drop(bob, {"Bears/1.jpg": mate(lfw, "Anna_Kournikova")}, **BY_FILE)
    finish(worker)
    assert fates(session, batch) == {"Bears/1.jpg": "attention number_taken"}
    assert people(session) == {"1": 1}


def test_an_id_with_another_name_is_held_up(worker: Worker, bob: Visitor, session: Session) -> None:
    files = {"100_Anna_Holm.jpg": picture(1), "100_Bo_Berg.jpg": picture(2)}
    batch = drop(bob, files, grouping="file", label="id_name")
    finish(worker)
    assert sorted(fates(session, batch).values()) == ["attention no_face", "attention two_names"]
    assert people(session) == {"100": 1}


@pytest.mark.parametrize("chosen", [{"grouping": "auto", "label": "auto"}, BY_FILE])
def test_two_classes_with_the_same_numbers(
    worker: Worker, bob: Visitor, session: Session, cases: Path, chosen: dict[str, str]
) -> None:
    for name in ("zip_numbers_4A.zip", "zip_numbers_4B.zip"):
        drop_zip(bob, (cases / name).read_bytes(), **chosen)
        finish(worker)
    assert people(session) == {}
    for name in ("zip_numbers_4A.zip", "zip_numbers_4B.zip"):
        drop_zip(bob, (cases / name).read_bytes(), grouping="both", label="external_id")
        finish(worker)
    assert people(session) == {f"{one} {number}": 1 for one in ("4A", "4B") for number in (1, 2, 3)}
