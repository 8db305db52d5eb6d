"""Waiting for the end of work in another process, without asking the database again and again.

One thread of the process hears for all that wait: however many there are, it is one connection to Redis.
Whoever waits holds a thread, and neither a connection to the database nor one to Redis.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import structlog
from flask import current_app, has_request_context, request
from redis.exceptions import RedisError
from sqlalchemy.orm import Session

from portal.database import end_reading
from portal.queues import connect

CHANNELS = "portal:done:"
# Shorter than a connection may stay silent: a Redis that is gone is noticed.
LOOK_AFTER_S = 30.0
AGAIN_AFTER_S = 1.0
# A thread is not kept for a client that has gone.
LOOK_FOR_CLIENT_S = 2.0

log = structlog.get_logger()


def search_done(search_id: int) -> str:
    """The channel on which the end of a search is told."""
    return f"{CHANNELS}search:{search_id}"


def examination_done(examination_id: int) -> str:
    """The channel on which the end of an examination is told."""
    return f"{CHANNELS}examination:{examination_id}"


def photos_done(organization_id: int) -> str:
    """The channel on which it is told that some photos of an organization have been processed."""
    return f"{CHANNELS}photos:{organization_id}"


def request_done(request_id: int) -> str:
    """The channel on which the answer to a request with an Idempotency-Key is told, or that there is none."""
    return f"{CHANNELS}request:{request_id}"


# The channel on which it is told that webhooks have something to deliver.
DELIVERIES = f"{CHANNELS}deliveries"


def tell(channel: str) -> None:
    """Wake whoever waits on a channel; called after the commit."""
    try:
        connect(current_app.config["PORTAL"].redis_url).publish(channel, b"")
    except RedisError as error:
        log.warning("Redis did not pass on that work is done; waiting requests time out", error=str(error))


def wait(session: Session, channel: str, seconds: float, is_done: Callable[[], bool]) -> bool:
    """Wait until `is_done` says so, which is asked at the beginning and whenever the channel tells.

    What the session reads for it is read afresh each time, and its connection is given back in between.
    Returns whether it is done: False after `seconds`, if Redis does not answer, if this process stops, or if
    the client has hung up.
    """

    def look() -> bool:
        end_reading(session)
        session.expire_all()
        done = is_done()
        end_reading(session)
        return done

    deadline = time.monotonic() + seconds
    hearing = _hearing(current_app.config["PORTAL"].redis_url)
    with hearing.on(channel) as told:
        while hearing.is_possible and (left := deadline - time.monotonic()) > 0:
            # Cleared before looking: what ends from here on is told.
            told.clear()
            if look():
                return True
            while left > 0 and not told.wait(min(left, LOOK_FOR_CLIENT_S)):
                if _client_is_gone():
                    return False
                left = deadline - time.monotonic()
    return look()


def _client_is_gone() -> bool:
    """Whether the client of this request has hung up, as far as the server lets us see."""
    client: socket.socket | None = request.environ.get("gunicorn.socket") if has_request_context() else None
    if client is None:
        return False
    try:
        return not client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


def end_all() -> None:
    """Let all that wait in this process go on with what there is: it stops."""
    _stopping.set()
    for hearing in _all:
        hearing.wake_all()


class _Hearing:
    """The thread that hears all channels, and who waits on which."""

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._lock = threading.Lock()
        self._waiting: defaultdict[str, set[threading.Event]] = defaultdict(set)
        self._deaf = False
        threading.Thread(target=self._hear, name="hears what is done", daemon=True).start()

    @property
    def is_possible(self) -> bool:
        return not self._deaf and not _stopping.is_set()

    @contextmanager
    def on(self, channel: str) -> Iterator[threading.Event]:
        """An event that is set whenever the channel tells, and when nobody hears it any more."""
        told = threading.Event()
        with self._lock:
            self._waiting[channel].add(told)
        try:
            yield told
        finally:
            with self._lock:
                self._waiting[channel].discard(told)
                if not self._waiting[channel]:
                    del self._waiting[channel]

    def wake_all(self) -> None:
        """Have everyone look again."""
        with self._lock:
            for waiting in self._waiting.values():
                for told in waiting:
                    told.set()

    def _hear(self) -> None:
        while True:
            try:
                self._hear_while_redis_answers()
            except RedisError as error:
                if not self._deaf:
                    log.warning("Redis does not answer; nothing is waited for", error=str(error))
                self._deaf = True
                self.wake_all()
                time.sleep(AGAIN_AFTER_S)

    def _hear_while_redis_answers(self) -> None:
        with connect(self._redis_url).pubsub() as channels:  # type: ignore[no-untyped-call]
            channels.psubscribe(f"{CHANNELS}*")
            while True:
                message = channels.get_message(timeout=LOOK_AFTER_S)
                if message is None:
                    continue
                if message["type"] == "pmessage":
                    with self._lock:
                        for told in self._waiting.get(message["channel"].decode(), ()):
                            told.set()
                else:
                    # The subscription holds from here on: what ended before it is seen by looking again.
                    self._deaf = False
                    self.wake_all()


_stopping = threading.Event()
_all: list[_Hearing] = []
_making = threading.Lock()


@cache
def _made(redis_url: str) -> _Hearing:
    _all.append(_Hearing(redis_url))
    return _all[-1]


def _hearing(redis_url: str) -> _Hearing:
    """The process's own."""
    with _making:
        return _made(redis_url)
