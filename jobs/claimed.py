"""What becomes of claimed rows when the work on them fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from redis.exceptions import RedisError
from sqlalchemy.exc import InterfaceError, OperationalError

from jobs import process
from portal.database import writing
from portal.extensions import db
from portal.installation.services import FaceModelChanged
from portal.work.claims import Claimable, requeue_failed, requeue_untouched

# A full disk, a database or a Redis that went away, another face model: not the fault of what was worked on.
# Other errors of the database are: a row that it does not take is not taken the next time either.
FAULTS_OF_THE_INSTALLATION = (OSError, OperationalError, InterfaceError, RedisError, FaceModelChanged)


@contextmanager
def given_back_on_failure(table: Claimable, ids: Sequence[int]) -> Iterator[None]:
    """Rows that this worker claimed are queued again if what is done inside raises, and it is raised on.

    The attempt counts, unless the installation was at fault; the sweep sends the rows to a worker again.
    If not even that can be written the worker ends: what a worker that is gone had claimed is found.
    """
    try:
        yield
    except BaseException as error:
        requeue = requeue_untouched if isinstance(error, FAULTS_OF_THE_INSTALLATION) else requeue_failed
        try:
            db.session.rollback()
            with writing(db.session()):
                requeue(db.session(), table, process.current().worker.name, ids)
        except BaseException:
            process.current().ends = True
            raise
        raise
