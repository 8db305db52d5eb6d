"""A Redis of the test's own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.waiting import wait_until


@contextmanager
def private_redis(socket: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Redis of the test's own, at the place where the portal looks for its private one."""
    from portal.up.private_redis import find_server

    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    server = subprocess.Popen(
        [str(find_server()), "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(socket.exists, "Redis")
        yield server
    finally:
        server.terminate()
        server.wait()
