"""How far batches are: counts, states, pace; and the end of those that have nothing left to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from portal.batches.ending import end_items, expect_no_more
from portal.batches.items import close_items
from portal.batches.models import ON_THE_WAY, Batch, BatchArchive, BatchItem, Decision, ItemState
from portal.batches.reasons import ItemReason
from portal.database import now, writing
from portal.locks import lock
from portal.photos.models import Photo
from portal.webhooks.models import Event
from portal.webhooks.outbox import emit
from portal.work.models import UNFINISHED, WorkState

PACE_OVER_S = 20
LATEST = 12
NEVER_PROCESSED = (ItemReason.NOT_ARRIVED, ItemReason.PHOTO_NOT_FOUND, ItemReason.CANCELLED)
# A batch in which nothing has happened for this long is finished without the files that did not come.
WAIT_DAYS = 7
# A batch can be undone for this long after it ended.
UNDO_HOURS = 24


class Status(StrEnum):
    """What a batch's page says of it."""

    RECEIVING = "receiving"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    UNDOING = "undoing"
    UNDONE = "undone"
    DONE = "done"


@dataclass(frozen=True)
class Counts:
    """How many items of a batch are in each state, and why."""

    states: dict[ItemState, int]
    # By state and reason, for those that have one.
    reasons: dict[tuple[ItemState, str], int]

    @property
    def total(self) -> int:
        return sum(self.states.values())

    @property
    def on_the_way(self) -> int:
        return sum(self.states[state] for state in ON_THE_WAY)

    @property
    def missing(self) -> int:
        """Photos that did not come, or whose turn never came."""
        return sum(self.reasons.get((ItemState.ATTENTION, reason), 0) for reason in NEVER_PROCESSED)

    @property
    def to_check(self) -> int:
        """Photos that are enrolled and have several faces of similar size."""
        return sum(count for (_, reason), count in self.reasons.items() if reason == ItemReason.SEVERAL_FACES)


@dataclass(frozen=True)
class Progress:
    """A batch at a glance."""

    batch: Batch
    counts: Counts
    status: Status
    archives: list[BatchArchive]
    # Photos a second that were finished lately; None where that says nothing.
    pace: float | None
    latest: list[BatchItem]
    undo_until: datetime | None

    @property
    def seconds_left(self) -> float | None:
        """At this pace, for what has arrived or will."""
        return self.counts.on_the_way / self.pace if self.pace else None

    @property
    def can_be_undone(self) -> bool:
        return self.undo_until is not None and now() < self.undo_until

    @property
    def wants_files(self) -> bool:
        """Whether files were announced that did not come, or not all were announced."""
        waiting = self.counts.states[ItemState.EXPECTED] > 0 or not self.batch.announced
        return self.batch.decision in (Decision.GO_ON, Decision.PAUSE) and (
            waiting
            or any(not archive.arrived and archive.state == WorkState.QUEUED for archive in self.archives)
        )

    @property
    def asks(self) -> bool:
        """Whether it does not go on without an answer of staff."""
        return any(archive.asks for archive in self.archives)

    @property
    def moves(self) -> bool:
        """Whether the page will look different in a moment."""
        # What waits for an answer is not drawn again under the eyes of who answers.
        going = not self.asks and self.status in (Status.RECEIVING, Status.RUNNING, Status.UNDOING)
        return going or self.counts.states[ItemState.QUEUED] > 0


def count_items(session: Session, batch: Batch) -> Counts:
    """How many items are in each state: a walk along one index."""
    states = dict.fromkeys(ItemState, 0)
    if batch.counts is not None:
        reasons = {}
        for key, count in batch.counts.items():
            state, _, reason = key.partition("/")
            states[ItemState(state)] += count
            if reason:
                reasons[ItemState(state), reason] = count
        return Counts(states, reasons)
    rows = session.execute(
        select(BatchItem.state, BatchItem.reason, func.count())
        .where(BatchItem.batch_id == batch.id)
        .group_by(BatchItem.state, BatchItem.reason)
    ).all()
    for state, _, count in rows:
        states[ItemState(state)] += count
    return Counts(states, {(ItemState(state), reason): count for state, reason, count in rows if reason})


def status_of(batch: Batch, counts: Counts, archives: Sequence[BatchArchive]) -> Status:
    """What a batch's page says of it."""
    if batch.decision == Decision.UNDO:
        return Status.UNDONE if counts.states[ItemState.UNDONE] == counts.total else Status.UNDOING
    if batch.decision == Decision.CANCEL:
        return Status.CANCELLED
    unfinished = bool(counts.on_the_way) or not batch.announced or _unpacking(archives)
    if batch.decision == Decision.PAUSE and unfinished:
        return Status.PAUSED
    if counts.states[ItemState.EXPECTED] or not batch.announced or _unpacking(archives):
        return Status.RECEIVING
    return Status.RUNNING if counts.on_the_way else Status.DONE


def progress_of(session: Session, batch: Batch) -> Progress:
    """A batch at a glance, whatever its size."""
    counts, archives = count_items(session, batch), archives_of(session, batch)
    status = status_of(batch, counts, archives)
    return Progress(
        batch,
        counts,
        status,
        archives,
        _pace(session, batch) if status in (Status.RECEIVING, Status.RUNNING) else None,
        _latest(session, batch),
        _undo_until(batch, counts),
    )


