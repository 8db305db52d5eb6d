"""Merges while photos are worked on, searched for and enrolled in bulk: nobody's photos are lost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from portal.audit.models import AuditEvent
from portal.enrolment import work
from portal.enrolment.work import claim_photos, record_photos
from portal.extensions import db
from portal.merging import merging
from portal.merging.carrying import carry_over
from portal.merging.merging import undo_merge
from portal.organizations.models import Organization
from portal.people.models import Merge, Person
from portal.people.services import list_people
from portal.photos.gallery import next_version
from portal.photos.models import Face, Photo
from portal.photos.services import choose_face, photos_of
from portal.storage import photo_store
from tests.databases import on_both_databases, on_postgresql
from tests.make.batches import drop, finish
from tests.make.merges import merge
from tests.make.people import TESTER
from tests.make.photos import mate, picture, six_people
from tests.read.batches import assert_sound, counted, fates, people
from tests.run.postgres import someone_waits_for_a_lock
from tests.run.workers import Worker
from tests.visitor import Visitor, enrol, file, search
from tests.waiting import wait_until

Events = Callable[[str], list[AuditEvent]]


def merge_by_id(session: Session, survivor: int, absorbed: int) -> Merge:
    session.rollback()
    return merge(session, session.get_one(Person, survivor), session.get_one(Person, absorbed))


def undo(session: Session, merged: Merge) -> None:
    session.rollback()
    undo_merge(session, session.get_one(Organization, merged.organization_id), TESTER, merged)


def candidates(worker: Worker, visitor: Visitor, photo: bytes) -> list[tuple[str, bool]]:
    """The candidate list of a photo: external ids, best first, and whether they are above the threshold."""
    number = search(visitor, photo)
    worker.work()
    visitor.get(f"/search/{number}")
    return [
        (str(row["data-external-id"]), row["data-match"] == "true")
        for row in visitor.page.select("[data-candidate]")
    ]


def in_gallery(session: Session) -> dict[int, int]:
    """Whose faces can be found, by photo."""
    session.rollback()
    rows = session.execute(select(Face.photo_id, Face.person_id).where(Face.gallery_version.is_not(None)))
    return {row.photo_id: row.person_id for row in rows}


def photo_ids(session: Session, person: int) -> list[int]:
    session.rollback()
    return list(session.scalars(select(Photo.id).where(Photo.person_id == person).order_by(Photo.id)))


@on_both_databases
def test_a_search_finds_who_was_merged_as_the_other_until_it_is_undone(
    worker: Worker, bob: Visitor, session: Session, lfw: Path
) -> None:
    anna, al = mate(lfw, "Anna_Kournikova", 1), mate(lfw, "Al_Sharpton", 1)
    kept = enrol(bob, "Kept", "K1", al, mate(lfw, "Al_Sharpton", 2))
    gone = enrol(bob, "Gone", "G1", anna, al)
    worker.work()
    before = candidates(worker, bob, anna)  # the worker holds the gallery from now on
    assert [one for one, _ in before] == ["G1", "K1"]
    merged = merge_by_id(session, kept, gone)
    assert candidates(worker, bob, anna) == [("K1", True)]
    assert candidates(worker, bob, al) == [("K1", True)]
    undo(session, merged)
    assert candidates(worker, bob, anna) == before
    assert {one for one, match in candidates(worker, bob, al) if match} == {"G1", "K1"}
    merge_by_id(session, gone, kept)
    assert candidates(worker, bob, anna) == [("G1", True)]


@on_both_databases
def test_photos_that_wait_move_and_copies_that_wait_stay_hidden(
    worker: Worker, bob: Visitor, session: Session, lfw: Path
) -> None:
    anna, al = mate(lfw, "Anna_Kournikova", 1), mate(lfw, "Al_Sharpton", 1)
    kept, gone = enrol(bob, "Kept", "K1", al), enrol(bob, "Gone", "G1", anna, al)
    (first,), (moved, hidden) = photo_ids(session, kept), photo_ids(session, gone)
    merged = merge_by_id(session, kept, gone)
    worker.work()
    assert in_gallery(session) == {first: kept, moved: kept}
    undo(session, merged)
    # The copy was looked at as well while it was hidden.
    assert in_gallery(session) == {first: kept, moved: gone, hidden: gone}
    assert [one for one, _ in candidates(worker, bob, anna)] == ["G1", "K1"]


@on_both_databases
@pytest.mark.parametrize("moment", ["claimed", "written"])
def test_a_photo_that_is_being_worked_on_ends_up_with_the_survivor(
    app: Flask,
    worker: Worker,
    bob: Visitor,
    session: Session,
    lfw: Path,
    moment: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = enrol(bob, "Kept", "K1", mate(lfw, "Al_Sharpton", 1))
    worker.work()
    gone = enrol(bob, "Gone", "G1", mate(lfw, "Anna_Kournikova", 1))
    hooked = {"claimed": "jobs.enrolment.claim_photos", "written": "jobs.enrolment.record_photos"}[moment]
    genuine: Callable[..., object] = claim_photos if moment == "claimed" else record_photos

    def merge_beside(*arguments: Any) -> object:
        answer = genuine(*arguments) if moment == "claimed" else None
        with app.app_context():
            merge_by_id(db.session(), kept, gone)
        return answer or genuine(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(hooked, merge_beside)
        worker.work(1)
    finish(worker)
    assert set(in_gallery(session).values()) == {kept}
    assert len(in_gallery(session)) == 2
    assert photo_ids(session, gone) == []


@on_postgresql
def test_a_merge_in_the_middle_of_a_workers_writing_meets_no_deadlock(
    app: Flask,
    worker: Worker,
    bob: Visitor,
    session: Session,
    lfw: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = enrol(bob, "Kept", "K1", mate(lfw, "Al_Sharpton", 1))
    gone = enrol(bob, "Gone", "G1", mate(lfw, "Anna_Kournikova", 1))
    engine, merges = db.engine, []

    def merge_elsewhere() -> None:
        with app.app_context():
            merge_by_id(db.session(), kept, gone)

    hold_people = work._lock_people

    with ThreadPoolExecutor(1) as pool:

        def hold_and_be_met(*arguments: Any) -> set[int]:
            held = hold_people(*arguments)
            future: Future[None] = pool.submit(merge_elsewhere)
            merges.append(future)
            wait_until(
                lambda: someone_waits_for_a_lock(engine) or future.done(),
                "the merge to meet the worker's locks",
            )
            assert not future.done()
            return held

        monkeypatch.setattr(work, "_lock_people", hold_and_be_met)
        worker.work(1)
        merges[0].result()
    assert set(in_gallery(session).values()) == {kept}
    assert len(in_gallery(session)) == 2


@on_postgresql
def test_a_worker_that_waits_for_a_merge_holds_the_survivor_before_the_photo(
    app: Flask,
    worker: Worker,
    bob: Visitor,
    session: Session,
    lfw: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever deletes the survivor then waits for the worker, and neither waits for the other."""
    kept = enrol(bob, "Kept", "K1", mate(lfw, "Al_Sharpton", 1))
    worker.work()
    gone = enrol(bob, "Gone", "G1", mate(lfw, "Anna_Kournikova", 1))
    engine = db.engine
    merging_now = Event()

    def carry_over_when_somebody_waits(*arguments: Any) -> None:
        merging_now.set()
        wait_until(lambda: someone_waits_for_a_lock(engine), "the worker to meet the merge's locks")
        carry_over(*arguments)

    def merge_elsewhere() -> None:
        with app.app_context():
            merge_by_id(db.session(), kept, gone)

    def raise_version(*arguments: Any) -> int:
        with engine.connect() as other, pytest.raises(OperationalError, match="could not obtain lock"):
            other.execute(text(f"SELECT id FROM person WHERE id = {kept} FOR UPDATE NOWAIT"))
        return next_version(*arguments)

    def record_beside_a_merge(*arguments: Any) -> list[int]:
        merges = pool.submit(merge_elsewhere)
        assert merging_now.wait(60)
        answer = record_photos(*arguments)
        merges.result()
        return answer

    with ThreadPoolExecutor(1) as pool, monkeypatch.context() as patch:
        patch.setattr(merging, "carry_over", carry_over_when_somebody_waits)
        patch.setattr(work, "next_version", raise_version)
        patch.setattr("jobs.enrolment.record_photos", record_beside_a_merge)
        worker.work(1)
    assert set(in_gallery(session).values()) == {kept}
    assert len(in_gallery(session)) == 2


