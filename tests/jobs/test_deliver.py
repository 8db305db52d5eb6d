"""Webhooks from the outbox to real receivers: at least once, in order, signed, whatever happens."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from portal.organizations.models import Organization
from portal.settings import Settings
from portal.webhooks import services
from portal.webhooks.models import DeliveryState, Event
from tests.make.people import TESTER
from tests.make.webhooks import add_endpoint, deliveries, fresh, happen, pass_time, rules, states
from tests.run.delivering import deliver_due, delivering
from tests.run.programs import Running
from tests.run.receivers import Received, answer, receiver
from tests.waiting import wait_until

DELIVERED, WAITING = DeliveryState.DELIVERED, DeliveryState.WAITING


@pytest.fixture
def app(app: Flask) -> Flask:
    """A portal that allows receivers on its own machine."""
    app.config["PORTAL"] = dataclasses.replace(app.config["PORTAL"], webhook_private_addresses=True)
    return app


def test_events_arrive_in_order_signed_and_once(app: Flask, session: Session, clinic: Organization) -> None:
    with receiver() as one:
        endpoint = add_endpoint(session, clinic, one.address)
        happen(session, clinic, *range(1, 11))
        with delivering(app):
            happen(session, clinic, *range(11, 21))
            wait_until(lambda: len(one.received) == 20, "all events")
            wait_until(lambda: states(session, endpoint) == [DELIVERED] * 20, "their rows")
        assert one.numbers == list(range(1, 21))
        assert all(came.is_signed_with(endpoint.secret) for came in one.received)
        assert len({came.headers["webhook-id"] for came in one.received}) == 20


def test_what_a_receiver_refuses_comes_again_before_what_is_newer(
    app: Flask, session: Session, clinic: Organization
) -> None:
    with receiver() as one:
        endpoint = add_endpoint(session, clinic, one.address)
        one.script += [answer(200), answer(500), answer(302, Location=one.address)]
        happen(session, clinic, 1, 2, 3)
        for _ in range(3):
            deliver_due(app, session)
            pass_time(session, endpoint)
        assert one.numbers == [1, 2, 2, 2, 3]
        again = [came for came in one.received if came.data["search_id"] == 2]
        assert len({came.headers["webhook-id"] for came in again}) == 1
        assert len({came.body for came in again}) == 1
        assert all(came.is_signed_with(endpoint.secret) for came in again)


def test_a_receiver_that_is_not_there_is_waited_for(
    app: Flask, session: Session, clinic: Organization
) -> None:
    with receiver() as gone:
        endpoint = add_endpoint(session, clinic, gone.address)
    happen(session, clinic, 1, 2)
    deliver_due(app, session)
    assert [(one.attempts, one.problem) for one in deliveries(session, endpoint)] == [
        (1, "unreachable"),
        (0, None),
    ]
    with receiver() as back:
        services.change_endpoint(session, clinic, TESTER, rules(), endpoint.row, back.address, list(Event))
        deliver_due(app, session)
        assert back.numbers == [1, 2]


def test_a_slow_receiver_holds_up_nobody_else(app: Flask, session: Session, clinic: Organization) -> None:
    with receiver() as slow, receiver() as quick:
        slow.always = slow.wait
        late = add_endpoint(session, clinic, slow.address)
        add_endpoint(session, clinic, quick.address)
        with delivering(app):
            happen(session, clinic, 1, 2, 3)
            wait_until(lambda: quick.numbers == [1, 2, 3], "the quick one to have all")
            # The slow one is still busy with its first.
            assert slow.numbers == [1]
            assert states(session, late) == [WAITING] * 3
            slow.over.set()


def test_inner_addresses_are_refused_unless_they_are_allowed(
    app: Flask, session: Session, clinic: Organization, settings: Settings
) -> None:
    app.config["PORTAL"] = settings
    with receiver() as one:
        endpoint = add_endpoint(session, clinic, one.address.replace("http://127.0.0.1", "https://localhost"))
        happen(session, clinic, 1)
        deliver_due(app, session)
        assert deliveries(session, endpoint)[0].problem == "private_address"
        assert not one.received


def test_a_test_and_what_is_sent_again_wait_their_turn(
    app: Flask, session: Session, clinic: Organization
) -> None:
    with receiver() as one:
        endpoint = add_endpoint(session, clinic, one.address)
        one.script += [answer(200), answer(500)]
        happen(session, clinic, 1, 2)
        deliver_due(app, session)
        services.send_test(session, TESTER, endpoint.row)  # tries at once what was refused
        services.replay(session, TESTER, endpoint.row, deliveries(session, endpoint)[0])
        deliver_due(app, session)
        assert [came.data for came in one.received[2:]] == [
            {"search_id": 2, "state": "done"},
            {"endpoint_id": endpoint.id},
            {"search_id": 1, "state": "done"},
        ]
        assert one.received[0].headers["webhook-id"] == one.received[4].headers["webhook-id"]
        assert [row.asked_by for row in deliveries(session, endpoint)] == ["", "", "test", "test"]


def start(app: Flask) -> Running:
    environment = {**app.config["PORTAL"].environment(), "PATH": "/usr/bin:/bin"}
    return Running([sys.executable, "-m", "jobs.deliver"], environment)


def test_a_process_that_is_killed_in_the_middle_loses_nothing(
    app: Flask, session: Session, clinic: Organization
) -> None:
    with receiver() as one:
        endpoint = add_endpoint(session, clinic, one.address)
        one.script += [answer(200), one.wait]
        happen(session, clinic, 1, 2, 3)
        process = start(app)
        try:
            wait_until(lambda: len(one.received) == 2, "the second event to be on its way")
            process.send(signal.SIGKILL)
            process.ended()
        finally:
            process.close()
        assert states(session, endpoint) == [DELIVERED, WAITING, WAITING]
        pass_time(session, endpoint)
        deliver_due(app, session)
        assert one.numbers == [1, 2, 2, 3]


def test_a_process_that_is_asked_to_end_finishes_its_request_and_begins_no_other(
    app: Flask, session: Session, clinic: Organization
) -> None:
    with receiver() as one:
        endpoint = add_endpoint(session, clinic, one.address)
        process = start(app)

        def end_meanwhile(handler: BaseHTTPRequestHandler, came: Received) -> None:
            process.send(signal.SIGTERM)
            process.until("webhooks are no longer delivered")
            answer(200)(handler, came)

        one.script.append(end_meanwhile)
        try:
            happen(session, clinic, 1, 2)
            assert process.ended() == 0
        finally:
            process.close()
        assert states(session, endpoint) == [DELIVERED, WAITING]
        assert fresh(session, endpoint).claimed_by is None


def test_it_has_no_face_model_in_memory() -> None:
    code = "import sys, jobs.deliver; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()).isdisjoint({"cv2", "onnxruntime", "insightface", "numpy"})
