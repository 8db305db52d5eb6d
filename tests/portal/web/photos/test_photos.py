"""Photos of people: added, looked at, shown, downloaded, tried again, given another face, removed."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit.models import AuditEvent
from portal.organizations.models import Organization
from portal.people.models import Person
from portal.photos.models import Face, GalleryRemoval, Photo
from portal.photos.reasons import MAX_PHOTO_BYTES, WORDS, Reason
from portal.storage import photo_store
from tests.make.people import add_person, add_photo
from tests.make.photos import mate, picture, six_people
from tests.run.workers import Worker
from tests.visitor import Visitor, enrol, file, search

Files = Callable[[], list[Path]]
Events = Callable[[str], list[AuditEvent]]

ORIENTATION, MAKE = 0x0112, 0x010F


@pytest.fixture
def anna(session: Session, clinic: Organization) -> Person:
    return add_person(session, clinic, "A1", "Anna")


def tiles(visitor: Visitor, person_id: int) -> dict[int, str]:
    """The photos on a person's page, with their states."""
    visitor.get(f"/people/{person_id}")
    found = visitor.page.select("[data-photo]")
    return {int(str(tile["data-photo"])): str(tile["data-photo-state"]) for tile in found}


def candidates(visitor: Visitor, search_id: int) -> dict[str, float]:
    visitor.get(f"/search/{search_id}")
    rows = visitor.page.select("[data-candidate]")
    return {str(row["data-external-id"]): float(str(row["data-score"])) for row in rows}


def test_photos_are_added(bob: Visitor, anna: Person, events: Events, files: Files) -> None:
    sent = {"photos": [file(picture(1), "one.jpg"), file(picture(2), "two.jpg")]}
    assert bob.post(f"/people/{anna.id}/photos", sent).status_code == 302
    assert list(tiles(bob, anna.id).values()) == ["queued", "queued"]
    assert len(files()) == 2
    (event,) = events("photo.added")
    assert (event.actor, event.subject_id, event.details) == ("bob@clinic.example", anna.id, {"photos": 2})


def test_the_same_photo_twice_is_one_photo(bob: Visitor, anna: Person, files: Files) -> None:
    sent = [file(picture(1), "one.jpg"), file(picture(1), "again.jpg")]
    bob.post(f"/people/{anna.id}/photos", {"photos": sent})
    tiles(bob, anna.id)
    assert "again.jpg is already a photo of Anna; it is kept once." in bob.text
    bob.post(f"/people/{anna.id}/photos", {"photos": [file(picture(1), "later.jpg")]})
    assert list(tiles(bob, anna.id).values()) == ["queued"]
    assert "later.jpg is already a photo of Anna; it is kept once." in bob.text
    assert "being processed" not in bob.text
    assert len(files()) == 1


def test_two_people_can_have_the_same_photo(bob: Visitor, files: Files) -> None:
    first, second = enrol(bob, "Anna", "A1", picture(1)), enrol(bob, "Ben", "B1", picture(1))
    bob.post(f"/people/{first}/delete")
    assert list(tiles(bob, second).values()) == ["queued"]
    assert len(files()) == 1


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ([], "Choose at least one photo."),
        ([picture(number) for number in range(2, 22)], "This one has 1; 20 more were sent."),
        ([picture(2), picture(3) + bytes(MAX_PHOTO_BYTES)], "1.jpg is larger than 25 MiB. Nothing was saved"),
    ],
    ids=["none", "too many", "too large"],
)
def test_photos_that_can_not_be_added_leave_everything_as_it_was(
    bob: Visitor, files: Files, sent: list[bytes], message: str
) -> None:
    person = enrol(bob, "Anna", "A1", picture(1))
    photos = [file(content, f"{number}.jpg") for number, content in enumerate(sent)]
    assert bob.post(f"/people/{person}/photos", {"photos": photos}).status_code == 422
    assert message in bob.text
    assert len(tiles(bob, person)) == 1
    assert len(files()) == 1