def test_a_face_that_was_chosen_before_the_photo_was_hidden_is_found_after_the_undo(
    worker: Worker, bob: Visitor, session: Session, clinic: Organization
) -> None:
    kept, gone = enrol(bob, "Kept", "K1", six_people()), enrol(bob, "Gone", "G1", six_people())
    worker.work()
    (first,), (hidden,) = photo_ids(session, kept), photo_ids(session, gone)
    photo = session.get_one(Photo, hidden)
    other = next(face.id for face in photo.faces if face.id != photo.main_face_id)
    choose_face(session, clinic, TESTER, photo, other)
    merged = merge_by_id(session, kept, gone)
    worker.work()
    assert in_gallery(session) == {first: kept}
    undo(session, merged)
    assert in_gallery(session) == {first: kept, hidden: gone}
    chosen = select(Face.id).where(Face.photo_id == hidden, Face.gallery_version.is_not(None))
    assert session.scalars(chosen).all() == [other]


@on_both_databases
def test_photos_that_come_for_an_alias_are_added_to_the_survivor(
    worker: Worker, bob: Visitor, session: Session, clinic: Organization, events: Events
) -> None:
    kept, gone = enrol(bob, "Anna", "K1", picture(1)), enrol(bob, "Anne", "G1", picture(1), picture(2))
    merged = merge_by_id(session, kept, gone)
    rows = (
        "external_id,name,photo\nG1,Anne,1.jpg\nG1,Anna,2.jpg\nG1,Anne,3.jpg\nK1,Anne,4.jpg\nG1,Bea,5.jpg\n"
    )
    files = {f"{number}.jpg": picture(number) for number in range(1, 6)}
    batch = drop(bob, files, rows)
    finish(worker)
    assert fates(session, batch) == {
        "1.jpg": "already_there",
        "2.jpg": "already_there",
        "3.jpg": "attention no_face",  # it is a picture of nobody
        "4.jpg": "attention no_face",
        "5.jpg": "attention other_name",
    }
    assert people(session) == {"K1": 4, "G1": 1}
    (added,) = events("photo.added")
    assert (added.subject_id, added.details) == (kept, {"photos": 2, "batch": batch})
    assert_sound(session, {batch: 5})
    undo(session, merged)
    assert people(session) == {"K1": 3, "G1": 2}
    skipping = drop(bob, {"G1/9.jpg": picture(9)}, known="skip")
    finish(worker)
    assert counted(bob, skipping) == {"already-there": 1}


