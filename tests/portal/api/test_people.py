"""People and photos over the API."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from portal.api.people import views as people
from portal.audit.models import AuditEvent
from portal.database import end_reading, writing
from portal.organizations.models import Organization
from portal.photos.models import Photo
from portal.photos.reasons import MAX_PHOTO_BYTES
from tests.databases import on_both_databases
from tests.make.merges import merge
from tests.make.people import add_photo
from tests.make.photos import mate, picture
from tests.portal.conftest import Enrolled
from tests.program import Program
from tests.run.workers import Worker

Events = Callable[[str], list[AuditEvent]]
Files = Callable[[], list[Path]]


def enrol(registry: Program, external_id: str, *photos: bytes) -> dict[str, Any]:
    """Enrol someone; returns the answer."""
    fields = {"external_id": external_id, "name": external_id.title()}
    answer = registry.post_form("/people", fields, {"photos": list(photos)})
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


@on_both_databases
def test_a_person_is_enrolled_processed_changed_and_deleted(
    worker: Worker, registry: Program, lfw: Path, files: Files, events: Events
) -> None:
    person = enrol(registry, "anna", mate(lfw, "Aaron_Tippin"), picture())
    assert [photo["state"] for photo in person["photos"]] == ["queued", "queued"]
    worker.work()
    address = f"/people/{person['id']}"
    done, without_face = registry.get(address).get_json()["photos"]
    assert (done["state"], done["reason"], len(done["faces"])) == ("done", None, 1)
    assert done["main_face_id"] == done["faces"][0]["id"]
    assert (without_face["state"], without_face["reason"]) == ("failed", "no_face")
    assert "No face was found" in without_face["message"]

    changed = registry.send("PATCH", address, json={"name": "Anna B."}).get_json()
    assert (changed["external_id"], changed["name"]) == ("anna", "Anna B.")
    # Each answer that shows the person is in the audit.
    assert len(events("person.viewed")) == 2
    assert registry.send("DELETE", address).status_code == 204
    assert registry.get(address).status_code == 404
    assert files() == []
    assert {event.actor for event in events("person.created") + events("person.deleted")} == {"key Registry"}


def test_photos_are_added_fetched_and_removed(
    worker: Worker, registry: Program, lfw: Path, session: Session
) -> None:
    photo = mate(lfw, "Ahmed_Chalabi", 1)
    person = enrol(registry, "ahmed", photo)
    more = {"photos": [photo, mate(lfw, "Ahmed_Chalabi", 2)]}
    answer = registry.post_form(f"/people/{person['id']}/photos", {}, more)
    assert answer.status_code == 202
    first, second = answer.get_json()["photos"]
    assert answer.headers["Location"] == f"/api/v1/people/{person['id']}"
    worker.work()
    content = registry.get(f"/photos/{first['id']}/content")
    assert content.mimetype == "image/jpeg"
    assert content.data[:2] == b"\xff\xd8"
    face = registry.get(f"/photos/{second['id']}").get_json()["faces"][0]["id"]
    chosen = registry.send("PUT", f"/photos/{second['id']}/main-face", json={"face_id": face})
    assert (chosen.status_code, chosen.get_json()["state"]) == (202, "queued")
    assert registry.send("DELETE", f"/photos/{second['id']}").status_code == 204
    assert [row.id for row in session.query(Photo)] == [first["id"]]


def test_a_photo_that_was_there_adds_nothing(registry: Program, files: Files) -> None:
    person = enrol(registry, "anna", picture(1))
    for photos, status in (([picture(1)], 200), ([picture(1), picture(2)], 202)):
        answer = registry.post_form(f"/people/{person['id']}/photos", {}, {"photos": photos})
        assert (answer.status_code, len(answer.get_json()["photos"])) == (status, len(photos))
        assert len(files()) == len(photos)


def test_photos_that_are_not_mounted_are_not_lost(registry: Program, enrolled: Enrolled, app: Flask) -> None:
    photo = enrolled("Anna")
    folder = app.config["PORTAL"].photo_dir
    folder.rename(folder.with_name("elsewhere"))
    answer = registry.get(f"/photos/{photo.id}/content")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert "Nothing is lost" in answer.get_json()["detail"]


def test_a_list_has_pages_that_belong_to_their_query(registry: Program, enrolled: Enrolled) -> None:
    for name in ("Ada", "Ben", "Bea", "Cleo", "Bo"):
        enrolled(name)
    found, cursor = [], None
    while True:
        page = registry.get("/people", limit=2, **({"cursor": cursor} if cursor else {})).get_json()
        found += [person["name"] for person in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == ["Ada", "Bea", "Ben", "Bo", "Cleo"]
    page = registry.get("/people", query="b", limit=1).get_json()
    assert [person["name"] for person in page["items"]] == ["Bea"]
    for cursor in (page["next_cursor"], "nonsense", "%%%"):
        answer = registry.get("/people", query="c", cursor=cursor)
        assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (400, "cursor")


@pytest.mark.parametrize(
    ("fields", "photos", "field"),
    [
        ({"name": "Anna"}, [picture()], "external_id"),
        ({"external_id": "A1"}, [picture()], "name"),
        ({"external_id": "TAKEN", "name": "Anna"}, [picture()], "external_id"),
        ({"external_id": "A1", "name": "Anna", "role": "x"}, [picture()], "role"),
        ({"external_id": "A1", "name": "Anna"}, [], "photos"),
        ({"external_id": "A1", "name": "Anna"}, [picture(number) for number in range(21)], "photos"),
        ({"external_id": "A1", "name": "Anna"}, [bytes(MAX_PHOTO_BYTES + 1)], "photos"),
    ],
)
def test_what_can_not_be_enrolled_is_told_and_leaves_nothing(
    fields: dict[str, str],
    photos: list[bytes],
    field: str,
    registry: Program,
    enrolled: Enrolled,
    files: Files,
) -> None:
    enrolled("TAKEN")
    before = set(files())
    answer = registry.post_form("/people", fields, {"photos": photos})
    assert answer.status_code in {413, 422}
    assert answer.content_type == "application/problem+json"
    problem = answer.get_json()
    assert [error["field"] for error in problem["errors"]] == [field]
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert set(files()) == before
    assert len(registry.get("/people").get_json()["items"]) == 1


def test_what_is_no_form_or_breaks_off_is_told(registry: Program, files: Files) -> None:
    whole = b'--x\r\nContent-Disposition: form-data; name="photos"; filename="a.jpg"\r\n\r\nphoto\r\n'
    name = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n'
    form = "multipart/form-data; boundary=x"
    for body, kind in (
        (b"{}", "application/json"),
        (b"--x\r\nbroken", form),
        (whole + whole[:70], form),
        (whole + name + b"\xff\r\n--x--\r\n", form),
        (whole + name + b"x" * 70_000 + b"\r\n--x--\r\n", form),
    ):
        answer = registry.send("POST", "/people", data=body, content_type=kind)
        assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    assert files() == []


@pytest.mark.parametrize(
    ("query", "field"),
    [({"limit": 0}, "limit"), ({"limit": 201}, "limit"), ({"limit": "x"}, "limit"), ({"limt": 5}, "limt")],
)
def test_a_wrong_query_is_told_and_nothing_is_passed_over(
    query: dict[str, object], field: str, registry: Program
) -> None:
    answer = registry.get("/people", **query)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.get_json()["errors"]] == [field]


def test_a_merged_person_leads_to_the_other(registry: Program, session: Session, enrolled: Enrolled) -> None:
    anna, anne = enrolled("Anna"), enrolled("Anne")
    merge(session, anna.person, anne.person)
    answer = registry.get(f"/people/{anne.person_id}")
    assert answer.status_code == 404
    assert f"merged into the person with the ID {anna.person_id}" in answer.get_json()["detail"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        pytest.param(b'{"name": ' + b"[" * 100_000, "application/json", 400, id="too deep"),
        (b'{"name": "Other"}', "text/plain", 400),
        (b'{"nam": "Other"}', "application/json", 422),
        (b'{"name": 5}', "application/json", 422),
        (b'{"name": "a\\u0000b"}', "application/json", 422),
        (b'{"name": "\\ud800"}', "application/json", 422),
        (b'{"external_id": " "}', "application/json", 422),
    ],
)
def test_a_change_that_is_not_understood_changes_nothing(
    body: bytes, kind: str, status: int, registry: Program, enrolled: Enrolled
) -> None:
    address = f"/people/{enrolled('Anna').person_id}"
    answer = registry.send("PATCH", address, data=body, content_type=kind)
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert registry.get(address).get_json()["name"] == "Anna"


def test_a_face_that_is_not_in_the_photo_is_not_chosen(registry: Program, enrolled: Enrolled) -> None:
    photo = enrolled("Anna")
    for number in (0, photo.main_face_id or 0, 2**63 - 1, 2**64):
        answer = registry.send("PUT", f"/photos/{photo.id}/main-face", json={"face_id": number})
        assert answer.status_code == (202 if number == photo.main_face_id else 422), number


def test_a_change_of_nothing_is_refused_and_shows_nothing(registry: Program, enrolled: Enrolled) -> None:
    address = f"/people/{enrolled('Anna').person_id}"
    for change in ({}, {"name": None}):
        answer = registry.send("PATCH", address, json=change)
        assert answer.status_code == 422
        assert "Anna" not in answer.text


def test_a_parameter_that_nobody_knows_deletes_nothing(registry: Program, enrolled: Enrolled) -> None:
    address = f"/photos/{enrolled('Anna').id}"
    assert registry.send("DELETE", address, query_string={"dry_run": 1}).status_code == 422
    assert registry.get(address).status_code == 200


def test_a_photo_that_an_alias_hides_is_not_there(
    registry: Program, session: Session, enrolled: Enrolled, clinic: Organization
) -> None:
    anna, anne = enrolled("Anna"), enrolled("Anne")
    hidden = add_photo(session, anne.person, shade=1)
    with writing(session):
        session.get_one(Photo, hidden.id).sha256 = anna.sha256
    merge(session, anna.person, anne.person)
    assert session.get_one(Photo, hidden.id, populate_existing=True).person_id == anne.person_id
    for method, path, body in (
        ("GET", "", None),
        ("PUT", "/main-face", {"face_id": hidden.main_face_id}),
        ("DELETE", "", None),
    ):
        answer = registry.send(method, f"/photos/{hidden.id}{path}", json=body)
        assert answer.status_code == 404
        assert f"merged into the person with the ID {anna.person_id}" in answer.get_json()["detail"]


def test_the_content_of_a_photo_waits_for_the_worker(registry: Program) -> None:
    (photo,) = enrol(registry, "anna", picture())["photos"]
    answer = registry.get(f"/photos/{photo['id']}/content")
    assert (answer.status_code, "not been processed yet" in answer.text) == (409, True)


def test_who_is_deleted_while_a_program_waits_is_not_there(
    registry: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deleted_meanwhile(
        session: Session, _channel: str, _seconds: float, is_done: Callable[[], bool]
    ) -> bool:
        assert not is_done()
        end_reading(session)
        (person,) = registry.get("/people").get_json()["items"]
        assert registry.send("DELETE", f"/people/{person['id']}").status_code == 204
        session.expire_all()
        return is_done()

    monkeypatch.setattr(people, "wait", deleted_meanwhile)
    fields = {"external_id": "A1", "name": "Anna"}
    assert registry.post_form("/people?wait=5", fields, {"photos": [picture()]}).status_code == 404
