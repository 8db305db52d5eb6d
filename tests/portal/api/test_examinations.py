"""Detections, comparisons and verifications over the API: photos that are not kept."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.api.examinations import views
from portal.database import now, writing
from portal.examination import services
from portal.examination.models import Examination, Kind
from portal.examination.services import KEPT_FOR
from portal.examination.work import claim_examination
from portal.keys.models import Scope
from portal.organizations.models import Organization
from tests.databases import on_both_databases
from tests.make.people import TESTER
from tests.make.photos import mate, picture, side_by_side
from tests.portal.api.test_people import Events, Files, enrol
from tests.portal.conftest import Answered
from tests.program import Program, program
from tests.run.workers import Worker, sweep

pytestmark = pytest.mark.usefixtures("worker")


def template_of(answered: Answered, registry: Program, photo: bytes) -> tuple[str, str]:
    """The template of a photo's only face, and the fingerprint of the face model."""
    answer = answered(lambda: registry.post_form("/detections?templates=true", {}, {"image": [photo]}))
    found = answer.get_json()
    return found["faces"][0]["template"], found["face_model"]["fingerprint"]


@on_both_databases
def test_the_faces_of_a_photo_are_told_and_the_photo_is_not_kept(
    answered: Answered, registry: Program, lfw: Path, files: Files, session: Session, events: Events
) -> None:
    two = side_by_side(mate(lfw, "Ahmed_Chalabi", 1), mate(lfw, "Anna_Kournikova", 1))
    found = answered(lambda: registry.post_form("/detections", {}, {"image": [two]})).get_json()
    assert (found["width"], found["height"], len(found["faces"])) == (500, 250, 2)
    assert [face["main"] for face in found["faces"]].count(True) == 1
    assert sorted(face["box"][0] > 250 for face in found["faces"]) == [False, True]
    assert all(face["template"] is None and len(face["landmarks"]) == 5 for face in found["faces"])
    assert found["processing_ms"]["detect"] > 0
    assert files() == []
    assert session.scalars(select(Examination)).all() == []
    assert [event.actor for event in events("examination.detection")] == ["key Registry"]


def test_a_photo_without_a_face_has_none(answered: Answered, registry: Program) -> None:
    answer = answered(lambda: registry.post_form("/detections", {}, {"image": [picture()]}))
    assert (answer.status_code, answer.get_json()["faces"]) == (200, [])


def test_templates_are_for_keys_with_the_scope_admin(
    answered: Answered, app: Flask, clinic: Organization, registry: Program, lfw: Path, files: Files
) -> None:
    reader = program(app, clinic, Scope.READ, Scope.ENROL, Scope.DECIDE, name="Reader")
    photo = mate(lfw, "Ahmed_Chalabi", 1)
    answer = reader.post_form("/detections?templates=true", {}, {"image": [photo]})
    assert (answer.status_code, "scope admin" in answer.text) == (403, True)
    template, _ = template_of(answered, registry, photo)
    numbers = np.frombuffer(b64decode(template), "<f4")
    assert np.linalg.norm(numbers) == pytest.approx(1, abs=1e-5)
    assert files() == []


@on_both_databases
def test_two_photos_of_one_person_match_and_of_two_people_do_not(
    answered: Answered, registry: Program, lfw: Path, files: Files
) -> None:
    def compare(other: bytes) -> dict[str, Any]:
        photos = {"image_a": [mate(lfw, "Ahmed_Chalabi", 1)], "image_b": [other]}
        found: dict[str, Any] = answered(lambda: registry.post_form("/comparisons", {}, photos)).get_json()
        return found

    same, different = compare(mate(lfw, "Ahmed_Chalabi", 2)), compare(mate(lfw, "Aaron_Tippin"))
    assert different["score"] < same["threshold"] <= same["score"] <= 1
    assert (same["match"], different["match"]) == (True, False)
    assert [face["image"] for face in same["faces"]] == ["image_a", "image_b"]
    assert compare(mate(lfw, "Ahmed_Chalabi", 1))["score"] == pytest.approx(1, abs=1e-5)
    assert files() == []


def test_a_template_stands_for_a_photo(answered: Answered, registry: Program, lfw: Path) -> None:
    template, fingerprint = template_of(answered, registry, mate(lfw, "Ahmed_Chalabi", 1))
    photos = {"image_b": [mate(lfw, "Ahmed_Chalabi", 2)]}
    fields = {"template_a": template, "face_model": fingerprint}
    by_template = answered(lambda: registry.post_form("/comparisons", fields, photos)).get_json()
    photos["image_a"] = [mate(lfw, "Ahmed_Chalabi", 1)]
    by_photo = answered(lambda: registry.post_form("/comparisons", {}, photos)).get_json()
    assert by_template["score"] == by_photo["score"]
    assert [face["image"] for face in by_template["faces"]] == ["image_b"]


