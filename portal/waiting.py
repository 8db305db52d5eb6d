"""Waiting for the end of work in another process, without asking the database again and again."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from flask import current_app
from redis.exceptions import RedisError

from portal.queues import connect

log = structlog.get_logger()


def search_done(search_id: int) -> str:
    """The channel on which the end of a search is told."""
    return f"portal:done:search:{search_id}"


def examination_done(examination_id: int) -> str:
    """The channel on which the end of an examination is told."""
    return f"portal:done:examination:{examination_id}"


def photos_done(organization_id: int) -> str:
    """The channel on which it is told that some photos of an organization have been processed."""
    return f"portal:done:photos:{organization_id}"


# The channel on which it is told that webhooks have something to deliver.
DELIVERIES = "portal:deliveries"


def tell(channel: str) -> None:
    """Wake whoever waits on a channel; called after the commit."""
    try:
        connect(current_app.config["PORTAL"].redis_url).publish(channel, b"")
    except RedisError as error:
        log.warning("Redis did not pass on that work is done; waiting requests time out", error=str(error))


def wait(channel: str, seconds: float, is_done: Callable[[], bool]) -> bool:
    """Wait until `is_done` says so, which is asked at the beginning and whenever the channel tells.

    Returns whether it is done: False after `seconds`, or if Redis does not answer.
    """
    if is_done() or seconds <= 0:
        return is_done()
    deadline = time.monotonic() + seconds
    connection = connect(current_app.config["PORTAL"].redis_url)
    try:
        with connection.pubsub(ignore_subscribe_messages=True) as channels:  # type: ignore[no-untyped-call]
            channels.subscribe(channel)
            # The first message confirms the subscription: what ended before it is seen right after it.
            while (left := deadline - time.monotonic()) > 0:
                channels.get_message(timeout=left)
                if is_done():
                    return True
    except RedisError as error:
        log.warning("Redis does not answer; nothing is waited for", channel=channel, error=str(error))
    return is_done()
