"""`Idempotency-Key`: what is sent again is not done again, whatever happens in between."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, event, func, select, update
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from jobs.sweep import sweep
from portal.api import idempotency
from portal.audit.models import AuditEvent
from portal.database import insert_or_leave, now, writing
from portal.extensions import db
from portal.http.holding import ACCOUNT, LIMITS, WORDS
from portal.keys import idempotency as keys
from portal.keys.idempotency import forget_answers, record_answer
from portal.keys.models import IdempotentRequest, Scope
from portal.organizations.models import Organization
from portal.people.models import Person
from portal.storage import photo_store
from tests.databases import on_both_databases, on_postgresql
from tests.make.batches import finish
from tests.make.photos import mate, picture
from tests.portal.api.test_batches import decide, send, start
from tests.portal.api.test_people import enrol
from tests.portal.conftest import Answered, Paired
from tests.program import Program, program
from tests.run.postgres import someone_waits_for_a_lock
from tests.run.workers import Worker
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]
Events = Callable[[str], list[AuditEvent]]
BATCH = {"source": "registry", "grouping": "file", "label": "external_id"}
ACTS = (
    *("batch.created", "batch.paused", "pair.decided"),
    *("duplicates.scan_started", "duplicates.scan_cancelled"),
)
KILLED = """
import os, signal, sys
from importlib import import_module
from portal import create_app
from tests.portal.api.test_idempotency import enrol_once
from tests.program import Program

