"""A folder that is no person: its faces are held up before anybody finds them, and staff are asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.people.models import Person
from portal.photos.models import Face
from tests.databases import on_both_databases
from tests.make.batches import drop, drop_zip, finish
from tests.make.photos import mate
from tests.read.batches import assert_sound, counted, fates, people
from tests.run.workers import Worker
from tests.visitor import Visitor

UNLIKE = "attention unlike_others"
CLASS = ("Al_Sharpton", "Anna_Kournikova", "Ai_Sugiyama", "Allen_Iverson")
BY_FOLDER = {"grouping": "folder", "label": "name"}


def a_class(lfw: Path, name: str = "Sunny Side") -> dict[str, bytes]:
    return {f"{name}/{pupil}.jpg": mate(lfw, pupil) for pupil in CLASS}


def in_gallery(session: Session) -> dict[str, int]:
    """How many faces can be found, by external ID."""
    session.rollback()  # what was committed meanwhile
    rows = session.execute(
        select(Person.external_id).join(Face).where(Face.gallery_version.is_not(None))
    ).scalars()
    found = list(rows)
    return {name: found.count(name) for name in set(found)}


def person_of(session: Session, external_id: str) -> int:
    return session.scalars(select(Person.id).where(Person.external_id == external_id)).one()


@on_both_databases
@pytest.mark.parametrize("at_once", [True, False], ids=["together", "one after the other"])
def test_a_class_is_not_enrolled_as_a_person(
    worker: Worker, bob: Visitor, session: Session, lfw: Path, at_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not at_once:
        monkeypatch.setattr("jobs.enrolment.CLAIMED_PHOTOS", 1)
    batch = drop(bob, a_class(lfw), **BY_FOLDER)
    finish(worker)
    assert set(fates(session, batch).values()) == {UNLIKE}
    assert in_gallery(session) == {}
    bob.get(f"/enrol/{batch}?show=attention&reason=unlike_others")
    assert len(bob.page.select("[data-unlike='Sunny Side'] svg[role=img]")) == 4
    # Each file is a person: the class is gone.
    bob.post(f"/enrol/{batch}/people/{person_of(session, 'Sunny Side')}/apart", {})
    finish(worker)
    assert people(session) == dict.fromkeys(CLASS, 1)
    assert in_gallery(session) == dict.fromkeys(CLASS, 1)
    assert counted(bob, batch) == {"enrolled": 4}
    bob.get("/audit")
    assert_sound(session, {batch: 4})


def test_staff_may_say_that_they_are_one_person(
    worker: Worker, bob: Visitor, session: Session, lfw: Path
) -> None:
    batch = drop(bob, a_class(lfw), **BY_FOLDER)
    finish(worker)
    # Trying again changes nothing.
    bob.post(f"/enrol/{batch}/retry", {})
    finish(worker)
    assert in_gallery(session) == {}
    address = f"/enrol/{batch}/people/{person_of(session, 'Sunny Side')}/one"
    bob.post(address, {})
    finish(worker)
    assert counted(bob, batch) == {"enrolled": 4}
    assert in_gallery(session) == {"Sunny Side": 4}
    bob.post(address, {})
    assert in_gallery(session) == {"Sunny Side": 4}
    assert_sound(session, {batch: 4})


def test_one_wrong_photo_among_many_is_held_alone(
    worker: Worker, bob: Visitor, session: Session, lfw: Path
) -> None:
    files = {f"Anna K/{number}.jpg": mate(lfw, "Anna_Kournikova", number) for number in (1, 2)}
    files["Anna K/3.jpg"] = mate(lfw, "Al_Sharpton")
    batch = drop(bob, files, **BY_FOLDER)
    finish(worker)
    assert fates(session, batch) == {
        "Anna K/1.jpg": "enrolled",
        "Anna K/2.jpg": "enrolled",
        "Anna K/3.jpg": UNLIKE,
    }
    assert in_gallery(session) == {"Anna K": 2}


def test_someone_else_is_not_added_to_who_is_enrolled(
    worker: Worker, bob: Visitor, session: Session, lfw: Path
) -> None:
    by_file = {"grouping": "file", "label": "external_id"}
    drop(bob, {"1.jpg": mate(lfw, "Anna_Kournikova")}, **by_file)
    finish(worker)
    other = drop(bob, {"1.jpg": mate(lfw, "Al_Sharpton")}, **by_file)
    same = drop(bob, {"1.jpg": mate(lfw, "Anna_Kournikova", 2)}, **by_file)
    finish(worker)
    assert fates(session, other) == {"1.jpg": UNLIKE}
    assert fates(session, same) == {"1.jpg": "added"}
    assert in_gallery(session) == {"1": 2}


def test_a_list_says_who_is_on_a_photo(worker: Worker, bob: Visitor, session: Session, lfw: Path) -> None:
    files = {"1.jpg": mate(lfw, "Anna_Kournikova"), "2.jpg": mate(lfw, "Al_Sharpton")}
    batch = drop(bob, files, "external_id,name,photo\nA1,Anna,1.jpg,2.jpg\n")
    finish(worker)
    assert counted(bob, batch) == {"enrolled": 2}


def test_pupils_of_one_number_get_their_class_before_it(
    worker: Worker, bob: Visitor, session: Session, cases: Path
) -> None:
    batch = drop_zip(bob, (cases / "zip_numbers_4A.zip").read_bytes(), **BY_FOLDER)
    finish(worker)
    assert in_gallery(session) == {}
    bob.post(f"/enrol/{batch}/people/{person_of(session, '4A')}/apart", {})
    finish(worker)
    assert in_gallery(session) == {"4A 1": 1, "4A 2": 1, "4A 3": 1}
