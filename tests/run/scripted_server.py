"""A small web server that answers what it was told to, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What to answer; without a status the connection is closed instead."""

    status: int | None
    content: Any = None
    headers: dict[str, str] = field(default_factory=dict)


HANG_UP = Reply(None)


class ScriptedServer:
    """The server: `script` is answered in order, the last reply again and again."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.script: list[Reply] = []
        self.asked: list[Asked] = []

    def answers(self, *replies: Reply) -> None:
        """Answer these from now on, and forget what was asked."""
        self.script, self.asked = list(replies), []

    def _next(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        return self.script[min(len(self.asked), len(self.script)) - 1]


@contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    """A server on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            asked = Asked(self.command, self.path, dict(self.headers.items()), self._read_body())
            reply = script._next(asked)
            if reply.status is None:
                self.close_connection = True
                return
            content = reply.content
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(reply.status)
            for name, value in ({"Content-Type": "application/json"} | reply.headers).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _answer  # noqa: N815

        def _read_body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") == "chunked":
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    script = ScriptedServer(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