@on_both_databases
def test_a_batch_that_is_undone_takes_its_own_photos_and_aliases_only(
    worker: Worker, bob: Visitor, session: Session, clinic: Organization
) -> None:
    by_hand = enrol(bob, "Hand", "H1", picture(1), picture(2))
    batch = drop(bob, {"B1/1.jpg": picture(3), "B2/1.jpg": picture(4), "B3/1.jpg": picture(5)})
    finish(worker)
    of_batch = {person.external_id: person.id for person in list_people(session, clinic).items}
    # B1 is all the batch's; B2 has a photo that someone added; B3 absorbed someone who was there before.
    more = {"photos": [file(picture(6), "more.jpg")]}
    assert bob.post(f"/people/{of_batch['B2']}/photos", more).status_code == 302
    other = enrol(bob, "Other", "O1", picture(7))
    finish(worker)
    for survivor, absorbed in ((by_hand, of_batch["B1"]), (by_hand, of_batch["B2"]), (of_batch["B3"], other)):
        merge_by_id(session, survivor, absorbed)
    bob.post(f"/enrol/{batch}/undo")
    finish(worker)
    session.rollback()
    assert people(session) == {"B2": 0, "B3": 1, "H1": 3, "O1": 0}
    assert [person.external_id for person in list_people(session, clinic, "b1").items] == []
    assert [person.external_id for person in list_people(session, clinic, "b2").items] == ["H1"]
    assert_sound(session, {batch: 3})
    merges = {merged.absorbed_id: merged for merged in session.scalars(select(Merge))}
    undo(session, merges[other])
    undo(session, merges[of_batch["B2"]])
    assert people(session) == {"B2": 1, "B3": 0, "H1": 2, "O1": 1}


@on_both_databases
def test_people_of_one_batch_who_were_merged_go_with_it(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    batch = drop(bob, {"B1/1.jpg": picture(1), "B2/1.jpg": picture(1), "B2/2.jpg": picture(2)})
    finish(worker)
    merge_by_id(session, *session.scalars(select(Person.id).order_by(Person.external_id)).all())
    bob.post(f"/enrol/{batch}/undo")
    finish(worker)
    assert people(session) == {}
    assert not session.scalars(select(Merge)).all()
    assert list(photo_store().keys(float("inf"))) == []


@on_both_databases
def test_a_hidden_copy_takes_the_place_of_a_photo_that_goes_with_its_batch(
    worker: Worker, bob: Visitor, session: Session, clinic: Organization, lfw: Path
) -> None:
    al, anna = mate(lfw, "Al_Sharpton", 1), mate(lfw, "Anna_Kournikova", 1)
    kept, gone = enrol(bob, "Kept", "K1", anna), enrol(bob, "Gone", "G1", al)
    third = enrol(bob, "Third", "T1", al)
    finish(worker)
    batch = drop(bob, {"K1/1.jpg": al})
    finish(worker)
    (copy,), (other_copy,) = photo_ids(session, gone), photo_ids(session, third)
    merges = [merge_by_id(session, gone, third), merge_by_id(session, kept, gone)]
    assert copy not in in_gallery(session)
    bob.post(f"/enrol/{batch}/undo")
    finish(worker)
    assert in_gallery(session)[copy] == kept
    assert [one for one, _ in candidates(worker, bob, al)] == ["K1"]
    for merged in reversed(merges):
        undo(session, merged)
    found = in_gallery(session)
    assert (found[copy], found[other_copy]) == (gone, third)
    assert {len(mine) for mine in photos_of(session, list_people(session, clinic).items).values()} == {1}
