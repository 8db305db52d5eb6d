"""Messages to the workers: one that waits is enough, and one that is lost is sent again."""

from __future__ import annotations

import dataclasses
import socket
from pathlib import Path
from typing import cast

import pytest
from flask import Flask
from rq import SimpleWorker
from rq.serializers import JSONSerializer
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import create_app, queues
from portal.keys.models import Scope
from portal.organizations.models import Organization
from portal.photos.models import Photo
from portal.queues import ENROLMENT, INTERACTIVE, connect, queue
from portal.settings import Settings
from portal.web import configuration
from tests.make.face_models import face_model
from tests.make.photos import picture
from tests.program import Program, program
from tests.run.workers import Worker, sweep
from tests.visitor import Visitor, enrol, search

PHOTOS, SEARCH = "jobs.enrolment.process_photos", "jobs.search.run_search"


def waiting(app: Flask, name: str) -> list[tuple[str | None, list[int]]]:
    """The messages in a queue: job and arguments, as a worker would read them."""
    found = queue(name, connect(app.config["PORTAL"].redis_url)).get_jobs()
    assert all(job.serializer is JSONSerializer for job in found)
    return [(job.func_name, list(job.args)) for job in found]


@pytest.fixture
def registry(app: Flask, clinic: Organization) -> Program:
    """A program of the clinic."""
    return program(app, clinic, Scope.ADMIN)


def forget(app: Flask) -> None:
    """What a Redis does that was emptied."""
    connect(app.config["PORTAL"].redis_url).flushall()


def test_however_many_photos_come_one_message_an_organization_waits(
    app: Flask, bob: Visitor, charlie: Visitor
) -> None:
    for number in range(3):
        enrol(bob, "Anna", f"A{number}", picture(number))
        enrol(charlie, "Anna", f"A{number}", picture(number))
    assert waiting(app, ENROLMENT) == [(PHOTOS, [bob.organization.id]), (PHOTOS, [charlie.organization.id])]


def test_every_search_has_its_own_message_ahead_of_enrolment(app: Flask, bob: Visitor) -> None:
    enrol(bob, "Anna", "A1", picture(1))
    made = [search(bob, picture(2)) for _ in range(2)]
    assert waiting(app, INTERACTIVE) == [(SEARCH, [number]) for number in made]
    assert queues.QUEUES.index(INTERACTIVE) < queues.QUEUES.index(ENROLMENT)


def test_searches_are_worked_out_before_photos(worker: Worker, bob: Visitor) -> None:
    enrol(bob, "Anna", "A1", picture(1))
    search(bob, picture(2))
    assert worker.work() == [SEARCH, PHOTOS]


def test_a_message_that_was_taken_does_not_keep_the_next_away(app: Flask) -> None:
    with app.app_context():
        queues.enqueue_enrolment(7)
        taken = queue(ENROLMENT, connect(app.config["PORTAL"].redis_url)).pop_job_id()
        assert taken
        queues.forget_waiting(PHOTOS, 7)
        queues.enqueue_enrolment(7)
        queues.enqueue_enrolment(7)
    assert waiting(app, ENROLMENT) == [(PHOTOS, [7])]


def test_a_marker_whose_message_is_gone_does_not_keep_the_next_away(app: Flask) -> None:
    """A worker was killed between taking the message and saying so."""
    with app.app_context():
        queues.enqueue_enrolment(7)
        assert queue(ENROLMENT, connect(app.config["PORTAL"].redis_url)).pop_job_id()
        queues.enqueue_enrolment(7)
    assert waiting(app, ENROLMENT) == [(PHOTOS, [7])]


def test_what_an_emptied_redis_forgot_is_sent_again(
    app: Flask, session: Session, bob: Visitor, charlie: Visitor
) -> None:
    face_model(session)
    enrol(bob, "Anna", "A1", picture(1))
    enrol(charlie, "Anna", "A1", picture(1))
    found = search(bob, picture(2))
    for _ in range(2):
        forget(app)
        sweep(app)
        sweep(app)  # what waits already is not sent twice
        assert waiting(app, INTERACTIVE) == [(SEARCH, [found])]
        assert sorted(waiting(app, ENROLMENT)) == [
            (PHOTOS, [bob.organization.id]),
            (PHOTOS, [charlie.organization.id]),
        ]


def test_without_redis_the_upload_is_kept_and_done_when_redis_is_back(
    app: Flask, settings: Settings, clinic: Organization, tmp_path: Path, session: Session, bob: Visitor
) -> None:
    """The portal goes on while Redis is away: the row is what counts."""
    nowhere = dataclasses.replace(settings, redis_url=f"unix://{tmp_path}/nothing.sock")
    face_model(session)
    without = Visitor(create_app(nowhere))
    assert without.sign_in("bob@clinic.example").status_code == 302
    person = enrol(without, "Anna", "A1", picture(1))
    without.get(f"/people/{person}")
    assert [tile["data-photo-state"] for tile in without.page.select("[data-photo]")] == ["queued"]
    search(without, picture(2))
    assert waiting(app, ENROLMENT) == waiting(app, INTERACTIVE) == []
    assert session.scalars(select(Photo.state)).all() == ["queued"]
    sweep(app)
    assert len(waiting(app, ENROLMENT)) == len(waiting(app, INTERACTIVE)) == 1


def test_a_redis_that_hangs_is_one_that_does_not_answer(
    settings: Settings, tmp_path: Path, session: Session, registry: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (queues, configuration):
        monkeypatch.setattr(module, "COMMAND_S", 0.05)
    face_model(session)
    path = str(tmp_path / "hung.sock")
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(path)
        hung.listen()  # it takes connections, and that is all
        app = create_app(dataclasses.replace(settings, redis_url=f"unix://{path}"))
        again = Program(app, registry.headers["Authorization"].removeprefix("Bearer "))
        answer = again.post_form("/people", {"external_id": "A1", "name": "Anna"}, {"photos": [picture(1)]})
        assert answer.status_code == 202
        assert app.test_client().get("/readyz").status_code == 503
    assert session.scalars(select(Photo.state)).all() == ["queued"]


def test_a_worker_may_wait_for_jobs_longer_than_a_command_takes(settings: Settings) -> None:
    connection = queues.connect_worker(settings.redis_url)
    worker = SimpleWorker([queue(INTERACTIVE, connection)], connection=connection)
    waits, commands = (
        one.connection_pool.connection_kwargs["socket_timeout"]
        for one in (connection, connect(settings.redis_url))
    )
    assert waits > worker.dequeue_timeout > commands == queues.COMMAND_S
    connection.close()


def test_messages_hold_numbers_only(app: Flask, bob: Visitor) -> None:
    enrol(bob, "Anna Secret", "SECRET-1", picture(1))
    search(bob, picture(2))
    connection = connect(app.config["PORTAL"].redis_url)
    for key in connection.scan_iter("rq:job:*"):
        held = cast(dict[bytes, bytes], connection.hgetall(key))
        assert not [value for value in held.values() if b"ecret" in value.lower() or b"\xff\xd8" in value]