def test_photos_repeated_do_not_count_against_the_limit(bob: Visitor) -> None:
    photos = [picture(number) for number in range(20)]
    person = enrol(bob, "Anna", "A1", *photos)
    again = {"photos": [file(photo) for photo in photos]}
    assert bob.post(f"/people/{person}/photos", again).status_code == 302
    assert len(tiles(bob, person)) == 20


def test_what_was_found_is_shown(worker: Worker, bob: Visitor, lfw: Path) -> None:
    person = enrol(bob, "Anna", "A1", mate(lfw, "Anna_Kournikova"), six_people(), picture(1), b"no photo")
    bob.get(f"/people/{person}")
    assert bob.page.select("[hx-trigger]")
    worker.work()
    first, table, empty, text = tiles(bob, person)
    assert list(tiles(bob, person).values()) == ["done", "done", "failed", "failed"]
    assert not bob.page.select("[hx-trigger]")  # the page is not asked for any more
    for reason in (Reason.NO_FACE, Reason.NOT_AN_IMAGE):
        for words in WORDS[reason]:
            assert words in bob.text
    for photo, faces in ((first, 1), (table, 6), (empty, 0), (text, 0)):
        bob.get(f"/photos/{photo}")
        assert len(bob.page.select("[data-face]")) == faces
    bob.get(f"/photos/{table}")
    assert bob.text.count("Stands for Anna") == 1
    # Six of about one size: each can be chosen, and the one that stands for her said to be right.
    assert "It is not clear which face is Anna" in bob.text
    assert len(bob.page.select("button[name=face_id]")) == 6
    bob.post(f"/photos/{table}/face", {"face_id": bob.page.select("button[name=face_id]")[0]["value"]})
    worker.work()
    bob.get(f"/photos/{table}")
    assert "It is not clear" not in bob.text
    assert len(bob.page.select("button[name=face_id]")) == 5


@pytest.mark.parametrize("address", ["/people/{person}", "/photos/{photo}"])
def test_the_page_and_its_poll_show_the_same(
    bob: Visitor, session: Session, clinic: Organization, address: str
) -> None:
    person = add_person(session, clinic, "A1", "Anna")
    photo = add_photo(session, person, faces=2)
    part, poll = {"/people/{person}": ("#photos", "/photos"), "/photos/{photo}": ("#faces", "/faces")}[
        address
    ]
    page = address.format(person=person.id, photo=photo.id)

    def shown(url: str) -> str:
        bob.get(url)
        found = bob.page.select_one(part)
        assert found is not None
        for token in found.select("input[name=csrf_token]"):
            del token["value"]
        return str(found)

    assert shown(page) == shown(page + poll)


def test_pictures_are_shown_but_never_kept_without_asking(
    worker: Worker, vera: Visitor, bob: Visitor
) -> None:
    person = enrol(bob, "Six", "S1", six_people())
    (photo,) = tiles(bob, person)
    for rendition in ("preview", "thumbnail"):
        assert vera.get(f"/photos/{photo}/{rendition}").status_code == 404
    worker.work()
    for rendition, sizes in (("preview", (1024, 709)), ("thumbnail", (192, 192))):
        response = vera.get(f"/photos/{photo}/{rendition}")
        assert response.mimetype == "image/jpeg"
        assert response.headers["Cache-Control"] == "private, no-cache"
        with Image.open(io.BytesIO(response.data)) as image:
            assert image.size == sizes
        etag = {"If-None-Match": response.headers["ETag"]}
        again = vera.get(f"/photos/{photo}/{rendition}", headers=etag)
        assert (again.status_code, again.data) == (304, b"")


def portrait(content: bytes, kind: str, orientation: int, **options: Any) -> bytes:
    """A photo in another format, turned, with the camera's name in it."""
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKE] = orientation, "Camera of Bob"
    turn = {1: 0, 3: 180, 6: 90, 8: 270}[orientation]
    with Image.open(io.BytesIO(content)) as image:
        turned = io.BytesIO()
        image.rotate(turn, expand=True).save(turned, kind, exif=exif, **options)
    return turned.getvalue()


