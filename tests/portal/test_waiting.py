"""Waiting for the end of work: how little it holds, and what ends it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from flask import Flask
from sqlalchemy import select

from portal.extensions import db
from portal.queues import connect
from portal.waiting import tell, wait
from tests.waiting import wait_until

WAITERS = 5


def test_all_that_wait_hold_one_connection_to_redis_and_none_to_the_database(app: Flask) -> None:
    looked: list[int] = []
    done: list[bool] = []

    def is_done() -> bool:
        db.session.execute(select(1))
        looked.append(1)
        return bool(done)

    def waits() -> bool:
        with app.app_context():
            try:
                return wait(db.session(), "portal:done:test", 60, is_done)
            finally:
                db.session.remove()

    redis = connect(app.config["PORTAL"].redis_url)
    with app.app_context(), ThreadPoolExecutor(WAITERS) as pool:
        waiting = [pool.submit(waits) for _ in range(WAITERS)]
        wait_until(lambda: len(looked) >= WAITERS and redis.pubsub_numpat() == 1, "all wait")
        wait_until(
            lambda: db.engine.pool.status().endswith("Current Checked out connections: 0"), "none is held"
        )
        done.append(True)
        tell("portal:done:test")
        assert [one.result() for one in waiting] == [True] * WAITERS


def test_nobody_waits_in_vain_for_a_redis_that_does_not_answer(app: Flask, tmp_path: Path) -> None:
    app.config["PORTAL"] = replace(app.config["PORTAL"], redis_url=f"unix://{tmp_path / 'nobody.sock'}")
    with app.app_context():
        assert not wait(db.session(), "portal:done:test", 3600, lambda: False)
        db.session.remove()
