"""A server that does what a test wants, and both clients in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest

from portal_client import AsyncClient, Client, Retries
from tests.run.own_thread import in_own_thread
from tests.run.scripted_server import ScriptedServer, scripted_server

KEY = "fpk_of_this_test"
QUICK = Retries(attempts=3, first_s=0.001)


class Both:
    """Calls by one of the clients, whichever it is: the same tests hold for both."""

    def __init__(self, url: str, *, is_async: bool) -> None:
        self._url, self.is_async = url, is_async

    def call(self, operation: str, *arguments: Any, retries: Retries = QUICK, **named: Any) -> Any:
        """What an operation answers; a list as a whole."""
        if self.is_async:
            called = partial(self._call, operation, *arguments, retries=retries, **named)
            return in_own_thread(lambda: asyncio.run(called()))
        with Client(self._url, KEY, retries=retries) as client:
            answer = getattr(client, operation)(*arguments, **named)
            return list(answer) if isinstance(answer, Iterator) else answer

    async def _call(self, operation: str, *arguments: Any, retries: Retries, **named: Any) -> Any:
        async with AsyncClient(self._url, KEY, retries=retries) as client:
            answer = getattr(client, operation)(*arguments, **named)
            if isinstance(answer, AsyncIterator):
                return [one async for one in answer]
            return await answer


@pytest.fixture(scope="session")
def running_server() -> Iterator[ScriptedServer]:
    with scripted_server() as server:
        yield server


@pytest.fixture
def server(running_server: ScriptedServer) -> ScriptedServer:
    """A server that has not been asked anything yet."""
    running_server.answers()
    return running_server


@pytest.fixture(params=[False, True], ids=["client", "async client"])
def client(server: ScriptedServer, request: pytest.FixtureRequest) -> Both:
    """Either client."""
    return Both(server.url, is_async=request.param)
