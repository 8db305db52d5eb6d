"""Claims: which worker has which row, and what happens to the rows of a worker that is gone.

They serve all kinds of work alike. An attempt counts when it begins, so a row that takes its
worker down with it has been counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from portal.database import Base, now
from portal.installation.models import WorkerProcess
from portal.locks import lock_free_rows, lock_rows
from portal.work.models import Work, WorkState

MAX_ATTEMPTS = 3
# The reason of a row that stopped its worker this often.
SET_ASIDE = "set_aside"

Claimable = type[Work]
# One of them, where an answer is a row of the very table that was asked for.
Row = TypeVar("Row", bound=Work)


def claimable() -> list[Claimable]:
    """All tables whose rows workers claim."""
    return [mapper.class_ for mapper in Base.registry.mappers if issubclass(mapper.class_, Work)]


def lock_queued(session: Session, table: type[Row], row_id: int) -> Row | None:
    """Read a queued row and hold it, to be claimed in the caller's transaction.

    None if it is gone, not queued, or being claimed by someone else.
    """
    queued = select(table).where(table.id == row_id, table.state == WorkState.QUEUED)
    return lock_free_rows(session, queued).scalar()


def lock_claimed(session: Session, table: type[Row], worker: str, row_id: int) -> Row | None:
    """Read a claimed row and hold it until the commit; None if it is not this worker's any more."""
    return lock_rows(session, select(table).where(*still_claimed(table, worker, [row_id]))).scalar()


def claim(session: Session, table: Claimable, worker: str, ids: Sequence[int]) -> None:
    """Give queued rows, locked by the caller, to a worker, in the caller's transaction."""
    session.execute(
        update(table)
        .where(table.id.in_(ids))
        .values(state=WorkState.RUNNING, claimed_by=worker, attempts=table.attempts + 1)
    )


def still_claimed(table: Claimable, worker: str, ids: Sequence[int]) -> tuple[ColumnElement[bool], ...]:
    """The condition for those of the rows that are still this worker's to write.

    The others were deleted, or given to another worker because this one seemed lost.
    """
    return table.id.in_(ids), table.claimed_by == worker, table.state == WorkState.RUNNING


def requeue_failed(session: Session, table: Claimable, worker: str, ids: Sequence[int]) -> list[int]:
    """Requeue what a worker could not finish, in the caller's transaction; the attempt counts.

    Returns the ids of what was set aside instead, after MAX_ATTEMPTS.
    """
    return _requeue(session, table, (table.id.in_(ids), table.claimed_by == worker))


def requeue_untouched(session: Session, table: Claimable, worker: str, ids: Sequence[int]) -> list[int]:
    """Requeue what a worker claimed and did not begin, as if it had not, in the caller's transaction.

    Returns the ids of what was set aside instead: none.
    """
    session.execute(
        update(table)
        .where(*still_claimed(table, worker, ids))
        .values(state=WorkState.QUEUED, claimed_by=None, attempts=table.attempts - 1)
    )
    return []


def requeue_of_lost_workers(session: Session, table: Claimable) -> list[int]:
    """Requeue what was claimed by workers that are no longer known, in the caller's transaction.

    Returns the ids of what was set aside instead, after MAX_ATTEMPTS.
    """
    return _requeue(session, table, (table.claimed_by.not_in(select(WorkerProcess.name)),))


def _requeue(session: Session, table: Claimable, which: tuple[ColumnElement[bool], ...]) -> list[int]:
    running = (*which, table.state == WorkState.RUNNING)
    set_aside = session.scalars(
        update(table)
        .where(*running, table.attempts >= MAX_ATTEMPTS)
        .values(**finished(WorkState.FAILED, SET_ASIDE))
        .returning(table.id)
        .execution_options(synchronize_session=False)
    ).all()
    session.execute(
        update(table)
        .where(*running, table.attempts < MAX_ATTEMPTS)
        .values(state=WorkState.QUEUED, claimed_by=None)
    )
    return list(set_aside)


def finished(state: WorkState, reason: str | None = None) -> dict[str, Any]:
    """The values that close a claimed row."""
    return {"state": state, "reason": reason, "claimed_by": None, "finished_at": now()}


def close(row: Work, state: WorkState, reason: str | None = None) -> None:
    """End the work on a row that is held, in the caller's transaction."""
    _set(row, finished(state, reason))


def requeued() -> dict[str, Any]:
    """The values of a requeued row, with as many attempts as a new one."""
    return {
        "state": WorkState.QUEUED,
        "reason": None,
        "attempts": 0,
        "claimed_by": None,
        "finished_at": None,
    }


def requeue(row: Work) -> None:
    """Requeue a row that is held, in the caller's transaction."""
    _set(row, requeued())


def _set(row: Work, values: dict[str, Any]) -> None:
    for column, value in values.items():
        setattr(row, column, value)
