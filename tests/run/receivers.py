"""Receivers of webhooks on this machine: real HTTP servers that do what a test tells them."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.body)["data"]
        return data

    def is_signed_with(self, secret: str) -> bool:
        """Whether the library that receivers use takes it for genuine; raises where it does not."""
        Webhook(secret).verify(self.body, self.headers)
        return True


Behaviour = Callable[[BaseHTTPRequestHandler, Received], None]


def answer(
    status: int, body: bytes = b"", **headers: str
) -> Callable[[BaseHTTPRequestHandler, Received], None]:
    """Answer at once, always the same."""

    def behave(handler: BaseHTTPRequestHandler, _: Received) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return behave


@dataclass
class Receiver:
    """What came, and what is done next: the answers of `script` one after the other, then `always`."""

    address: str
    always: Behaviour
    script: list[Behaviour] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    # Set when a test is over: behaviours that wait for something wait for this.
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def numbers(self) -> list[int]:
        """The search ids of what came, in the order in which it came."""
        return [one.data["search_id"] for one in self.received]

    def wait(self, handler: BaseHTTPRequestHandler, _: Received) -> None:
        """A behaviour: say nothing until the test is over."""
        self.over.wait()
        handler.close_connection = True

    def trickle(self, handler: BaseHTTPRequestHandler, _: Received) -> None:
        """A behaviour: the head of an answer that never ends, byte by byte."""
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not self.over.wait(0.02):
            handler.wfile.write(b"x")


@contextmanager
def receiver(always: Behaviour | None = None, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver that listens while the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came = Received(self.path, dict(self.headers), body)
            one.received.append(came)
            try:
                (one.script.pop(0) if one.script else one.always)(self, came)
            except OSError:
                self.close_connection = True  # the sender has gone

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # senders that break off are what some tests are about

    server = Server(("127.0.0.1", 0), Handler)
    scheme = "http"
    if tls is not None:
        server.socket, scheme = tls.wrap_socket(server.socket, server_side=True), "https"
    one = Receiver(f"{scheme}://127.0.0.1:{server.server_port}/hooks", always or answer(204))
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02))
    thread.start()
    try:
        yield one
    finally:
        one.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