@pytest.mark.parametrize(
    ("kind", "orientation", "extension"),
    [("JPEG", 1, "jpg"), ("JPEG", 6, "jpg"), ("PNG", 3, "png"), ("WEBP", 8, "webp")],
)
def test_a_photo_goes_out_without_its_metadata_and_stands_upright(
    worker: Worker,
    bob: Visitor,
    vera: Visitor,
    lfw: Path,
    events: Events,
    kind: str,
    orientation: int,
    extension: str,
) -> None:
    sent = portrait(mate(lfw, "Anna_Kournikova"), kind, orientation)
    person = enrol(bob, "Anna", "A1", sent)
    worker.work()
    ((photo, state),) = tiles(bob, person).items()
    assert state == "done"
    response = vera.get(f"/photos/{photo}/original")
    assert response.status_code == 200
    assert response.mimetype == f"image/{kind.lower()}"
    assert f'attachment; filename="photo-{photo}.{extension}"' in response.headers["Content-Disposition"]
    shown = vera.get(f"/photos/{photo}/preview").data
    for content in (response.data, shown):
        assert b"Camera of Bob" not in content
    with Image.open(io.BytesIO(sent)) as before, Image.open(io.BytesIO(response.data)) as after:
        assert np.array_equal(np.asarray(before.convert("RGB")), np.asarray(after.convert("RGB")))
        assert after.getexif().get(ORIENTATION, 1) == orientation
    (event,) = events("photo.downloaded")
    assert (event.actor, event.subject_id, event.details) == ("vera@clinic.example", person, {"photo": photo})


def test_a_photo_whose_file_is_damaged_is_not_handed_out(
    app: Flask, worker: Worker, bob: Visitor, events: Events
) -> None:
    person = enrol(bob, "Six", "S1", six_people()[:-1000])
    worker.work()
    ((photo, state),) = tiles(bob, person).items()
    assert state == "failed"
    assert WORDS[Reason.DAMAGED][0] in bob.text
    assert bob.get(f"/photos/{photo}/original").status_code == 302
    bob.get(f"/photos/{photo}")
    assert "This photo can't be downloaded" in bob.text
    assert events("photo.downloaded") == []


def test_what_is_no_photo_is_never_handed_out(worker: Worker, bob: Visitor) -> None:
    person = enrol(bob, "Anna", "A1", b"<script>alert(1)</script>")
    worker.work()
    (photo,) = tiles(bob, person)
    assert bob.get(f"/photos/{photo}/original").status_code == 404


def test_a_failed_photo_is_tried_again(
    worker: Worker, bob: Visitor, session: Session, lfw: Path, events: Events
) -> None:
    person = enrol(bob, "Anna", "A1", mate(lfw, "Anna_Kournikova"))
    photo = session.scalars(select(Photo)).one()
    path = photo_store().folder / photo.file_key
    away = path.rename(path.with_name("away"))
    worker.work()
    assert tiles(bob, person) == {photo.id: "failed"}
    assert WORDS[Reason.FILE_MISSING][0] in bob.text
    away.rename(path)
    assert bob.post(f"/photos/{photo.id}/retry").status_code == 302
    assert tiles(bob, person) == {photo.id: "queued"}
    bob.post(f"/photos/{photo.id}/retry")
    tiles(bob, person)
    assert "This photo is already being processed." in bob.text
    worker.work()
    assert tiles(bob, person) == {photo.id: "done"}
    assert [event.details for event in events("photo.retried")] == [{"photo": photo.id}]


def test_a_photo_that_is_done_is_not_tried_again(
    bob: Visitor, session: Session, anna: Person, events: Events
) -> None:
    photo = add_photo(session, anna)
    bob.post(f"/photos/{photo.id}/retry")
    assert tiles(bob, anna.id) == {photo.id: "done"}
    assert events("photo.retried") == []


