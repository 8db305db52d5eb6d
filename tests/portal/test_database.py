"""What is told when a database is written by others all the time, and that nothing is done then."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from threading import Event, Thread

import pytest
from flask import Flask

from portal import database
from portal.extensions import db
from portal.keys.models import Scope
from portal.organizations.models import Organization
from tests.program import program
from tests.visitor import Visitor

Writing = Callable[[Flask], AbstractContextManager[None]]


@contextmanager
def another_process(app: Flask) -> Iterator[None]:
    file = app.config["PORTAL"].data_dir / "portal.sqlite3"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def another_thread(app: Flask) -> Iterator[None]:
    begun, ends = Event(), Event()

    def write() -> None:
        with app.app_context(), database.writing(db.session()):
            begun.set()
            ends.wait()

    thread = Thread(target=write)
    thread.start()
    begun.wait()
    try:
        yield
    finally:
        ends.set()
        thread.join()


@pytest.mark.parametrize("writes", [another_process, another_thread])
def test_a_busy_database_is_told_and_nothing_is_done(
    writes: Writing, app: Flask, alice: Visitor, clinic: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, settings = program(app, clinic, Scope.ADMIN), {"name": "Beta Clinic", "retention_days": "9"}
    registry.get("/people")
    alice.get("/settings")
    monkeypatch.setattr(database, "TURN_S", 0.01)
    with app.app_context():
        db.engine.dispose()  # connections know how long they wait
    batch = {"source": "registry", "grouping": "file", "label": "external_id"}
    with writes(app):
        page = alice.post("/settings", settings)
        answer = registry.send("POST", "/batches", json=batch)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "Send it again" in answer.get_json()["detail"]
    assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
    assert "Try again in a few seconds" in page.text
    assert "Alpha Clinic" in alice.get("/settings").text
    assert registry.send("POST", "/batches", json=batch).status_code == 201
    assert [one["id"] for one in registry.get("/batches").get_json()["items"]] == [1]
