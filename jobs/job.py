"""What every job has in common: its message, its logs, and what becomes of its rows when it fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import wraps

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import InterfaceError, OperationalError

from jobs import process
from jobs.set_aside import note_set_aside
from jobs.timing import ms_since
from portal import queues
from portal.database import writing
from portal.extensions import db
from portal.installation.services import FaceModelChanged
from portal.work.claims import Claimable, requeue_failed, requeue_untouched

# A full disk, a database or a Redis that went away, another face model: not the fault of the rows.
# Other errors of the database are: a row that it does not take is not taken the next time either.
FAULTS_OF_THE_INSTALLATION = (OSError, OperationalError, InterfaceError, RedisError, FaceModelChanged)

Work = Callable[[int], None]

log = structlog.get_logger()


def job(work: Work) -> Work:
    """A function that does the job of its own dotted path, as portal.queues sends it.

    Before it reads its rows its message is forgotten: what is sent from then on needs a new one. If it
    raises, the rows it said it has (`has_claimed`) are requeued, and the error is raised on.
    """
    name = f"{work.__module__}.{work.__name__}"

    @wraps(work)
    def done(row_id: int) -> None:
        queues.forget_waiting(name, row_id)
        began, current = time.perf_counter(), process.current()
        current.claimed.clear()
        structlog.contextvars.bind_contextvars(job=name, row=row_id)
        try:
            work(row_id)
        except BaseException as error:
            _give_back(error)
            raise
        finally:
            log.info("a job has ended", ms=round(ms_since(began), 1))

    return done


def has_claimed(table: Claimable, ids: Sequence[int]) -> None:
    """Say which rows this job has claimed, so that they are requeued if it fails."""
    process.current().claimed.append((table, ids))


def _give_back(error: BaseException) -> None:
    """Requeue the job's rows; the sweep sends them to a worker.

    The attempt counts, unless the installation was at fault. If not even that can be written the worker ends:
    rows claimed by a worker that is gone are found.
    """
    requeue = requeue_untouched if isinstance(error, FAULTS_OF_THE_INSTALLATION) else requeue_failed
    current = process.current()
    try:
        db.session.rollback()
        with writing(db.session()):
            for table, ids in current.claimed:
                note_set_aside(db.session(), table, requeue(db.session(), table, current.worker.name, ids))
    except BaseException:
        current.ends = True
        raise
