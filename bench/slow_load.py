"""Clients that take their time: uploads and readers at a few KB a second, idle connections, held answers."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

HOST = "127.0.0.1"
BYTES_A_SECOND = 4096
# As much as a slow device keeps for what it has not read yet.
RECEIVE_BUFFER = 16 * 1024


@dataclass(frozen=True)
class Ask:
    """A request as it is sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def head(self) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {HOST}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.body:
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode()


@dataclass(frozen=True)
class Load:
    """How many of each kind are there at the same time, and what they ask for."""

    port: int
    uploads: list[Ask] = field(default_factory=list)
    readers: list[Ask] = field(default_factory=list)
    idle: int = 0
    slow_heads: int = 0
    waits: list[Ask] = field(default_factory=list)


class Clients:
    """Slow clients in a thread of their own, until the block ends; what became of them is in `ended`."""

    def __init__(self, load: Load) -> None:
        self._load = load
        # "upload 202", "upload cut", "reader 200", …: how often.
        self.ended: Counter[str] = Counter()
        # How many of each kind are under way.
        self.present: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Clients:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        self.started = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_until_complete(self._all())
        self._loop.close()

    async def _all(self) -> None:
        self._stop = asyncio.Event()
        load = self._load
        kinds: list[tuple[str, Callable[[Ask], Coroutine[None, None, str]], list[Ask]]] = [
            ("upload", self._upload, load.uploads),
            ("reader", self._read_slowly, load.readers),
            ("wait", self._wait, load.waits),
            ("idle", self._idle, [Ask("GET", "/", {})] * load.idle),
            ("slow head", self._slow_head, [Ask("GET", "/login", {})] * load.slow_heads),
        ]
        tasks = [
            asyncio.create_task(self._again_and_again(kind, act, ask, number / len(asks)))
            for kind, act, asks in kinds
            for number, ask in enumerate(asks)
        ]
        await self._stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _again_and_again(
        self, kind: str, act: Callable[[Ask], Coroutine[None, None, str]], ask: Ask, delay_s: float
    ) -> None:
        await asyncio.sleep(delay_s)
        while True:
            self.present[kind] += 1
            try:
                how = await act(ask)
            except (OSError, asyncio.IncompleteReadError) as error:
                how = f"cut: {type(error).__name__}"
            finally:
                self.present[kind] -= 1
            self.ended[f"{kind} {how}"] += 1
            await asyncio.sleep(1)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        connection.setblocking(False)
        await self._loop.sock_connect(connection, (HOST, self._load.port))
        return await asyncio.open_connection(sock=connection, limit=BYTES_A_SECOND)

    async def _upload(self, ask: Ask) -> str:
        reader, writer = await self._open()
        with contextlib.closing(writer):
            writer.write(ask.head)
            # Each is another photo, so none is left out as known.
            body = ask.body.replace(b"@" * 16, secrets.token_hex(8).encode())
            for start in range(0, len(body), BYTES_A_SECOND):
                writer.write(body[start : start + BYTES_A_SECOND])
                await writer.drain()
                await asyncio.sleep(1)
            return await _status(reader)

    async def _read_slowly(self, ask: Ask) -> str:
        reader, writer = await self._open()
        with contextlib.closing(writer):
            writer.write(ask.head)
            status, length = await _status(reader), 0
            while piece := await reader.read(BYTES_A_SECOND):
                length += len(piece)
                await asyncio.sleep(1)
            return f"{status}, {length} bytes"

    async def _wait(self, ask: Ask) -> str:
        reader, writer = await self._open()
        with contextlib.closing(writer):
            writer.write(ask.head + ask.body)
            return await _status(reader)

    async def _idle(self, _: Ask) -> str:
        reader, writer = await self._open()
        with contextlib.closing(writer):
            await reader.read(1)
            return "closed"

    async def _slow_head(self, ask: Ask) -> str:
        reader, writer = await self._open()
        with contextlib.closing(writer):
            for byte in ask.head[:-2]:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(1)
            return await _status(reader)


async def _status(reader: asyncio.StreamReader) -> str:
    line = await reader.readline()
    return line.split()[1].decode() if line else "cut: closed"
