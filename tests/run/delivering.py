"""The process that sends webhooks, inside the process of a test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.deliver import Deliverer
from portal.webhooks import work
from portal.webhooks.models import WebhookEndpoint
from tests.waiting import wait_until


@contextmanager
def delivering(app: Flask) -> Iterator[None]:
    """Have webhooks delivered while the block lasts, and what was begun be finished at its end."""
    ready = threading.Event()
    stop: list[tuple[asyncio.AbstractEventLoop, Deliverer]] = []

    async def run() -> None:
        deliverer = Deliverer(app)
        stop.append((asyncio.get_running_loop(), deliverer))
        ready.set()
        await deliverer.run()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    ready.wait()
    try:
        yield
    finally:
        loop, deliverer = stop[0]
        loop.call_soon_threadsafe(deliverer.stop)
        thread.join()


def deliver_due(app: Flask, session: Session) -> None:
    """Have everything delivered that is due now, or tried at least."""

    def nothing_due() -> bool:
        session.rollback()
        claimed = select(WebhookEndpoint.id).where(WebhookEndpoint.claimed_until.is_not(None))
        return not work.any_due(session) and session.scalar(claimed) is None

    with delivering(app):
        wait_until(nothing_due, "nothing to be due", every_s=0.01)