def test_a_template_that_is_none_of_this_face_model_is_refused(
    answered: Answered, registry: Program, lfw: Path, files: Files
) -> None:
    template, fingerprint = template_of(answered, registry, mate(lfw, "Ahmed_Chalabi", 1))
    numbers = np.frombuffer(b64decode(template), "<f4")

    def encoded(values: Any) -> str:
        return b64encode(np.asarray(values, "<f4").tobytes()).decode()

    for wrong, field in (
        ({"template_a": template, "face_model": "0" * 64}, "face_model"),
        ({"template_a": template}, "face_model"),
        ({"template_a": "?", "face_model": fingerprint}, "template_a"),
        ({"template_a": encoded(numbers[1:]), "face_model": fingerprint}, "template_a"),
        ({"template_a": encoded(2 * numbers), "face_model": fingerprint}, "template_a"),
        ({"template_a": encoded(np.nan * numbers), "face_model": fingerprint}, "template_a"),
        ({}, "image_a"),
    ):
        answer = registry.post_form("/comparisons", wrong, {"image_b": [picture()]})
        assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, field)
    assert files() == []


def test_a_photo_that_can_not_be_compared_is_named(
    answered: Answered, registry: Program, lfw: Path, files: Files
) -> None:
    for bad, words in ((picture(), "No face was found"), (b"no photo", "not a photo")):
        photos = {"image_a": [mate(lfw, "Ahmed_Chalabi", 1)], "image_b": [bad]}
        answer = answered(partial(registry.post_form, "/comparisons", {}, photos))
        (error,) = answer.get_json()["errors"]
        assert (answer.status_code, error["field"], words in error["message"]) == (422, "image_b", True)
    assert files() == []


@on_both_databases
def test_a_photo_is_verified_against_all_photos_of_a_person(
    answered: Answered, worker: Worker, registry: Program, lfw: Path, events: Events
) -> None:
    person = enrol(registry, "ahmed", mate(lfw, "Aaron_Tippin"), mate(lfw, "Ahmed_Chalabi", 1))
    worker.work()
    address = f"/people/{person['id']}/verifications"
    photo = {"image": [mate(lfw, "Ahmed_Chalabi", 2)]}
    found = answered(lambda: registry.post_form(address, {}, photo)).get_json()
    other, mated = (photo["id"] for photo in person["photos"])
    assert [one["photo_id"] for one in found["photos"]] == [mated, other]
    assert (found["match"], found["person_id"]) == (True, person["id"])
    assert found["score"] == found["photos"][0]["score"] > found["threshold"] > found["photos"][1]["score"]
    assert [event.subject_id for event in events("examination.verification")] == [person["id"]]


def test_a_person_without_a_usable_photo_can_not_be_verified(
    answered: Answered, worker: Worker, registry: Program, lfw: Path
) -> None:
    person = enrol(registry, "anna", picture())
    enrol(registry, "ahmed", mate(lfw, "Ahmed_Chalabi", 1))
    worker.work()
    photo = {"image": [mate(lfw, "Ahmed_Chalabi", 2)]}
    answer = answered(lambda: registry.post_form(f"/people/{person['id']}/verifications", {}, photo))
    assert (answer.status_code, "no usable photo" in answer.text) == (409, True)


def test_where_no_worker_is_free_it_is_told_and_nothing_stays(
    registry: Program, lfw: Path, files: Files, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "ANSWERED_WITHIN_S", 0.05)
    answer = registry.post_form("/detections", {}, {"image": [picture()]})
    assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (503, True)
    assert (files(), session.scalars(select(Examination)).all()) == ([], [])


def test_what_nobody_waits_for_any_more_is_deleted(
    app: Flask,
    registry: Program,
    files: Files,
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def dies(*_: object) -> Callable[[], bool]:
        raise KeyboardInterrupt

    monkeypatch.setattr(views, "_answered", dies)
    with pytest.raises(KeyboardInterrupt):
        registry.post_form("/detections", {}, {"image": [picture()]})
    assert len(files()) == 1
    with writing(session):
        session.scalars(select(Examination)).one().created_at = now() - 2 * KEPT_FOR
    sweep(app)
    session.rollback()
    assert (files(), session.scalars(select(Examination)).all()) == ([], [])


def test_with_a_person_who_is_deleted_meanwhile_the_photo_goes_too(
    answered: Answered,
    worker: Worker,
    registry: Program,
    lfw: Path,
    files: Files,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for moment in ("while it is waited for", "before it is begun"):
        person = enrol(registry, moment, mate(lfw, "Ahmed_Chalabi", 1))
        worker.work()

        def deleted(*arguments: Any, real: Any, number: int = person["id"], **named: Any) -> Any:
            assert registry.send("DELETE", f"/people/{number}").status_code == 204
            return real(*arguments, **named)

        with monkeypatch.context() as patch:
            target, name = (views, "wait") if "waited" in moment else (services, "begin_examination")
            patch.setattr(target, name, partial(deleted, real=getattr(target, name)))
            photo = {"image": [mate(lfw, "Ahmed_Chalabi", 2)]}
            answer = registry.post_form(f"/people/{person['id']}/verifications", {}, photo)
        assert (answer.status_code, files()) == (404, [])


def test_a_template_of_a_face_model_that_was_changed_meanwhile_is_not_compared(
    worker: Worker, session: Session, clinic: Organization
) -> None:
    model = worker.process.face_model_id
    probes = [bytes(8), bytes(8)]
    number = services.begin_examination(session, clinic, TESTER, Kind.COMPARISON, probes, face_model_id=model)
    assert claim_examination(session, "host:1:x", number, model + 1) is None
    failed = session.get_one(Examination, number)
    assert (failed.state, failed.reason) == ("failed", "face_model_changed")
