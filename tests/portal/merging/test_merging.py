"""Two people made one: nothing is lost, everything is found, and it can be undone."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.audit.models import AuditEvent
from portal.database import Base, Gone
from portal.enrolment.adding import add_more_photos
from portal.extensions import db
from portal.merging.merging import MergeError, merges_of, undo_merge
from portal.organizations.models import Organization
from portal.people.aliases import aliases_of
from portal.people.models import Merge, Person, PersonWord
from portal.people.services import PersonError, change_person, count_people, list_people
from portal.photos import services as enrolment
from portal.photos.models import Face, Photo
from portal.photos.services import photos_of
from portal.removal.services import delete_person, remove_photo
from portal.storage import photo_store
from tests.databases import on_both_databases
from tests.make.merges import merge
from tests.make.people import TESTER, add_person, add_photo, stored
from tests.make.photos import picture
from tests.visitor import Visitor, file

Events = Callable[[str], list[AuditEvent]]
Files = Callable[[], list[Path]]


def undo(session: Session, merged: Merge) -> list[str]:
    return undo_merge(session, session.get_one(Organization, merged.organization_id), TESTER, merged)


def _home(session: Session, person: Person) -> Organization:
    return session.get_one(Organization, person.organization_id)


def state(session: Session, organization: Organization) -> dict[str, Any]:
    """People as staff know them: who is listed, with which photos, who can be found by which of them."""
    session.rollback()
    session.expire_all()
    people = list_people(session, organization).items
    photos = photos_of(session, people)
    return {
        f"{person.name} {person.external_id}": {
            (photo.id, photo.sha256, *(face.id for face in photo.faces if face.gallery_version))
            for photo in photos[person.id]
        }
        for person in people
    }


def found(session: Session, organization: Organization, query: str) -> list[str]:
    session.rollback()
    return [person.external_id for person in list_people(session, organization, query).items]


@on_both_databases
@pytest.mark.parametrize("name", ["Anna Bell", "Anne Ball"])
@pytest.mark.parametrize("external_id", ["A1", "B1"])
def test_merging_and_undoing_keep_every_photo_and_id(
    session: Session,
    clinic: Organization,
    anna: Person,
    anne: Person,
    files: Files,
    name: str,
    external_id: str,
) -> None:
    before, all_files = state(session, clinic), sorted(files())
    photos = session.scalars(select(Photo.id).order_by(Photo.id)).all()
    for _ in range(2):
        merged = merge(session, anna, anne, name=name, external_id=external_id)
        after = state(session, clinic)
        assert list(after) == [f"{name} {external_id}"]
        # Each of the four different photos once, and each usable one found by photo.
        (mine,) = after.values()
        assert len({sha256 for _, sha256, *_ in mine}) == len(mine) == 4
        assert len([photo for photo in mine if len(photo) == 3]) == 3
        searchable = session.execute(select(Face.person_id).where(Face.gallery_version.is_not(None)))
        assert {row.person_id for row in searchable} == {anna.id}
        assert {alias.external_id for alias in aliases_of(session, anna)} == {"A1", "B1"} - {external_id}
        assert {alias.name for alias in aliases_of(session, anna)} == {"Anna Bell", "Anne Ball"} - {name}
        assert session.scalars(select(Photo.id).order_by(Photo.id)).all() == photos
        assert undo(session, merged) == []
        assert state(session, clinic) == before
        assert aliases_of(session, anna) == []
    assert sorted(files()) == all_files


@on_both_databases
def test_whoever_is_merged_is_found_by_every_name_and_counted_once(
    session: Session, clinic: Organization, anna: Person, anne: Person
) -> None:
    other = add_person(session, clinic, "C1", "Carla")
    merged = merge(session, anna, anne, external_id="B1")
    for query in ("anna", "anne", "bell", "ball", "a1", "b1", "anna ball"):
        assert found(session, clinic, query) == ["B1"], query
    assert count_people(session, clinic) == 2
    assert enrolment.count_photos(session, clinic) == {"queued": 0, "running": 0, "done": 3, "failed": 1}
    change_person(session, clinic, TESTER, anna, external_id="B1", name="Hanna Bell")
    assert found(session, clinic, "anne") == found(session, clinic, "hanna") == ["B1"]
    assert found(session, clinic, "anna") == []
    second = merge(session, other, anna)
    assert found(session, clinic, "anne") == found(session, clinic, "hanna") == ["C1"]
    assert count_people(session, clinic) == 1
    undo(session, second)
    assert undo(session, merged) == []
    assert found(session, clinic, "anne") == ["B1"]
    assert found(session, clinic, "hanna") == found(session, clinic, "a1") == ["A1"]
    assert count_people(session, clinic) == 3
    assert set(session.scalars(select(PersonWord.person_id))) == {anna.id, anne.id, other.id}


@on_both_databases
def test_merges_of_merged_people_are_undone_in_reverse_order(
    session: Session, clinic: Organization, anna: Person, anne: Person
) -> None:
    carla, dora = add_person(session, clinic, "C1", "Carla"), add_person(session, clinic, "D1", "Dora")
    for person in (carla, dora):
        add_photo(session, person, shade=2, faces=2)
    add_photo(session, dora, shade=5)
    steps = [state(session, clinic)]
    merges = []
    for survivor, absorbed, external_id in ((anna, anne, "B1"), (carla, anna, "B1"), (carla, dora, "D1")):
        merges.append(merge(session, survivor, absorbed, external_id=external_id))
        steps.append(state(session, clinic))
    assert list(steps[-1]) == ["Carla D1"]
    assert {one.external_id for one in aliases_of(session, carla)} == {"A1", "B1", "C1"}
    assert [one.id for one in merges_of(session, clinic, carla)] == [one.id for one in reversed(merges)]
    for early in merges[:-1]:
        with pytest.raises(MergeError, match=r"Undo the later merge first\."):
            undo(session, early)
    while merges:
        assert state(session, clinic) == steps.pop()
        assert undo(session, merges.pop()) == []
    assert state(session, clinic) == steps.pop()


@on_both_databases
def test_what_was_changed_since_stays_when_a_merge_is_undone(
    session: Session, clinic: Organization, anna: Person, anne: Person
) -> None:
    kept = {photo.id for photo in photos_of(session, [anna])[anna.id]}
    merged = merge(session, anna, anne, name="Anne Ball", external_id="B1")
    change_person(session, clinic, TESTER, anna, external_id="Z9", name="Zoe")
    added = add_photo(session, anna, shade=9)
    gone = next(photo for photo in photos_of(session, [anna])[anna.id] if photo.state == "failed")
    remove_photo(session, clinic, TESTER, gone, photo_store())
    assert undo(session, merged) == [
        "The name Zoe was given after the merge, so it stays.",
        "The external ID Z9 was given after the merge, so it stays.",
        "One photo of Anne Ball had been removed since the merge and can't be restored.",
    ]
    assert set(state(session, clinic)) == {"Zoe Z9", "Anne Ball B1"}
    assert {photo.id for photo in photos_of(session, [anna])[anna.id]} == kept | {added.id}
    assert len(photos_of(session, [anne])[anne.id]) == 2
    assert found(session, clinic, "a1") == []


@on_both_databases
def test_an_external_id_that_somebody_else_got_since_is_not_taken_from_them(
    session: Session, clinic: Organization, anna: Person, anne: Person
) -> None:
    merged = merge(session, anna, anne, external_id="B1")
    change_person(session, clinic, TESTER, anna, external_id="Z9", name="Anna Bell")
    add_person(session, clinic, "B1", "Berta")
    assert undo(session, merged)[1:] == ["The external ID B1 now belongs to someone else: Anne Ball has A1."]
    assert set(state(session, clinic)) == {"Anna Bell Z9", "Anne Ball A1", "Berta B1"}


def test_what_makes_no_sense_is_refused_and_changes_nothing(
    session: Session, clinic: Organization, school: Organization, anna: Person, anne: Person
) -> None:
    theirs = add_person(session, school, "S1", "Sue")
    carla = add_person(session, clinic, "C1", "Carla")
    before = state(session, clinic)
    for survivor, absorbed, kept, words in (
        (anna, anna, {}, "A person can't be merged with themselves. Choose two people."),
        (anna, anne, {"name": "Else"}, "The name to keep must be that of one of the two. Choose again."),
        (
            anna,
            anne,
            {"external_id": "C1"},
            "The external ID to keep must be that of one of the two. Choose again.",
        ),
    ):
        with pytest.raises(MergeError) as refused:
            merge(session, survivor, absorbed, **kept)
        assert str(refused.value) == words
    for survivor, absorbed in ((anna, theirs), (theirs, anna)):
        with pytest.raises(Gone):
            merge(session, survivor, absorbed)
    assert state(session, clinic) == before
    merged = merge(session, anna, anne)
    for survivor, absorbed in ((carla, anne), (anne, carla)):
        with pytest.raises(
            MergeError, match=r"Anne Ball \(B1\) has already been merged into Anna Bell \(A1\)\."
        ):
            merge(session, survivor, absorbed)
    with pytest.raises(Gone):
        undo_merge(session, school, TESTER, merged)
    undo(session, merged)
    with pytest.raises(MergeError, match=r"This merge has already been undone\."):
        undo(session, merged)
    assert state(session, clinic) == before


def test_more_photos_than_a_person_can_have_are_kept_and_no_more_are_taken(
    session: Session, clinic: Organization, anna: Person, anne: Person
) -> None:
    for shade in range(100, 120):
        add_photo(session, anna, shade=shade)
    merged = merge(session, anna, anne)
    assert len(photos_of(session, [anna])[anna.id]) == 24
    known = stored(photo_store(), clinic, picture(100))
    assert add_more_photos(session, clinic, TESTER, anna, [known], photo_store()) == [known]
    new = stored(photo_store(), clinic, picture(200))
    with pytest.raises(enrolment.PhotoError, match="This one has 24; 1 more were sent"):
        add_more_photos(session, clinic, TESTER, anna, [new], photo_store())
    undo(session, merged)
    assert len(photos_of(session, [anna])[anna.id]) == 22


@on_both_databases
def test_a_photo_that_is_removed_is_gone_with_its_hidden_copies(
    session: Session, clinic: Organization, anna: Person, anne: Person, files: Files
) -> None:
    merged = merge(session, anna, anne)
    before = len(files())
    shared = photos_of(session, [anna])[anna.id][1]
    sha256 = shared.sha256
    remove_photo(session, clinic, TESTER, shared, photo_store())
    assert not session.scalars(select(Photo).where(Photo.sha256 == sha256)).all()
    assert len(files()) == before - 6
    assert undo(session, merged) == []
    assert len(photos_of(session, [anne])[anne.id]) == 2


@on_both_databases
def test_who_deletes_a_person_deletes_everybody_who_was_merged_into_them(
    session: Session, clinic: Organization, anna: Person, anne: Person, files: Files, events: Events
) -> None:
    carla = add_person(session, clinic, "C1", "Carla")
    add_photo(session, carla, shade=1)
    merge(session, anne, anna)
    merge(session, carla, anne)
    with pytest.raises(Gone):
        delete_person(session, clinic, TESTER, anna, photo_store())
    delete_person(session, clinic, TESTER, carla, photo_store())
    assert files() == []
    for table in (Person, PersonWord, Photo, Face, Merge):
        assert session.scalar(select(func.count()).select_from(table)) == 0, table
    assert {event.details["external_id"]: event.details["photos"] for event in events("person.deleted")} == {
        "A1": 1,
        "B1": 1,
        "C1": 4,
    }
    assert add_person(session, clinic, "A1").id > carla.id  # the ids are free again


@on_both_databases
def test_who_is_a_moment_too_late_for_people_who_were_deleted_is_told_so(
    session: Session, clinic: Organization, anna: Person, anne: Person
) -> None:
    carla = add_person(session, clinic, "C1", "Carla")
    merged = merge(session, anna, anne)
    ids = anna.id, carla.id, merged.id
    acts: list[Callable[[Session, Person, Person, Merge], object]] = [
        lambda own, one, other, _: merge(own, one, other),
        lambda own, _one, _other, theirs: undo(own, theirs),
        lambda own, one, *_: delete_person(own, _home(own, one), TESTER, one, photo_store()),
    ]
    with ExitStack() as open_sessions:
        loaded: list[tuple[Session, Person, Person, Merge]] = []
        for _ in acts:
            own = open_sessions.enter_context(Session(db.engine, expire_on_commit=False))
            one, other = own.get_one(Person, ids[0]), own.get_one(Person, ids[1])
            loaded.append((own, one, other, own.get_one(Merge, ids[2])))
            own.get_one(Organization, clinic.id)
        delete_person(session, clinic, TESTER, anna, photo_store())
        for act, rows in zip(acts, loaded, strict=True):
            with pytest.raises(Gone):
                act(*rows)


def test_an_external_id_of_an_alias_stays_taken(
    session: Session, bob: Visitor, clinic: Organization, anna: Person, anne: Person
) -> None:
    merge(session, anna, anne)
    words = "External ID B1 is already in use: that person was merged into Anna Bell (A1)."
    with pytest.raises(PersonError) as refused:
        add_person(session, clinic, "B1", "New")
    assert str(refused.value) == words
    with pytest.raises(PersonError) as refused:
        change_person(session, clinic, TESTER, anna, external_id="B1", name="Anna Bell")
    assert str(refused.value) == words
    sent = {"name": "New", "external_id": "B1", "photos": [file(picture(7))]}
    assert bob.post("/people/new", sent).status_code == 422
    assert words in bob.text


def test_whoever_acts_on_somebody_who_was_just_merged_changes_nothing(
    session: Session, clinic: Organization, anna: Person, anne: Person
) -> None:
    merge(session, anna, anne)
    before = state(session, clinic)
    new = stored(photo_store(), clinic, picture(50))
    hidden = session.scalars(select(Photo).where(Photo.person_id == anne.id)).one()
    for act in (
        lambda: change_person(session, clinic, TESTER, anne, external_id="B2", name="Else"),
        lambda: delete_person(session, clinic, TESTER, anne, photo_store()),
        lambda: add_more_photos(session, clinic, TESTER, anne, [new], photo_store()),
        lambda: remove_photo(session, clinic, TESTER, hidden, photo_store()),
    ):
        with pytest.raises(Gone):
            act()
    assert state(session, clinic) == before


@on_both_databases
def test_of_two_who_merge_the_same_people_at_once_one_does_it(
    app: Flask, session: Session, clinic: Organization, anna: Person, anne: Person
) -> None:
    ids = anna.id, anne.id
    session.rollback()

    def work(pair: tuple[int, int]) -> str:
        with app.app_context():
            own = db.session()
            survivor, absorbed = (own.get_one(Person, person_id) for person_id in pair)
            try:
                merge(own, survivor, absorbed)
            except MergeError as refused:
                return str(refused)
            return "merged"

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(work, [ids, ids[::-1], ids, ids[::-1]]))
    assert answers.count("merged") == 1
    assert all("already" in answer for answer in answers if answer != "merged")
    (mine,) = state(session, clinic).values()
    assert len(mine) == 4


def test_merging_and_undoing_are_all_or_nothing(
    session: Session, clinic: Organization, anna: Person, anne: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    def everything() -> dict[str, Any]:
        session.rollback()
        tables = (table for table in Base.metadata.sorted_tables if "organization_id" in table.columns)
        return {
            table.name: session.execute(select(table).order_by(*table.primary_key)).all() for table in tables
        }

    before = everything()
    with monkeypatch.context() as broken:
        broken.setattr("portal.merging.merging.carry_over", fail)
        with pytest.raises(RuntimeError):
            merge(session, anna, anne, external_id="B1")
    assert everything() == before
    merged = merge(session, anna, anne, external_id="B1")
    before = everything()
    with monkeypatch.context() as broken:
        broken.setattr("portal.merging.merging.undo_carry_over", fail)
        with pytest.raises(RuntimeError):
            undo(session, merged)
    assert everything() == before
