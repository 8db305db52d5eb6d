"""Clients that take their time, against the real web server with few threads: the others go on."""

from __future__ import annotations

import http.client
import json
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from flask import Flask
from gunicorn.config import Config
from gunicorn.workers.gthread import TConn

from portal.keys.models import Scope
from portal.organizations.models import Organization
from portal.queues import INTERACTIVE, connect, queue
from portal.settings import Settings
from portal.up import listener, web_worker
from portal.up.children import ROOT
from portal.up.listener import Listener
from portal.up.web_worker import Worker
from tests.make.photos import picture
from tests.program import Program, program
from tests.run.programs import PATIENCE_S
from tests.waiting import wait_until

PLACES = 4  # of those who are not signed in
# As the server is configured; the module would change the limits of this process as well.
FEW_THREADS, THREADS = "tests.portal.up.few_threads", 9


@dataclass
class Served:
    """A web server in processes of its own."""

    port: int
    process: subprocess.Popen[bytes]
    clients: ExitStack

    def client(self, sent: bytes = b"") -> socket.socket:
        """Someone who has connected and sent a little."""
        client = self.clients.enter_context(socket.create_connection(("127.0.0.1", self.port), PATIENCE_S))
        client.sendall(sent)
        return client

    def get(self, path: str) -> http.client.HTTPResponse:
        """The answer to someone quick."""
        return answer_to(
            self.client(f"GET {path} HTTP/1.1\r\nHost: portal\r\nConnection: close\r\n\r\n".encode())
        )

    def until_held(self, number: int) -> None:
        """Wait until so many places are taken."""
        line = f"\nportal_held_requests {number}.0\n".encode()
        wait_until(lambda: line in self.get("/metrics").read(), f"{number} places are held")


@pytest.fixture
def served(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Served]]:
    """Start the web server, with what a connection may take as it is, or shorter."""
    with ExitStack() as stack:

        def start(silent_for_s: int = PATIENCE_S) -> Served:
            monkeypatch.setattr(listener, "SILENT_FOR_S", silent_for_s)
            listens = stack.enter_context(Listener("127.0.0.1", 0))
            process = stack.enter_context(
                subprocess.Popen(
                    [
                        *(sys.executable, "-m", "gunicorn", "--config", f"python:{FEW_THREADS}"),
                        *("--bind", f"fd://{listens.descriptor}", "wsgi:app"),
                    ],
                    env=os.environ | settings.environment(),
                    cwd=ROOT,
                    pass_fds=(listens.descriptor,),
                )
            )
            stack.callback(process.kill)
            return Served(listens.port, process, stack.enter_context(ExitStack()))

        yield start


def answer_to(client: socket.socket) -> http.client.HTTPResponse:
    """What a client gets, without its body."""
    answer = http.client.HTTPResponse(client)
    answer.begin()
    return answer


