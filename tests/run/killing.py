"""A worker that dies at its work."""

from __future__ import annotations

from portal.extensions import db
from tests.run.workers import Worker


class Killed(BaseException):
    """What nobody catches."""


def die_at_work(worker: Worker) -> None:
    """Let a worker do its jobs until one kills it, or they are done."""
    worker.failures_are_fine = True
    try:
        worker.work()
    except Killed:
        db.session.rollback()