def archives_of(session: Session, batch: Batch) -> list[BatchArchive]:
    """The ZIPs of a batch, in the order in which they came."""
    return list(
        session.scalars(
            select(BatchArchive).where(BatchArchive.batch_id == batch.id).order_by(BatchArchive.id)
        )
    )


def reconcile(session: Session) -> None:
    """Heal and close batches: called by the sweep.

    What a worker could not note itself (its photo was set aside, or removed) is noted here, and a batch
    that has nothing left to do keeps its counts.
    """
    for batch_id in session.scalars(select(Batch.id).where(Batch.finished_at.is_(None))).all():
        batch = session.get_one(Batch, batch_id, populate_existing=True)
        if not _may_settle(session, batch):
            continue  # nothing to do but to wait, for files or for staff
        with writing(session):
            lock(session, batch, key_share=True)
            _reconcile_photos(session, batch)
            _close_if_done(session, batch)


def _may_settle(session: Session, batch: Batch) -> bool:
    """Whether a check under the lock may change something; for most batches it does not."""
    if _waited_long_enough(batch):
        return True
    waiting = batch.decision in (Decision.GO_ON, Decision.PAUSE) and not batch.announced
    return not waiting or _any_in(session, batch, ItemState.QUEUED)


def _any_in(session: Session, batch: Batch, state: ItemState, *conditions: ColumnElement[bool]) -> bool:
    first = select(BatchItem.id).where(BatchItem.batch_id == batch.id, BatchItem.state == state, *conditions)
    return session.scalar(first.limit(1)) is not None


def _reconcile_photos(session: Session, batch: Batch) -> None:
    queued = (BatchItem.batch_id == batch.id, BatchItem.state == ItemState.QUEUED)
    close_items(
        session,
        session.scalars(
            select(Photo.id)
            .join(BatchItem, BatchItem.photo_id == Photo.id)
            .where(*queued, Photo.state.in_((WorkState.DONE, WorkState.FAILED)))
        ).all(),
    )
    end_items(
        session, batch, ItemReason.REMOVED, BatchItem.state == ItemState.QUEUED, BatchItem.photo_id.is_(None)
    )


def _close_if_done(session: Session, batch: Batch) -> None:
    if batch.decision in (Decision.GO_ON, Decision.PAUSE) and _waited_long_enough(batch):
        expect_no_more(session, batch)
    archives = archives_of(session, batch)
    if _any_in(session, batch, ItemState.QUEUED) or _any_in(session, batch, ItemState.RECEIVED):
        return
    if _any_in(session, batch, ItemState.EXPECTED, BatchItem.size_bytes.is_not(None)):
        return
    if batch.announced and not _unpacking(archives) and batch.decision == Decision.GO_ON:
        # Named by the manifest, and nothing more is to come.
        end_items(session, batch, ItemReason.PHOTO_NOT_FOUND, BatchItem.state == ItemState.EXPECTED)
    counts = count_items(session, batch)
    status = status_of(batch, counts, archives)
    if status in (Status.DONE, Status.CANCELLED, Status.UNDONE) and not counts.on_the_way:
        batch.finished_at = now()
        batch.ended_at = batch.ended_at or batch.finished_at
        detailed = dict(counts.reasons)
        snapshot = {f"{state}/{reason}": count for (state, reason), count in detailed.items()}
        for state, count in counts.states.items():
            rest = count - sum(number for (one, _), number in detailed.items() if one == state)
            if rest:
                snapshot[f"{state}/"] = rest
        batch.counts = snapshot
        emit(session, batch.organization_id, Event.BATCH_DONE, [{"batch_id": batch.id, "state": status}])


def _waited_long_enough(batch: Batch) -> bool:
    """Whether missing files are given up: none was sent for WAIT_DAYS."""
    return now() - batch.touched_at > timedelta(days=WAIT_DAYS)


def _unpacking(archives: Sequence[BatchArchive]) -> bool:
    return any(archive.state in UNFINISHED for archive in archives)


def _pace(session: Session, batch: Batch) -> float | None:
    since = now() - timedelta(seconds=PACE_OVER_S)
    ended = session.scalar(
        select(func.count()).where(BatchItem.batch_id == batch.id, BatchItem.finished_at > since)
    )
    age = (now() - batch.created_at).total_seconds()
    return ended / min(PACE_OVER_S, max(age, 1)) if ended else None


def _latest(session: Session, batch: Batch) -> list[BatchItem]:
    found: list[BatchItem] = []
    # Each is the end of one range of the index, however many items there are.
    for state in (ItemState.ENROLLED, ItemState.ADDED):
        found += session.scalars(
            select(BatchItem)
            .where(BatchItem.batch_id == batch.id, BatchItem.state == state, BatchItem.reason == "")
            .order_by(BatchItem.id.desc())
            .limit(LATEST)
        )
    found.sort(key=lambda item: -item.id)
    return [item for item in found if item.photo_id is not None][:LATEST]


def _undo_until(batch: Batch, counts: Counts) -> datetime | None:
    if batch.decision == Decision.UNDO or not counts.total:
        return None
    return (batch.ended_at or now()) + timedelta(hours=UNDO_HOURS)
