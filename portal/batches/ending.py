"""Items and ZIPs of a batch that are no longer waited for."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, update
from sqlalchemy.orm import Session

from portal.batches.models import Batch, BatchArchive, BatchItem, ItemState
from portal.batches.reasons import ItemReason
from portal.database import execute_change, now
from portal.work.models import UNFINISHED, WorkState


def give_up_archives(session: Session, batch: Batch, problem: str, *, arrived: bool = True) -> Sequence[int]:
    """Unpack no more of a batch's ZIPs, in the caller's transaction; returns their ids.

    With arrived=False, only those that did not arrive completely.
    """
    which: tuple[ColumnElement[bool], ...] = (
        BatchArchive.batch_id == batch.id,
        BatchArchive.state.in_(UNFINISHED),
    )
    if not arrived:
        which += (BatchArchive.arrived.is_(False),)
    return session.scalars(
        update(BatchArchive)
        .where(*which)
        .values(state=WorkState.FAILED, problem=problem, claimed_by=None, finished_at=now())
        .returning(BatchArchive.id)
        .execution_options(synchronize_session=False)
    ).all()


def expect_no_more(session: Session, batch: Batch) -> tuple[int, Sequence[int]]:
    """Stop waiting for what was announced and did not come, in the caller's transaction.

    Returns how many photos need attention because of it, and the ids of the ZIPs that are given up.
    """
    batch.announced = True
    missing = end_items(session, batch, ItemReason.NOT_ARRIVED, BatchItem.state == ItemState.EXPECTED)
    return missing, give_up_archives(session, batch, "It never arrived completely.", arrived=False)


def end_items(session: Session, batch: Batch, reason: ItemReason, *conditions: ColumnElement[bool]) -> int:
    """Mark those items of a batch as needing attention, in the caller's transaction; returns how many."""
    return execute_change(
        session,
        update(BatchItem)
        .where(BatchItem.batch_id == batch.id, *conditions)
        .values(state=ItemState.ATTENTION, reason=reason, finished_at=now())
        .execution_options(synchronize_session=False),
    )
