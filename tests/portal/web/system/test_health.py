"""Health and metrics: what the one who runs the portal is told."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update
from sqlalchemy.orm import Session

from jobs import sweep as sweeping
from portal import create_app
from portal.database import now, writing
from portal.installation import workers
from portal.installation.models import WorkerProcess
from portal.installation.workers import WORKER_LOST_S, live_workers
from portal.organizations.models import Organization
from portal.settings import Settings
from tests.databases import on_both_databases
from tests.make.face_models import face_model
from tests.make.people import add_person, add_photo
from tests.make.photos import picture
from tests.make.searches import add_search
from tests.visitor import Visitor, enrol


@pytest.fixture
def live_worker(session: Session) -> WorkerProcess:
    """A worker that has just been heard of."""
    row = WorkerProcess(
        name="host:1:x",
        face_model_id=face_model(session).id,
        provider="CPUExecutionProvider",
        precision="float32",
        comparison="float32 only",
        memory_bytes=123_000_000,
    )
    workers.sign_in(session, row)
    return row


def ready(app: Flask) -> tuple[int, dict[str, str]]:
    response = Visitor(app).get("/readyz")
    return response.status_code, response.get_json()


OK = {"status": "ok", "database": "ok", "redis": "ok", "worker": "ok"}


def test_the_web_is_alive_whatever_else_is(app: Flask) -> None:
    response = app.test_client().get("/healthz")
    assert (response.status_code, response.get_json()) == (200, {"status": "ok"})


@on_both_databases
def test_ready_when_all_parts_answer(app: Flask, live_worker: WorkerProcess) -> None:
    assert ready(app) == (200, OK)


def test_not_ready_without_a_worker(app: Flask, session: Session, live_worker: WorkerProcess) -> None:
    lost = {**OK, "status": "not ready", "worker": "no worker has been heard from lately"}
    with writing(session):
        silent = now() - timedelta(seconds=WORKER_LOST_S + 1)
        session.execute(update(WorkerProcess).values(heartbeat_at=silent))
    assert ready(app) == (503, lost)
    workers.beat(session, live_worker, 1)
    assert ready(app) == (200, OK)
    sweeping.sign_out(session, live_worker.name)
    assert ready(app) == (503, lost)


def test_a_worker_that_was_thought_lost_is_known_again_when_it_beats(
    session: Session, live_worker: WorkerProcess
) -> None:
    sweeping.sign_out(session, live_worker.name)
    workers.beat(session, live_worker, 5)
    assert [(row.name, row.memory_bytes) for row in live_workers(session)] == [("host:1:x", 5)]


def test_not_ready_without_redis_or_database(app: Flask, settings: Settings, tmp_path: Path) -> None:
    nowhere = dataclasses.replace(settings, redis_url=f"unix://{tmp_path}/nothing.sock")
    assert ready(create_app(nowhere))[1]["redis"] == "Redis does not answer"
    lost = dataclasses.replace(settings, database_url="postgresql+psycopg://nobody@127.0.0.1:9/nothing")
    status, answer = ready(create_app(lost))
    assert status == 503
    assert answer["database"] == answer["worker"] == "the database does not answer"
    assert answer["redis"] == "ok"


@on_both_databases
def test_metrics_count_over_all_organizations(
    session: Session,
    clinic: Organization,
    school: Organization,
    bob: Visitor,
    live_worker: WorkerProcess,
    client: FlaskClient,
) -> None:
    for organization in (clinic, school):
        person = add_person(session, organization, "A1", "Anna Secret")
        add_photo(session, person)
        add_photo(session, person, faces=0, shade=1)
    add_search(session, clinic)
    enrol(bob, "Ben Secret", "B1", picture(2))
    response = client.get("/metrics")
    assert response.mimetype == "text/plain"
    assert "Secret" not in response.text
    assert "clinic" not in response.text
    families = list(text_string_to_metric_families(response.text))
    assert all(family.documentation for family in families)
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }
    assert found == {
        ("portal_people",): 3,
        ("portal_photos", "done"): 2,
        ("portal_photos", "failed"): 2,
        ("portal_photos", "queued"): 1,
        ("portal_searches", "done"): 1,
        ("portal_workers",): 1,
        ("portal_held_requests",): 0,
        ("portal_worker_memory_bytes", "1"): 123_000_000,
        ("portal_redis_up",): 1,
        # A message for each organization with photos, and the one that the search was sent with.
        ("portal_waiting_jobs", "interactive"): 1,
        ("portal_waiting_jobs", "enrolment"): 2,
    }


def test_metrics_are_there_without_redis(app: Flask, settings: Settings, tmp_path: Path) -> None:
    nowhere = dataclasses.replace(settings, redis_url=f"unix://{tmp_path}/nothing.sock")
    response = create_app(nowhere).test_client().get("/metrics")
    assert response.status_code == 200
    assert "portal_redis_up 0.0" in response.text
    assert "portal_waiting_jobs{" not in response.text
