"""Claims: which worker is at which row, and what happens to the rows of a worker that is gone.

They serve photos and searches alike. An attempt counts when it begins, so a row that takes its worker
down with it has been counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from portal.database import now
from portal.enrolment.models import Photo, UploadedPhoto, WorkState
from portal.enrolment.reasons import Reason
from portal.search.models import Search
from portal.system.models import WorkerProcess

MAX_ATTEMPTS = 3

Claimable = type[Photo] | type[Search]
Claimed = TypeVar("Claimed", Photo, Search)


def claim(session: Session, table: Claimable, worker: str, ids: Sequence[int]) -> None:
    """Give queued rows, locked by the caller, to a worker, in the caller's transaction."""
    session.execute(
        update(table)
        .where(table.id.in_(ids))
        .values(state=WorkState.RUNNING, claimed_by=worker, attempts=table.attempts + 1)
    )


def still_claimed(
    session: Session, table: type[Claimed], worker: str, ids: Sequence[int]
) -> dict[int, Claimed]:
    """Those of the rows that are still this worker's to write, locked until the transaction ends.

    The others were deleted, or given to another worker because this one seemed lost.
    """
    rows = session.scalars(
        select(table)
        .where(table.id.in_(ids), table.claimed_by == worker, table.state == WorkState.RUNNING)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {row.id: row for row in rows}


def give_back(session: Session, table: Claimable, worker: str, ids: Sequence[int]) -> None:
    """Queue again what a worker claimed and could not finish, in the caller's transaction."""
    _requeue(session, table, (table.id.in_(ids), table.claimed_by == worker))


def give_back_of_lost_workers(session: Session, table: Claimable) -> None:
    """Queue again what was claimed by workers that are not known any more, in the caller's transaction."""
    _requeue(session, table, (table.claimed_by.not_in(select(WorkerProcess.name)),))


def _requeue(session: Session, table: Claimable, which: tuple[ColumnElement[bool], ...]) -> None:
    running = (*which, table.state == WorkState.RUNNING)
    session.execute(
        update(table)
        .where(*running, table.attempts >= MAX_ATTEMPTS)
        .values(state=WorkState.FAILED, reason=Reason.SET_ASIDE, claimed_by=None, finished_at=now())
    )
    session.execute(
        update(table)
        .where(*running, table.attempts < MAX_ATTEMPTS)
        .values(state=WorkState.QUEUED, claimed_by=None)
    )


def finish(row: UploadedPhoto, state: WorkState, reason: Reason | None = None) -> None:
    """Close a claimed row."""
    row.state, row.reason, row.claimed_by, row.finished_at = state, reason, None, now()
