"""The process that sends webhooks: python -m jobs.deliver.

It has no face model and takes no photo worker's time. Any number of such processes may run, on any hosts.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import structlog
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from portal import create_app, logs
from portal.database import now
from portal.extensions import db
from portal.installation.workers import own_name
from portal.settings import Settings
from portal.waiting import DELIVERIES, tell, wait
from portal.webhooks import work
from portal.webhooks.sending import Resolve, Sender, resolve
from portal.webhooks.signing import headers_of

# Endpoints that are sent to side by side. Most of the time is spent waiting for them.
AT_ONCE = 64
# Of these, so many may read or write rows at the same moment.
THREADS = 4
# What no message told of (retries that are due, claims that ended) is looked for this often.
LOOK_EVERY_S = 5.0
# While Redis or the database does not answer, they are asked this often.
PAUSE_S = 1.0

Result = TypeVar("Result")

log = structlog.get_logger()


class Deliverer:
    """Sends what is due, endpoint by endpoint, until it is told to stop."""

    def __init__(self, app: Flask, resolve: Resolve = resolve) -> None:
        self._app, self._settings, self._resolve = app, app.config["PORTAL"], resolve
        self._name = own_name()
        self._threads = ThreadPoolExecutor(THREADS)
        self._busy: set[asyncio.Task[None]] = set()
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Begin nothing more; requests that are under way are waited for."""
        self._stopped.set()

    async def run(self) -> None:
        """Deliver until `stop` is called."""
        stopped = asyncio.create_task(self._stopped.wait())
        while not self._stopped.is_set():
            if len(self._busy) >= AT_ONCE:
                await asyncio.wait({*self._busy, stopped}, return_when=asyncio.FIRST_COMPLETED)
                continue
            began, pause_s = time.monotonic(), 0.0
            try:
                await self._begin_due()
                due = asyncio.create_task(self._in_thread(self._wait))
                await asyncio.wait({due, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if self._stopped.is_set():
                    await self._in_thread(lambda: tell(DELIVERIES))  # the one that waits hears it, too
                if not await due and time.monotonic() - began < LOOK_EVERY_S:
                    pause_s = PAUSE_S  # Redis does not answer
            except SQLAlchemyError:
                # Without its database the portal stands still; it goes on when the database is back.
                log.exception("what is due could not be read")
                pause_s = PAUSE_S
            await asyncio.wait({stopped}, timeout=pause_s)
        await self._finish()

    async def _begin_due(self) -> None:
        """Begin with endpoints that are due, as far as there is room."""
        claimed = await self._with_rows(
            lambda session: work.claim_due(session, self._name, AT_ONCE - len(self._busy))
        )
        for endpoint_id in claimed:
            task = asyncio.create_task(self._serve(endpoint_id))
            self._busy.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._busy.discard(task)
        if (error := task.exception()) is not None:
            # The claim ends by itself, and the event is sent again.
            log.error("sending a webhook failed", exc_info=error)

    async def _serve(self, endpoint_id: int) -> None:
        """Send to a claimed endpoint until nothing is left for now, one request after the other."""
        key = self._settings.secret_key
        allowed = self._settings.webhook_private_addresses
        async with Sender(private_allowed=allowed, resolve=self._resolve) as sender:
            sending = await self._with_rows(
                lambda session: work.next_sending(session, self._name, endpoint_id, key)
            )
            while sending is not None:
                headers = headers_of(sending.message_id, sending.body, sending.secrets, now())
                answer = await sender.send(sending.address, sending.body, headers)
                log.info(
                    "a webhook was sent",
                    endpoint=endpoint_id,
                    delivery=sending.delivery_id,
                    status=answer.status,
                    problem=answer.problem,
                )
                recorded = partial(
                    work.record_answer,
                    sender=self._name,
                    sending=sending,
                    answer=answer,
                    secret_key=key,
                    go_on=not self._stopped.is_set(),
                )
                sending = await self._with_rows(recorded)

    def _wait(self) -> bool:
        """Wait until something is due, or it is time to stop.

        False if nothing was due for a while, or Redis does not answer.
        """
        session = db.session()

        def due() -> bool:
            return self._stopped.is_set() or work.any_due(session)

        return wait(session, DELIVERIES, LOOK_EVERY_S, due)

    async def _with_rows(self, act: Callable[[Session], Result]) -> Result:
        return await self._in_thread(lambda: act(db.session()))

    async def _in_thread(self, act: Callable[[], Result]) -> Result:
        def in_context() -> Result:
            with self._app.app_context():
                return act()

        return await asyncio.get_running_loop().run_in_executor(self._threads, in_context)

    async def _finish(self) -> None:
        if self._busy:
            await asyncio.wait(self._busy)
        self._threads.shutdown()


async def _run(app: Flask) -> None:
    deliverer = Deliverer(app)

    def stop() -> None:
        log.info("webhooks are no longer delivered")
        deliverer.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    log.info("webhooks are delivered")
    await deliverer.run()


def main() -> int:
    """Deliver until asked to end. Returns the exit status."""
    logs.configure()
    asyncio.run(_run(create_app(Settings.from_environment())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