def test_another_face_stands_for_the_person(
    worker: Worker, bob: Visitor, session: Session, events: Events
) -> None:
    person = enrol(bob, "Six", "S1", six_people())
    worker.work()
    (photo,) = tiles(bob, person)
    found = search(bob, six_people())
    worker.work()
    assert candidates(bob, found)["S1"] > 0.99
    before = session.scalars(select(Photo)).one().main_face_id
    bob.get(f"/photos/{photo}")
    other = int(str(bob.page.select("button[name=face_id]")[0]["value"]))
    thumbnail = bob.get(f"/photos/{photo}/thumbnail").data

    assert bob.post(f"/photos/{photo}/face", {"face_id": other}).status_code == 302
    bob.get(f"/photos/{photo}")
    assert not bob.page.select("button[name=face_id]")  # not before the worker is done
    bob.post(f"/photos/{photo}/face", {"face_id": before})
    bob.get(f"/photos/{photo}")
    assert "This photo is being processed." in bob.text
    # Until then the person is found by the face chosen before.
    bob.post(f"/search/{found}/repeat")
    worker.work(jobs=1)
    assert candidates(bob, found)["S1"] > 0.99

    worker.work()
    assert tiles(bob, person) == {photo: "done"}
    bob.post(f"/search/{found}/repeat")
    worker.work()
    assert candidates(bob, found)["S1"] < 0.4
    session.rollback()
    templates = session.execute(select(Face.id).where(Face.template.is_not(None))).scalars().all()
    assert (
        templates
        == session.scalars(select(Face.id).where(Face.gallery_version.is_not(None))).all()
        == [other]
    )
    assert bob.get(f"/photos/{photo}/thumbnail").data != thumbnail
    (event,) = events("photo.face_chosen")
    assert (event.subject_id, event.details) == (person, {"photo": photo})


def test_a_face_of_another_photo_can_not_be_chosen(
    bob: Visitor, session: Session, clinic: Organization
) -> None:
    first, second = (add_photo(session, add_person(session, clinic, name)) for name in ("A1", "B1"))
    for face in (second.main_face_id, 0, "none"):
        bob.post(f"/photos/{first.id}/face", {"face_id": face})
        bob.get(f"/photos/{first.id}")
        assert "This face is no longer in the photo. Choose again." in bob.text
    session.refresh(first)
    assert (first.main_face_id, first.state) != (second.main_face_id, "queued")


def test_a_removed_photo_is_really_gone(
    bob: Visitor, session: Session, anna: Person, files: Files, events: Events
) -> None:
    gone, kept = add_photo(session, anna, shade=1, faces=2), add_photo(session, anna, shade=2)
    face = gone.main_face_id
    assert bob.post(f"/photos/{gone.id}/remove").status_code == 302
    assert tiles(bob, anna.id) == {kept.id: "done"}
    assert {path.name.split(".")[0] for path in files()} == {kept.file_key.rsplit("/", 1)[1]}
    session.rollback()
    assert session.scalars(select(Face.photo_id)).all() == [kept.id]
    assert session.scalars(select(GalleryRemoval.face_id)).all() == [face]
    for address in ("", "/preview", "/thumbnail", "/original", "/faces"):
        assert bob.get(f"/photos/{gone.id}{address}").status_code == 404
    (event,) = events("photo.removed")
    assert (event.subject_id, event.details) == (anna.id, {"photo": gone.id})


def test_without_a_usable_photo_the_page_says_that_nobody_finds_the_person(
    bob: Visitor, session: Session, anna: Person
) -> None:
    tiles(bob, anna.id)
    assert "This person can't be found by photo. There is no photo yet." in bob.text
    add_photo(session, anna, faces=0)
    tiles(bob, anna.id)
    assert "This person can't be found by photo. There is no usable photo yet." in bob.text
    add_photo(session, anna, shade=2)
    tiles(bob, anna.id)
    assert "can't be found by photo" not in bob.text
