"""Searches over the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.extensions import db
from portal.organizations.models import Organization
from portal.waiting import tell, wait
from tests.databases import on_both_databases
from tests.make.batches import add_batch, drop, finish
from tests.make.photos import mate, picture, side_by_side
from tests.portal.api.test_examinations import template_of
from tests.portal.api.test_people import Files, enrol
from tests.portal.conftest import Answered
from tests.program import Program
from tests.run.workers import Worker
from tests.visitor import Visitor


@on_both_databases
def test_a_search_finds_whom_it_shows(worker: Worker, registry: Program, lfw: Path) -> None:
    enrol(registry, "ahmed", mate(lfw, "Ahmed_Chalabi", 1))
    enrol(registry, "aaron", mate(lfw, "Aaron_Tippin"))
    worker.work()
    answer = registry.post_form("/searches", {"limit": "1"}, {"image": [mate(lfw, "Ahmed_Chalabi", 2)]})
    assert (answer.status_code, answer.get_json()["status"]) == (202, "queued")
    worker.work()
    found = registry.get(answer.headers["Location"].removeprefix("/api/v1")).get_json()
    assert (found["status"], found["people_compared"]) == ("done", 2)
    spent = found["processing_ms"]
    steps = [spent[step] for step in ("decode", "detect", "embed", "search")]
    assert 0 < min(steps) < sum(steps) < spent["total"]
    (face,) = found["faces"]
    (candidate,) = face["candidates"]
    assert (candidate["rank"], candidate["external_id"], candidate["match"]) == (1, "ahmed", True)
    assert found["threshold"] < candidate["score"] <= 1
    assert candidate["band"] is None


def test_a_search_that_is_waited_for_is_answered_in_one(
    answered: Answered, worker: Worker, registry: Program, lfw: Path
) -> None:
    enrol(registry, "ahmed", mate(lfw, "Ahmed_Chalabi", 1))
    worker.work()
    probe = {"image": [mate(lfw, "Ahmed_Chalabi", 2)]}
    answer = answered(lambda: registry.post_form("/searches?wait=60", {}, probe))
    assert (answer.status_code, answer.get_json()["status"]) == (200, "done")
    assert answer.get_json()["faces"][0]["candidates"][0]["external_id"] == "ahmed"


def test_a_photo_without_a_face_says_so(worker: Worker, registry: Program) -> None:
    answer = registry.post_form("/searches", {}, {"image": [picture()]})
    worker.work()
    found = registry.get(f"/searches/{answer.get_json()['id']}").get_json()
    assert (found["status"], found["reason"], found["faces"]) == ("failed", "no_face", [])
    assert "No face was found" in found["message"]


def test_pages_say_which_program_searched(registry: Program, alice: Visitor) -> None:
    registry.post_form("/searches", {}, {"image": [picture()]})
    for page in ("/", "/search"):
        alice.get(page)
        assert "key Registry" in alice.text, page


@pytest.mark.parametrize(
    "limit", ["0", "101", "x", "-1", "1.5", "²", pytest.param("9" * 5000, id="5000 digits")]
)
def test_a_wrong_limit_is_told(limit: str, registry: Program) -> None:
    answer = registry.post_form("/searches", {"limit": limit}, {"image": [picture()]})
    assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, "limit")


@pytest.fixture
def crowd(worker: Worker, registry: Program, lfw: Path) -> None:
    """Three people, of whom the probes below show two."""
    for name in ("Aaron_Tippin", "Ahmed_Chalabi", "Anna_Kournikova"):
        enrol(registry, name, mate(lfw, name, 1))
    worker.work()


def found_by(worker: Worker, registry: Program, probe: bytes, **fields: str | list[str]) -> dict[str, Any]:
    """What a search finds."""
    answer = registry.post_form("/searches", fields, {"image": [probe]})
    assert answer.status_code == 202, answer.text
    worker.work()
    found: dict[str, Any] = registry.get(f"/searches/{answer.get_json()['id']}").get_json()
    return found


def names(face: dict[str, Any]) -> list[str]:
    return [candidate["external_id"] for candidate in face["candidates"]]


@pytest.mark.usefixtures("crowd")
def test_all_faces_of_a_photo_are_searched_for_if_that_is_asked(
    worker: Worker, registry: Program, lfw: Path
) -> None:
    two = side_by_side(mate(lfw, "Ahmed_Chalabi", 2), mate(lfw, "Anna_Kournikova", 2))
    found = found_by(worker, registry, two, all_faces="true")
    assert {names(face)[0] for face in found["faces"]} == {"Ahmed_Chalabi", "Anna_Kournikova"}
    main_alone = found_by(worker, registry, two)["faces"]
    assert [face["candidates"] is None for face in main_alone].count(True) == 1


@pytest.mark.usefixtures("crowd")
def test_candidates_below_the_lowest_score_are_left_out(worker: Worker, registry: Program, lfw: Path) -> None:
    probe = mate(lfw, "Ahmed_Chalabi", 2)
    (all_of_them,) = found_by(worker, registry, probe)["faces"]
    assert names(all_of_them)[0] == "Ahmed_Chalabi"
    second = all_of_them["candidates"][1]["score"]
    (face,) = found_by(worker, registry, probe, min_score=str(second))["faces"]
    assert face["candidates"] == all_of_them["candidates"][:2]
    (face,) = found_by(worker, registry, probe, min_score=str(second + 1e-6))["faces"]
    assert face["candidates"] == all_of_them["candidates"][:1]


@on_both_databases
@pytest.mark.usefixtures("crowd")
def test_only_the_people_who_are_named_are_compared(worker: Worker, registry: Program, lfw: Path) -> None:
    probe = mate(lfw, "Ahmed_Chalabi", 2)
    wanted = ["Aaron_Tippin", "Anna_Kournikova"]
    found = found_by(worker, registry, probe, restrict_to=wanted)
    assert sorted(names(found["faces"][0])) == wanted
    assert found["people_compared"] == 2


@pytest.mark.usefixtures("crowd")
def test_nothing_of_someone_who_is_deleted_is_left_in_a_search_that_was_restricted_to_them(
    registry: Program, worker: Worker, session: Session, lfw: Path
) -> None:
    found_by(worker, registry, mate(lfw, "Ahmed_Chalabi", 2), restrict_to=["Ahmed_Chalabi"])
    (person,) = registry.get("/people", query="Ahmed").get_json()["items"]
    assert registry.send("DELETE", f"/people/{person['id']}").status_code == 204
    session.rollback()
    (search,) = session.execute(select(text("*")).select_from(text("search"))).all()
    assert "Ahmed" not in repr(search)


def test_a_restriction_that_names_nobody_is_told(
    registry: Program, outsider: Program, session: Session, school: Organization
) -> None:
    enrol(registry, "anna", picture())
    enrol(outsider, "theirs", picture())
    theirs = add_batch(session, school)
    for field, value in (("restrict_to", ["anna", "theirs"]), ("restrict_to_batch", str(theirs.id))):
        answer = registry.post_form("/searches", {field: value}, {"image": [picture()]})
        assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, field)
        assert "anna" not in answer.text


def test_only_the_people_of_a_batch_are_compared(
    worker: Worker, registry: Program, bob: Visitor, lfw: Path
) -> None:
    enrol(registry, "ahmed", mate(lfw, "Ahmed_Chalabi", 1))
    batch = drop(bob, {"anna/1.jpg": mate(lfw, "Anna_Kournikova", 1)})
    finish(worker)
    found = found_by(worker, registry, mate(lfw, "Ahmed_Chalabi", 2), restrict_to_batch=str(batch))
    assert names(found["faces"][0]) == ["anna"]
    assert found["people_compared"] == 1


@pytest.mark.usefixtures("crowd")
def test_several_photos_are_searched_for_in_their_order(worker: Worker, registry: Program, lfw: Path) -> None:
    probes = [mate(lfw, name, 2) for name in ("Anna_Kournikova", "Ahmed_Chalabi")]
    answer = registry.post_form("/searches/batch", {"limit": "1"}, {"images": [*probes, picture()]})
    worker.work()
    found = [registry.get(f"/searches/{one['id']}").get_json() for one in answer.get_json()["items"]]
    assert [names(one["faces"][0]) for one in found[:2]] == [["Anna_Kournikova"], ["Ahmed_Chalabi"]]
    assert found[2]["reason"] == "no_face"


@on_both_databases
@pytest.mark.usefixtures("crowd")
def test_a_template_finds_whom_its_photo_finds(
    answered: Answered, worker: Worker, registry: Program, bob: Visitor, lfw: Path, files: Files
) -> None:
    probe = mate(lfw, "Ahmed_Chalabi", 2)
    template, fingerprint = template_of(answered, registry, probe)
    fields = {"template": template, "face_model": fingerprint, "limit": "2"}
    answer = answered(lambda: registry.post_form("/searches?wait=60", fields, {}))
    (face,) = answer.get_json()["faces"]
    assert face["candidates"] == found_by(worker, registry, probe)["faces"][0]["candidates"][:2]
    assert (face["box"], face["landmarks"], face["detection_score"], face["quality"]) == (None,) * 4
    number = answer.get_json()["id"]
    bob.get(f"/search/{number}")
    assert "a template that a program sent; there is no photo" in bob.page.get_text(" ")
    assert len(bob.page.select("[data-candidate]")) == 2
    bob.get("/search")
    assert bob.page.select(f"[data-search='{number}']")
    bob.post(f"/search/{number}/repeat")
    worker.work()
    assert registry.get(f"/searches/{number}").get_json()["faces"] == [face]
    there = len(files())
    bob.post(f"/search/{number}/delete")
    assert len(files()) == there - 1


def test_a_search_needs_a_photo_or_a_template_and_keeps_nothing_of_a_refused_one(
    answered: Answered, registry: Program, lfw: Path, files: Files
) -> None:
    template, fingerprint = template_of(answered, registry, mate(lfw, "Ahmed_Chalabi", 1))
    sent = {"template": template, "face_model": fingerprint}
    for fields, photos, field in (
        ({}, [], "image"),
        (sent, [picture()], "image"),
        ({"template": template}, [], "face_model"),
        ({**sent, "template": template[4:]}, [], "template"),
        ({**sent, "restrict_to": "nobody"}, [], "restrict_to"),
        ({"face_model": fingerprint}, [picture()], "face_model"),
    ):
        answer = registry.post_form("/searches", fields, {"image": photos})
        assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, field)
    assert files() == []


def test_two_images_are_one_too_many(registry: Program) -> None:
    answer = registry.post_form("/searches", {}, {"image": [picture(1), picture(2)]})
    assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, "image")


def test_waiting_ends_when_it_is_told_or_when_the_time_is_over(app: Flask) -> None:
    checks: list[bool] = []

    def is_done() -> bool:
        checks.append(len(checks) == 2)
        if not checks[-1]:
            tell("portal:done:test")
        return checks[-1]

    with app.app_context():
        assert wait(db.session(), "portal:done:test", 60, is_done)
        assert not wait(db.session(), "portal:done:other", 0.05, lambda: False)
        db.session.remove()
    assert checks == [False, False, True]
