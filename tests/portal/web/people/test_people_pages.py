"""People, as staff enrol, change, look at and delete them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.audit.models import AuditEvent
from portal.database import Base
from portal.enrolment import adding
from portal.enrolment.adding import create_person
from portal.extensions import db
from portal.organizations.models import Organization
from portal.people import services
from portal.people.models import Person
from portal.people.services import PersonError
from portal.photos.models import Face, GalleryRemoval, Photo
from portal.photos.reasons import MAX_PHOTO_BYTES
from portal.search.models import Candidate
from portal.storage import photo_store
from tests.databases import on_both_databases
from tests.make.people import TESTER, add_person, add_photo, stored
from tests.make.photos import picture
from tests.make.searches import add_search
from tests.visitor import Sent, Visitor, enrol, file

Events = Callable[[str], list[AuditEvent]]


def photos(number: int) -> list[Sent]:
    return [file(picture(number), f"photo-{number}.jpg") for number in range(number)]


def listed(visitor: Visitor, query: str = "") -> list[str]:
    visitor.get("/people", query_string={"query": query})
    return [str(row["data-person"]) for row in visitor.page.select("[data-person]")]


@pytest.mark.parametrize("number", [1, 20])
def test_a_person_is_enrolled_with_photos(bob: Visitor, number: int, files: Callable[[], list[Path]]) -> None:
    response = bob.post(
        "/people/new", {"name": " Anna  Bell ", "external_id": "A1", "photos": photos(number)}
    )
    assert response.status_code == 302
    bob.get(response.location)
    assert "Anna Bell is enrolled" in bob.text
    tiles = bob.page.select("[data-photo]")
    assert [tile["data-photo-state"] for tile in tiles] == ["queued"] * number
    assert len(files()) == number
    assert listed(bob) == ["A1"]


@pytest.mark.parametrize(
    ("name", "external_id", "sent", "field", "message"),
    [
        ("", "A1", 1, "name", "Enter the name."),
        ("  \u00a0 ", "A1", 1, "name", "Enter the name."),
        ("x" * 201, "A1", 1, "name", "The name has 201 characters; 200 are allowed."),
        ("An\x07na", "A1", 1, "name", "The name contains a character that can't be read."),
        ("Anna", "", 1, "external_id", "Enter the external ID."),
        ("Anna", "x" * 101, 1, "external_id", "The external ID has 101 characters; 100 are allowed."),
        ("Anna", "TAKEN", 1, "external_id", "External ID TAKEN is already in use."),
        ("Anna", "A1", 0, "photos", "Choose at least one photo."),
        ("Anna", "A1", 21, "photos", "A person can have 20 photos. This one has 0; 21 more were sent."),
    ],
)
def test_a_mistake_is_told_beside_its_field_and_what_was_typed_stays(
    app: Flask,
    bob: Visitor,
    files: Callable[[], list[Path]],
    name: str,
    external_id: str,
    sent: int,
    field: str,
    message: str,
) -> None:
    with app.app_context():
        add_person(db.session(), bob.organization, "TAKEN")
    response = bob.post("/people/new", {"name": name, "external_id": external_id, "photos": photos(sent)})
    assert response.status_code == 422
    assert message in bob.text
    for typed, value in (("name", name), ("external_id", external_id)):
        box = bob.page.select_one(f"input[name={typed}]")
        assert box is not None
        assert box["value"] == value
        assert (box.get("aria-invalid") == "true") == (typed == field)
    assert files() == []
    assert listed(bob) == ["TAKEN"]


def test_a_photo_that_is_too_large_is_named_and_nothing_of_the_form_is_kept(
    bob: Visitor, files: Callable[[], list[Path]]
) -> None:
    large = picture(1) + bytes(MAX_PHOTO_BYTES)
    sent = [
        file(picture(2), "fine.jpg"),
        file(large, "C:\\Users\\Bob\\large.jpg"),
        file(picture(3), "also.jpg"),
    ]
    assert bob.post("/people/new", {"name": "Anna", "external_id": "A1", "photos": sent}).status_code == 422
    assert "large.jpg is larger than 25 MiB. Nothing was saved" in bob.text
    assert "C:\\Users" not in bob.text
    assert files() == []
    assert listed(bob) == []


def test_a_photo_of_just_the_allowed_size_is_taken(bob: Visitor) -> None:
    whole = picture(1)
    enrol(bob, "Anna", "A1", whole + bytes(MAX_PHOTO_BYTES - len(whole)))


def test_an_external_id_is_unique_in_its_organization_only(bob: Visitor, charlie: Visitor) -> None:
    enrol(bob, "Anna", "A1", picture(1))
    enrol(charlie, "Another Anna", "A1", picture(1))
    assert (listed(bob), listed(charlie)) == (["A1"], ["A1"])


@on_both_databases
def test_who_is_a_moment_slower_with_an_external_id_is_told_so(
    app: Flask, clinic: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        session = db.session()
        person = add_person(session, clinic, "A1")
        other = add_person(session, clinic, "B2")
        # The other one commits between the look and the write.
        for module in (adding, services):
            monkeypatch.setattr(module, "refuse_taken", lambda *_: None)
        with pytest.raises(PersonError, match="A1 is already in use"):
            add_person(session, clinic, "A1")
        with pytest.raises(PersonError, match="A1 is already in use"):
            services.change_person(session, clinic, TESTER, other, external_id="A1", name="Anna")
        assert session.scalars(select(Person.id)).all() == [person.id, other.id]


def test_the_list_is_searched(app: Flask, vera: Visitor) -> None:
    with app.app_context():
        for external_id, name in (("A-17", "José Núñez"), ("B-17", "Maria García-López"), ("C-1", "Ann")):
            add_person(db.session(), vera.organization, external_id, name)
    assert listed(vera) == ["C-1", "A-17", "B-17"]
    assert listed(vera, "nunez jo") == ["A-17"]
    assert listed(vera, "17") == ["A-17", "B-17"]
    assert listed(vera, "b-17") == ["B-17"]
    assert listed(vera, "nobody") == []
    assert "No name or external ID has a word that begins with “nobody”" in vera.text


def test_the_list_leads_from_page_to_page(app: Flask, vera: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "PAGE_SIZE", 2)
    with app.app_context():
        for number in range(5):
            add_person(db.session(), vera.organization, f"A{number}", "Anna")

    def follow(relation: str) -> list[str]:
        vera.get(vera.link(f"a[rel={relation}]"))
        return [str(row["data-person"]) for row in vera.page.select("[data-person]")]

    for query in ("", "anna"):
        assert listed(vera, query) == ["A0", "A1"]
        assert follow("next") == ["A2", "A3"]
        assert follow("next") == ["A4"]
        assert vera.page.select_one("a[rel=next]") is None
        assert follow("prev") == ["A2", "A3"]
        assert follow("prev") == ["A0", "A1"]
        assert vera.page.select_one("a[rel=prev]") is None


def test_a_person_is_renamed(app: Flask, bob: Visitor, events: Events) -> None:
    with app.app_context():
        add_person(db.session(), bob.organization, "TAKEN")
        person = add_person(db.session(), bob.organization, "A1", "Anna")
    address = f"/people/{person.id}/edit"
    bob.get(address)
    assert [box["value"] for box in bob.page.select("input[name=name], input[name=external_id]")] == [
        "Anna",
        "A1",
    ]
    assert bob.post(address, {"name": "Anna Bell", "external_id": "TAKEN"}).status_code == 422
    assert "TAKEN is already in use" in bob.text
    assert bob.post(address, {"name": "Anna Bell", "external_id": "A2"}).status_code == 302
    assert bob.post(address, {"name": "Anna Bell", "external_id": "A2"}).status_code == 302
    assert listed(bob, "bell") == ["A2"]
    (change,) = events("person.changed")  # saving the same again is no change
    assert (change.actor, change.subject_id) == ("bob@clinic.example", person.id)
    assert change.details == {"name": True, "external_id": ["A1", "A2"]}


@on_both_databases
def test_a_deleted_person_is_really_gone(
    app: Flask, bob: Visitor, files: Callable[[], list[Path]], events: Events
) -> None:
    with app.app_context():
        session, organization = db.session(), db.session.get_one(Organization, bob.organization.id)
        anna, ben = add_person(session, organization, "A1", "Anna"), add_person(session, organization, "B1")
        photos = [add_photo(session, anna, shade=1, faces=2), add_photo(session, anna, shade=2)]
        kept = add_photo(session, ben, shade=3)
        search = add_search(session, organization, candidates=(photos[0], kept))
        faces = session.scalars(
            select(Face.id).where(Face.person_id == anna.id, Face.gallery_version.is_not(None))
        ).all()
        version = organization.gallery_version
    assert len(files()) == 12
    assert bob.post(f"/people/{anna.id}/delete").status_code == 302
    assert bob.get(f"/people/{anna.id}").status_code == 404
    assert listed(bob) == listed(bob, "b1") == ["B1"]
    assert listed(bob, "anna") == ["B1"]  # who is called so as well
    assert sorted({path.name.split(".")[0] for path in files()}) == sorted(
        key.rsplit("/", 1)[1] for key in (kept.file_key, search.file_key)
    )
    with app.app_context():
        session = db.session()
        for table in Base.metadata.sorted_tables:
            if "person_id" in table.columns:
                assert not session.execute(select(table).where(table.c.person_id == anna.id)).all(), table
        # Workers that hold the gallery learn of it.
        gone = session.scalars(
            select(GalleryRemoval.face_id).where(GalleryRemoval.gallery_version > version)
        ).all()
        assert sorted(gone) == sorted(faces)
        assert session.scalars(select(Candidate.person_id)).all() == [ben.id]
    bob.get(f"/search/{search.id}")
    assert [row["data-external-id"] for row in bob.page.select("[data-candidate]")] == ["B1"]
    (event,) = events("person.deleted")
    assert (event.actor, event.subject_id) == ("bob@clinic.example", anna.id)
    assert event.details == {"external_id": "A1", "photos": 2}


def test_a_person_who_is_enrolled_after_a_deletion_does_not_get_the_old_number(
    app: Flask, bob: Visitor
) -> None:
    before = enrol(bob, "Anna", "A1", picture(1))
    bob.post(f"/people/{before}/delete")
    assert enrol(bob, "Anna", "A1", picture(1)) > before


def test_every_look_at_a_person_is_written_down(app: Flask, vera: Visitor, events: Events) -> None:
    with app.app_context():
        person = add_person(db.session(), vera.organization, "A1")
        photo = add_photo(db.session(), person)
    vera.get(f"/people/{person.id}")
    vera.get(f"/people/{person.id}/photos")  # a poll of the page that is open
    vera.get(f"/photos/{photo.id}")
    vera.get(f"/photos/{photo.id}/faces")
    seen = events("person.viewed")
    assert [(event.actor, event.subject_id) for event in seen] == [("vera@clinic.example", person.id)] * 2
    assert all(event.address.startswith("10.") for event in seen)


def test_enrolling_is_written_down_without_the_name(bob: Visitor, events: Events) -> None:
    person_id = enrol(bob, "Anna", "A1", picture(1), picture(2))
    (event,) = events("person.created")
    assert (event.subject_id, event.details) == (person_id, {"external_id": "A1", "photos": 2})
    assert event.organization_id == bob.organization.id


def test_an_act_that_is_refused_leaves_no_event(bob: Visitor, events: Events) -> None:
    enrol(bob, "Anna", "A1", picture(1))
    bob.post("/people/new", {"name": "Anna", "external_id": "A1", "photos": photos(1)})
    bob.post("/people/new", {"name": "Anna", "external_id": "A2", "photos": photos(21)})
    assert len(events("person.created")) == 1


@on_both_databases
def test_enrolling_is_all_or_nothing(app: Flask, clinic: Organization) -> None:
    """The person, the words, the photos and the event are one transaction."""
    with app.app_context():
        session = db.session()
        uploads = [stored(photo_store(), clinic, picture(number)) for number in range(21)]
        before = session.scalar(select(func.count(AuditEvent.id)))
        with pytest.raises(ValueError, match="21 more were sent"):
            create_person(
                session,
                clinic,
                TESTER,
                external_id="A1",
                name="Anna",
                photos=uploads,
                store=photo_store(),
            )
        assert session.scalar(select(func.count(Person.id))) == 0
        assert session.scalar(select(func.count(Photo.id))) == 0
        assert session.scalar(select(func.count(AuditEvent.id))) == before
