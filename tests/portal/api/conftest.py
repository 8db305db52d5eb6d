"""Programs that use the API."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from portal.keys.models import Scope
from portal.organizations.models import Organization
from portal.queues import INTERACTIVE, connect, queue
from tests.program import Program, program
from tests.run.workers import Worker
from tests.waiting import wait_until

Answered = Callable[[Callable[[], TestResponse]], TestResponse]


@pytest.fixture
def registry(app: Flask, clinic: Organization) -> Program:
    """A program of the clinic that may do everything."""
    return program(app, clinic, Scope.ADMIN)


@pytest.fixture
def outsider(app: Flask, school: Organization) -> Program:
    """A program of another organization that may do everything there."""
    return program(app, school, Scope.ADMIN)


@pytest.fixture
def answered(app: Flask, worker: Worker) -> Answered:
    """Send a request that is waited for, while a worker works."""
    interactive = queue(INTERACTIVE, connect(app.config["PORTAL"].redis_url))

    def answer(request: Callable[[], TestResponse]) -> TestResponse:
        with ThreadPoolExecutor(1) as elsewhere:
            sent = elsewhere.submit(request)
            wait_until(lambda: sent.done() or interactive.count, "the message for the worker")
            worker.work()
            return sent.result()

    return answer
