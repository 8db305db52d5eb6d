"""Searches over the API."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask

from portal.extensions import db
from portal.queues import INTERACTIVE, connect, queue
from portal.waiting import tell, wait
from tests.databases import on_both_databases
from tests.make.photos import mate, picture
from tests.portal.api.test_people import enrol
from tests.program import Program
from tests.run.workers import Worker
from tests.waiting import wait_until


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
    assert found["processing_ms"]["total"] > 0
    (face,) = found["faces"]
    (candidate,) = face["candidates"]
    assert (candidate["rank"], candidate["external_id"], candidate["match"]) == (1, "ahmed", True)
    assert found["threshold"] < candidate["score"] <= 1
    assert candidate["band"] is None


def test_a_search_that_is_waited_for_is_answered_in_one(
    app: Flask, worker: Worker, registry: Program, lfw: Path
) -> None:
    enrol(registry, "ahmed", mate(lfw, "Ahmed_Chalabi", 1))
    worker.work()
    interactive = queue(INTERACTIVE, connect(app.config["PORTAL"].redis_url))
    probe = {"image": [mate(lfw, "Ahmed_Chalabi", 2)]}
    with ThreadPoolExecutor(1) as elsewhere:
        sent = elsewhere.submit(registry.post_form, "/searches?wait=60", {}, probe)
        wait_until(lambda: interactive.count, "the search")
        worker.work()
        answer = sent.result()
    assert (answer.status_code, answer.get_json()["status"]) == (200, "done")
    assert answer.get_json()["faces"][0]["candidates"][0]["external_id"] == "ahmed"


def test_a_photo_without_a_face_says_so(worker: Worker, registry: Program) -> None:
    answer = registry.post_form("/searches", {}, {"image": [picture()]})
    worker.work()
    found = registry.get(f"/searches/{answer.get_json()['id']}").get_json()
    assert (found["status"], found["reason"], found["faces"]) == ("failed", "no_face", [])
    assert "No face was found" in found["message"]


@pytest.mark.parametrize(
    "limit", ["0", "101", "x", "-1", "1.5", "²", pytest.param("9" * 5000, id="5000 digits")]
)
def test_a_wrong_limit_is_told(limit: str, registry: Program) -> None:
    answer = registry.post_form("/searches", {"limit": limit}, {"image": [picture()]})
    assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, "limit")


def test_two_images_are_one_too_many(registry: Program) -> None:
    answer = registry.post_form("/searches", {}, {"image": [picture(1), picture(2)]})
    assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, "image")


def test_waiting_ends_when_it_is_told_or_when_the_time_is_over(app: Flask) -> None:
    checks: list[bool] = []

    def is_done() -> bool:
        checks.append(len(checks) == 2)
        if not checks[-1] and len(checks) > 1:
            tell("portal:done:test")
        return checks[-1]

    with app.app_context():
        assert wait("portal:done:test", 60, is_done)
        assert not wait("portal:done:other", 0.05, lambda: False)
        db.session.remove()
    assert checks == [False, False, True]