def beginning(path: str, length: int = 1000, **headers: str) -> bytes:
    """The beginning of a form."""
    lines = [f"POST {path} HTTP/1.1", "Host: portal", f"Content-Length: {length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines.append("Content-Type: application/x-www-form-urlencoded")
    return "\r\n".join([*lines, "", "email="]).encode()


def test_pages_are_answered_while_more_clients_are_slow_than_there_are_threads(
    served: Callable[..., Served],
) -> None:
    portal = served()
    for _ in range(2 * THREADS):
        portal.client()
        portal.client(b"GET / HTTP/1.1\r\nHost: po")
    forms = [portal.client(beginning("/login")) for _ in range(PLACES)]
    portal.until_held(PLACES)
    answer = answer_to(portal.client(beginning("/login")))
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "under way at once" in answer.read().decode()
    assert [portal.get(path).status for path in ("/first-run", "/healthz")] == [200, 200]
    # Slow, but moving: not cut.
    for form in forms:
        form.sendall(b"x" * 994)
    assert [answer_to(form).status for form in forms] == [400] * PLACES
    assert portal.get("/first-run").status == 200


def test_a_head_that_is_too_long_never_has_a_thread(served: Callable[..., Served]) -> None:
    portal = served()
    lines = b"".join(b"X-%d: %s\r\n" % (number, b"a" * 7000) for number in range(10))
    clients = [portal.client(b"GET / HTTP/1.1\r\nHost: portal\r\n" + lines) for _ in range(2 * THREADS)]
    assert portal.get("/first-run").status == 200
    assert [answer_to(client).status for client in clients] == [431] * len(clients)


class Pool:
    """Threads that answer at once, and keep the connection."""

    def submit(self, _handle: object, conn: TConn) -> Future[bool]:
        conn.parser.unreader.take_buffered()
        future: Future[bool] = Future()
        future.set_result(True)
        return future


@pytest.fixture
def worker() -> Iterator[Worker]:
    """A worker whose main loop the test turns."""
    with socket.create_server(("127.0.0.1", 0)) as listens, selectors.DefaultSelector() as poller:
        made = Worker(1, os.getpid(), [listens], None, PATIENCE_S, Config(), logging.getLogger())
        made.poller, made.tpool = poller, Pool()
        made.method_queue.init()
        made.poller.register(
            made.method_queue.fileno(), selectors.EVENT_READ, made.method_queue.run_callbacks
        )
        made.set_accept_enabled(True)
        yield made
        made.murder_keepalived(force=True)
        made._cap_keepalive(0)
        made.murder_pending()
        made.method_queue.close()
        made.tmp._tmp.close()


def turn(worker: Worker, until: Callable[[], bool]) -> None:
    """Turn the main loop until something is so."""
    for _ in range(100):
        if until():
            return
        worker.wait_for_and_dispatch_events(0.1)
    raise AssertionError


def test_a_connection_that_makes_way_may_speak_at_that_moment(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = worker.sockets[0].getsockname()
    with socket.create_connection(address) as kept:
        kept.sendall(b"GET / HTTP/1.1\r\n\r\n")
        turn(worker, lambda: len(worker.keepalived_conns) == 1)
        monkeypatch.setattr(web_worker, "MOST_WITHOUT_THREAD", 1)
        # Both are seen at once, the new one first.
        with socket.create_connection(address):
            kept.sendall(b"GET / HTTP/1.1\r\n")
            turn(worker, lambda: not worker.keepalived_conns)
            assert worker.nr_conns == len(worker.pending_conns) == 1


def test_a_connection_that_goes_wrong_is_dropped_alone(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    address = worker.sockets[0].getsockname()
    with socket.create_connection(address) as wrong, socket.create_connection(address) as right:
        turn(worker, lambda: worker.nr_conns == 2)
        with monkeypatch.context() as broken:
            broken.setattr(web_worker, "_read", lambda _: 1 / 0)
            wrong.sendall(b"GET / HTTP/1.1\r\n\r\n")
            turn(worker, lambda: worker.nr_conns == 1)
        assert "ZeroDivisionError" in caplog.text
        right.sendall(b"GET / HTTP/1.1\r\n\r\n")
        turn(worker, lambda: len(worker.keepalived_conns) == 1)


def test_an_upload_that_has_stopped_is_cut_and_makes_room(served: Callable[..., Served]) -> None:
    portal = served(silent_for_s=2)
    stopped = [portal.client(beginning("/login")) for _ in range(PLACES)]
    assert [answer_to(form).status for form in stopped] == [408] * PLACES
    again = portal.client(beginning("/login"))
    again.sendall(b"x" * 994)
    assert answer_to(again).status == 400


def test_what_is_waited_for_leaves_places_to_others_and_is_answered_when_the_server_stops(
    served: Callable[..., Served], app: Flask, settings: Settings, clinic: Organization, school: Organization
) -> None:
    portal, probe = served(), picture()
    head = b"--b\r\nContent-Disposition: form-data; name=image; filename=a.jpg\r\n\r\n"
    body = head + probe + b"\r\n--b--\r\n"

    ours, others = (program(app, one, Scope.ADMIN) for one in (clinic, school))

    def search(who: Program, wait: int) -> socket.socket:
        lines = [
            f"POST /api/v1/searches?wait={wait} HTTP/1.1",
            "Host: portal",
            f"Authorization: {who.headers['Authorization']}",
            "Content-Type: multipart/form-data; boundary=b",
            f"Content-Length: {len(body)}",
        ]
        return portal.client("\r\n".join([*lines, "", ""]).encode() + body)

    waiting = [search(ours, 60) for _ in range(3)]
    interactive = queue(INTERACTIVE, connect(settings.redis_url))
    wait_until(lambda: interactive.count == 3, "three searches")
    portal.until_held(3)
    one_more = answer_to(search(ours, 60))
    assert (one_more.status, one_more.headers["Retry-After"]) == (429, "5")
    problem = json.loads(one_more.read())
    assert problem["detail"].startswith("Your organization has 3 uploads and answers under way")
    assert answer_to(search(others, 0)).status == 202
    # Whoever hangs up holds nothing any more.
    waiting.pop().close()
    portal.until_held(2)
    assert portal.get("/first-run").status == 200
    stuck = portal.client(beginning("/login"))
    portal.process.send_signal(signal.SIGTERM)
    answers = [answer_to(one) for one in waiting]
    assert [answer.status for answer in answers] == [202] * 2
    assert {json.loads(answer.read())["status"] for answer in answers} == {"queued"}
    assert portal.process.wait(PATIENCE_S) in {0, -signal.SIGTERM}
    assert stuck.recv(1) == b""
