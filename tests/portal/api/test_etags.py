"""`ETag`, `If-Match`, `If-None-Match`: a change rests on what the program has seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.api.people import finding
from portal.api.people import views as people
from portal.people.models import Person
from portal.people.services import change_person
from tests.databases import on_both_databases
from tests.make.people import TESTER
from tests.make.photos import mate, picture
from tests.portal.api.test_people import enrol
from tests.portal.conftest import Enrolled
from tests.program import Program
from tests.run.workers import Worker


def test_the_tag_of_a_person_changes_with_all_that_is_shown(
    worker: Worker, registry: Program, lfw: Path
) -> None:
    address = f"/people/{enrol(registry, 'anna', mate(lfw, 'Aaron_Tippin'))['id']}"
    tags = [registry.get(address).headers["ETag"]]

    def changed() -> bool:
        tags.append(registry.get(address).headers["ETag"])
        return tags[-1] not in tags[:-1]

    assert not changed()
    worker.work()
    assert changed()
    named = registry.send("PATCH", address, json={"name": "Anna B."})
    assert named.headers["ETag"] not in tags
    assert registry.get(address).headers["ETag"] == named.headers["ETag"]
    added = registry.post_form(f"{address}/photos", {}, {"photos": [picture(1)]})
    assert added.headers["ETag"] == registry.get(address).headers["ETag"] != named.headers["ETag"]


def test_what_is_there_already_is_not_sent_again(registry: Program, enrolled: Enrolled) -> None:
    photo = enrolled("Anna")
    for path in (f"/people/{photo.person_id}", f"/photos/{photo.id}"):
        tag = registry.get(path).headers["ETag"]
        again = registry.send("GET", path, headers={"If-None-Match": tag})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
        assert registry.send("GET", path, headers={"If-None-Match": '"other"'}).status_code == 200


def changes(person: int, photo: int, face: int | None) -> list[tuple[str, str, Any]]:
    return [
        ("PATCH", f"/people/{person}", {"name": "Other"}),
        ("PUT", f"/photos/{photo}/main-face", {"face_id": face}),
        ("DELETE", f"/photos/{photo}", None),
        ("DELETE", f"/people/{person}", None),
    ]


def test_a_change_of_what_was_changed_is_refused_and_nothing_is_done(
    registry: Program, enrolled: Enrolled
) -> None:
    photo = enrolled("Anna")
    before = registry.get(f"/people/{photo.person_id}").get_json()
    for method, path, json in changes(photo.person_id, photo.id, photo.main_face_id):
        for tag in ('"other"', 'W/"other"', "nonsense", '""', ""):
            answer = registry.send(method, path, json=json, headers={"If-Match": tag})
            assert answer.status_code == 412, path
            assert "changed since you read it" in answer.get_json()["detail"]
    assert registry.get(f"/people/{photo.person_id}").get_json() == before
    for method, path, json in changes(photo.person_id, photo.id, photo.main_face_id):
        shown = path.removesuffix("/main-face")
        tag = registry.get(shown).headers["ETag"]
        # The tag of a compressed answer says so.
        wanted = tag if method == "PATCH" else f'{tag[:-1]}:gzip"'
        answer = registry.send(method, path, json=json, headers={"If-Match": f'"x", {wanted}'})
        assert answer.status_code in {200, 202, 204}, answer.text


@on_both_databases
def test_who_is_overtaken_after_reading_loses_nothing_of_the_other(
    registry: Program, enrolled: Enrolled, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    person_id = enrolled("Anna").person_id
    address = f"/people/{person_id}"
    tag = registry.get(address).headers["ETag"]
    found: Callable[[int], Person] = finding.person_of

    def overtaken(number: int) -> Person:
        monkeypatch.setattr(people, "person_of", found)
        person = found(number)
        registry.send("PATCH", address, json={"external_id": "B1"})
        return person

    # A colleague is quicker, between reading the row and holding it.
    for headers, status in (({"If-Match": tag}, 412), ({}, 200)):
        monkeypatch.setattr(people, "person_of", overtaken)
        answer = registry.send("PATCH", address, json={"name": "Berta"}, headers=headers)
        assert answer.status_code == status
        now = registry.get(address).get_json()
        assert (now["external_id"], now["name"]) == ("B1", "Anna" if status == 412 else "Berta")


def test_a_service_leaves_what_is_not_given(session: Session, clinic: Any, enrolled: Enrolled) -> None:
    person = enrolled("Anna").person
    change_person(session, clinic, TESTER, person, external_id="B1")
    change_person(session, clinic, TESTER, person, name="Berta")
    (now,) = session.execute(select(Person.external_id, Person.name)).all()
    assert tuple(now) == ("B1", "Berta")