module, _, name = sys.argv[1].rpartition(".")
setattr(import_module(module), name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
enrol_once(Program(create_app(), sys.argv[2]))
"""


def enrol_once(who: Program, key: str = "one", name: str = "Anna", path: str = "/people") -> TestResponse:
    fields = {"external_id": "A1", "name": name}
    return who.post_form(path, fields, {"photos": [picture(1)]}, **{"Idempotency-Key": key})


def people(session: Session) -> int:
    session.rollback()
    return session.scalars(select(func.count()).select_from(Person)).one()


def change(session: Session, **values: Any) -> None:
    """Let time pass for what is known of requests."""
    with writing(session):
        session.execute(update(IdempotentRequest).values(values))


@on_both_databases
def test_of_twenty_at_once_one_is_done_and_all_get_its_answer(
    app: Flask, registry: Program, session: Session, files: Callable[[], list[Path]]
) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: enrol_once(registry), range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.data for answer in answers}) == 1
    assert len({(answer.headers["Location"], answer.headers["ETag"]) for answer in answers}) == 1
    assert people(session) == len(files()) == 1


def test_a_repeat_gets_the_same_answer_although_the_person_changed(
    worker: Worker, registry: Program, events: Events
) -> None:
    first = enrol_once(registry)
    worker.work()
    assert registry.get(f"/people/{first.get_json()['id']}").get_json() != first.get_json()
    assert enrol_once(registry).data == first.data
    assert len(events("person.created")) == 1


def test_a_key_belongs_to_one_request_of_one_program(
    app: Flask, clinic: Organization, registry: Program, outsider: Program, session: Session
) -> None:
    assert enrol_once(registry).status_code == 202
    for other in (
        enrol_once(registry, name="Anne"),
        enrol_once(registry, path="/people?wait=1"),
        registry.post_form("/searches", {}, {"image": [picture(1)]}, **{"Idempotency-Key": "one"}),
    ):
        assert (other.status_code, "was used for a request" in other.get_json()["detail"]) == (422, True)
    assert enrol_once(outsider).status_code == 202
    # For another key of the same organization it is another request: this external ID is taken.
    assert enrol_once(program(app, clinic, Scope.ENROL, name="Other")).status_code == 422
    assert people(session) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a\tb"])
def test_a_key_that_is_none_is_told(key: str, registry: Program, session: Session) -> None:
    answer = enrol_once(registry, key)
    assert (answer.status_code, "printable characters" in answer.get_json()["detail"]) == (400, True)
    assert people(session) == 0


def test_after_a_refusal_the_key_may_be_used_for_the_right_request(
    registry: Program, session: Session
) -> None:
    assert enrol_once(registry, name="").status_code == 422
    assert enrol_once(registry).status_code == 202
    assert people(session) == 1


class Slow(io.RawIOBase):
    """A body of which the second half comes when it may."""

    def __init__(self, content: bytes) -> None:
        half, self._length, self._place = len(content) // 2, len(content), 0
        self._parts = [content[:half], content[half:]]
        self.is_coming, self.may_go_on = threading.Event(), threading.Event()

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = offset if whence == io.SEEK_SET else self._length
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: Any) -> int:
        if len(self._parts) == 1:
            self.is_coming.set()
            assert self.may_go_on.wait(60)
        part = self._parts.pop(0) if self._parts else b""
        buffer[: len(part)] = part
        return len(part)


def send_slowly(who: Program) -> tuple[Slow, Callable[[], TestResponse]]:
    head = 'Content-Disposition: form-data; name="'
    body = (
        (
            f'--x\r\n{head}external_id"\r\n\r\nA1\r\n--x\r\n{head}name"\r\n\r\nAnna\r\n'
            f'--x\r\n{head}photos"; filename="0.jpg"\r\n\r\n'
        ).encode()
        + picture(1)
        + b"\r\n--x--\r\n"
    )
    slow = Slow(body)
    headers = {"Idempotency-Key": "one"}
    return slow, lambda: who.send(
        "POST",
        "/people",
        headers=headers,
        input_stream=slow,
        content_type="multipart/form-data; boundary=x",
    )


@on_both_databases
def test_while_the_first_is_still_sent_a_repeat_is_told_to_ask_again(
    registry: Program, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "PATIENCE_S", 0.01)
    slow, send = send_slowly(registry)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(send)
        assert slow.is_coming.wait(60)
        repeat = enrol_once(registry)
        assert (repeat.status_code, repeat.headers["Retry-After"]) == (409, "5")
        slow.may_go_on.set()
        answer = first.result()
    assert answer.status_code == 202
    assert enrol_once(registry).data == answer.data
    assert people(session) == 1


def test_a_repeat_without_a_body_holds_a_place_while_it_waits(
    registry: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "PATIENCE_S", 0.01)
    slow, send = send_slowly(registry)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(send)
        assert slow.is_coming.wait(60)
        with monkeypatch.context() as full:
            full.setitem(LIMITS, ACCOUNT, 0)
            repeat = registry.send("POST", "/people", headers={"Idempotency-Key": "one"})
        slow.may_go_on.set()
        assert first.result().status_code == 202
    assert (repeat.status_code, repeat.headers["Retry-After"]) == (429, "5")
    assert WORDS[ACCOUNT] in repeat.get_json()["detail"]


@on_both_databases
def test_one_that_gave_no_sign_is_taken_over_and_does_nothing_then(
    registry: Program, session: Session, files: Callable[[], list[Path]]
) -> None:
    slow, send = send_slowly(registry)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(send)
        assert slow.is_coming.wait(60)
        change(session, claimed_until=now() - timedelta(seconds=1))
        assert enrol_once(registry).status_code == 202
        slow.may_go_on.set()
        late = first.result()
    assert (late.status_code, "took over" in late.get_json()["detail"]) == (409, True)
    assert people(session) == len(files()) == 1


@on_both_databases
@pytest.mark.parametrize(
    ("killed_in", "is_done"),
    [
        # Inside the transaction of the act; after its commit; when the answer has been kept.
        ("portal.people.aliases.insert", False),
        ("portal.api.people.views.wait", True),
        ("portal.api.idempotency.tell", True),
    ],
)
def test_killed_in_the_middle_it_is_done_once_all_the_same(
    killed_in: str, is_done: bool, app: Flask, registry: Program, session: Session
) -> None:
    token = registry.headers["Authorization"].removeprefix("Bearer ")
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, killed_in, token],
        cwd=ROOT,
        env=app.config["PORTAL"].environment(),
        check=False,
        capture_output=True,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert people(session) == is_done
    if not is_done:
        # Until the other one has been silent for long enough.
        change(session, claimed_until=now() - timedelta(seconds=1))
    answers = [enrol_once(registry) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].data == answers[1].data
    assert people(session) == 1


def test_with_a_person_the_answers_are_deleted_that_may_show_them(
    registry: Program, session: Session
) -> None:
    person = enrol_once(registry).get_json()
    assert registry.send("DELETE", f"/people/{person['id']}").status_code == 204
    (known,) = session.scalars(select(IdempotentRequest).execution_options(populate_existing=True))
    assert (known.status, known.headers, known.body) == (None, None, None)
    assert enrol_once(registry).status_code == 404
    assert people(session) == 0


def test_with_the_photos_of_a_batch_that_is_undone_the_answers_are_deleted_that_show_them(
    worker: Worker, registry: Program, session: Session
) -> None:
    person = registry.post_form("/people", {"external_id": "a1", "name": "Anna"}, {"photos": [picture(2)]})
    batch = start(registry)
    send(registry, batch, {"a1/1.jpg": picture(3)})
    finish(worker)
    path, key = f"/people/{person.get_json()['id']}/photos", {"Idempotency-Key": "photo"}
    whole = registry.post_form(path, {}, {"photos": [picture(1)]}, **key).get_json()
    assert len(whole["photos"]) == 3
    assert decide(registry, batch, "undo").status_code == 200
    finish(worker)
    (known,) = session.scalars(select(IdempotentRequest))
    assert (known.status, known.body) == (None, None)


def test_a_day_later_a_key_is_new_and_the_sweep_forgets_it(
    app: Flask, worker: Worker, registry: Program, session: Session
) -> None:
    old = {"created_at": now() - timedelta(hours=25), "claimed_until": now() - timedelta(hours=24)}
    enrol_once(registry)
    change(session, **old)
    assert enrol_once(registry).status_code == 422  # the external ID is taken
    enrol(registry, "B1", picture(2))
    enrol_once(registry, "two", path="/searches")
    change(session, **old)
    sweep(session, photo_store())
    assert session.scalars(select(IdempotentRequest)).all() == []


@on_both_databases
def test_an_examination_that_was_refused_may_be_sent_again_with_its_key(
    worker: Worker, registry: Program, answered: Answered, events: Events
) -> None:
    def compare() -> TestResponse:
        photos = {"image_a": [picture(1)], "image_b": [picture(2)]}
        return registry.post_form("/comparisons", {}, photos, **{"Idempotency-Key": "one"})

    refusals = [answered(compare) for _ in range(2)]
    assert [refusal.status_code for refusal in refusals] == [422, 422]
    assert len(events("examination.comparison")) == 2


def test_the_answer_to_an_examination_is_kept(
    worker: Worker, registry: Program, answered: Answered, events: Events
) -> None:
    def detect() -> TestResponse:
        return registry.post_form("/detections", {}, {"image": [picture(1)]}, **{"Idempotency-Key": "one"})

    first = answered(detect)
    assert first.status_code == 200
    assert detect().data == first.data
    assert len(events("examination.detection")) == 1


@on_both_databases
def test_templates_are_not_kept_for_repeats(
    worker: Worker, registry: Program, answered: Answered, session: Session, lfw: Path, events: Events
) -> None:
    photo = mate(lfw, "Ahmed_Chalabi", 1)

    def detect() -> TestResponse:
        path = "/detections?templates=true"
        return registry.post_form(path, {}, {"image": [photo]}, **{"Idempotency-Key": "one"})

    answers = [answered(detect).get_json() for _ in range(2)]
    assert answers[0]["faces"][0]["template"] == answers[1]["faces"][0]["template"] is not None
    assert session.scalars(select(IdempotentRequest)).all() == []
    assert len(events("examination.detection")) == 2


@on_both_databases
def test_an_answer_that_shows_who_was_deleted_while_it_was_made_is_not_kept(
    registry: Program, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*given: Any) -> Any:
        with ThreadPoolExecutor(1) as elsewhere:
            person_id = session.scalars(select(Person.id)).one()
            deleted = elsewhere.submit(registry.send, "DELETE", f"/people/{person_id}").result()
            assert deleted.status_code == 204
        return record_answer(*given)

    monkeypatch.setattr(idempotency, "record_answer", late)
    assert enrol_once(registry).status_code == 202
    (known,) = session.scalars(select(IdempotentRequest).execution_options(populate_existing=True))
    assert (known.status, known.headers, known.body) == (None, None, None)
    assert enrol_once(registry).status_code == 404


@on_postgresql
def test_an_answer_waits_for_a_deletion_that_is_under_way(
    app: Flask, clinic: Organization, registry: Program, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_recording = threading.Event()

    def late(*given: Any) -> Any:
        is_recording.set()
        return record_answer(*given)

    monkeypatch.setattr(idempotency, "record_answer", late)
    with ThreadPoolExecutor(1) as pool:
        with writing(session):
            forget_answers(session, clinic.id)
            first = pool.submit(enrol_once, registry)
            assert is_recording.wait(60)
            wait_until(
                lambda: first.done() or someone_waits_for_a_lock(db.engine), "the answer, or that it waits"
            )
        assert first.result().status_code == 202
    (known,) = session.scalars(select(IdempotentRequest).execution_options(populate_existing=True))
    assert (known.acted_at is None, known.status, known.body) == (False, None, None)


@on_postgresql
def test_a_key_that_is_released_while_it_is_claimed_again_is_claimed(
    app: Flask, registry: Program, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, send = send_slowly(registry)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(send)
        assert slow.is_coming.wait(60)

        def release_then(*given: Any) -> Any:
            """After the INSERT met the first request, that is refused."""
            monkeypatch.setattr(keys, "insert_or_leave", insert_or_leave)
            statement = insert_or_leave(*given)

            @event.listens_for(db.engine, "after_execute", once=True)
            def refuse(*_: Any) -> None:
                with Session(db.engine) as other:
                    other.execute(delete(IdempotentRequest))
                    other.commit()

            return statement

        monkeypatch.setattr(keys, "insert_or_leave", release_then)
        assert enrol_once(registry).status_code == 202
        slow.may_go_on.set()
        assert first.result().status_code == 409
    assert people(session) == 1


def sent_before_and_after_a_deletion(
    who: Program, path: str, json: dict[str, Any] | None
) -> tuple[TestResponse, TestResponse]:
    """The first answer, and that of a repeat after somebody else was deleted."""
    key = {"Idempotency-Key": path}
    first = who.send("POST", path, json=json, headers=key)
    person_id = enrol(who, "somebody", picture(200))["id"]
    assert who.send("DELETE", f"/people/{person_id}").status_code == 204
    return first, who.send("POST", path, json=json, headers=key)


def test_after_a_deletion_repeats_are_answered_anew_and_nothing_is_done_twice(
    registry: Program, paired: Paired, events: Events
) -> None:
    first, repeat = sent_before_and_after_a_deletion(registry, "/batches", BATCH)
    assert (repeat.status_code, repeat.get_json()) == (201, first.get_json())
    assert repeat.headers["Location"] == first.headers["Location"]
    batch_id = first.get_json()["id"]
    for path, json, status in (
        (f"/batches/{batch_id}/decision", {"decision": "pause"}, 200),
        (f"/duplicates/{paired('A', 'B').id}/decision", {"decision": "distinct"}, 200),
        ("/duplicate-scans", None, 202),
    ):
        first, repeat = sent_before_and_after_a_deletion(registry, path, json)
        assert (first.status_code, repeat.status_code) == (status, status), repeat.text
        if path.startswith("/duplicates/"):
            assert repeat.get_json()["pair"] == first.get_json()["pair"]
            assert "not there any more" in repeat.get_json()["remarks"][0]
        else:
            assert repeat.get_json() == first.get_json()
    cancel = f"/duplicate-scans/{first.get_json()['id']}/cancel"
    first, repeat = sent_before_and_after_a_deletion(registry, cancel, None)
    assert (repeat.status_code, repeat.get_json()) == (200, first.get_json())
    for action in ACTS:
        assert len(events(action)) == 1, action


def test_several_searches_whose_answer_was_deleted_are_told_to_have_been_carried_out(
    registry: Program, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    def search() -> TestResponse:
        photos = {"images": [picture(1), picture(2)]}
        return registry.post_form("/searches/batch", {}, photos, **{"Idempotency-Key": "one"})

    assert search().status_code == 202
    person_id = enrol(registry, "A1", picture(3))["id"]
    assert registry.send("DELETE", f"/people/{person_id}").status_code == 204
    monkeypatch.setattr(idempotency, "PATIENCE_S", -1)  # it is told at once
    repeat = search()
    assert (repeat.status_code, "was carried out" in repeat.get_json()["detail"]) == (409, True)
    assert "Retry-After" not in repeat.headers
    assert len(events("search.created")) == 2


def test_the_parts_of_a_batch_may_be_sent_again_after_a_deletion(registry: Program) -> None:
    batch_id = registry.send("POST", "/batches", json=BATCH).get_json()["id"]
    path = f"/batches/{batch_id}/files"
    file = {"path": "a1.jpg", "size_bytes": 10}
    first, repeat = sent_before_and_after_a_deletion(registry, path, {"files": [file]})
    assert (repeat.status_code, repeat.get_json()) == (200, first.get_json())
    first, repeat = sent_before_and_after_a_deletion(registry, f"/batches/{batch_id}/announced", None)
    # Its pace, and when it can be undone, are those of the moment.
    assert (repeat.status_code, repeat.get_json()["counts"]) == (200, first.get_json()["counts"])
    archives = f"/batches/{batch_id}/archives"
    first, repeat = sent_before_and_after_a_deletion(
        registry, archives, {"file_name": "a.zip", "size_bytes": 10}
    )
    assert (repeat.status_code, repeat.get_json()) == (first.status_code, first.get_json())
