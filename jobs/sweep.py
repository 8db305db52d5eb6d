"""What workers see to besides their jobs: what got lost, what is due, what they had when they ended."""

from __future__ import annotations

import socket
from datetime import datetime, timedelta

import psutil
import structlog
from sqlalchemy import delete, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from jobs.set_aside import note_set_aside
from portal import queues
from portal.batches import progress as batch_progress
from portal.batches import services as batches
from portal.calibration import services as calibrations
from portal.database import execute_change, now, writing
from portal.enrolment import work as enrolment
from portal.examination import services as examinations
from portal.installation.models import Installation, WorkerProcess
from portal.installation.workers import HEARTBEAT_S, WORKER_LOST_S
from portal.keys.idempotency import forget_old_requests
from portal.pairs import passes, scans
from portal.people import renewing
from portal.search import services as searches
from portal.storage import PhotoStore
from portal.webhooks import work as webhooks
from portal.work.claims import claimable, requeue_of_lost_workers

# A worker of this machine whose process is gone is lost sooner than by its silence. A few beats it must
# have missed all the same: where containers share a host's name, their processes can't be seen from here.
GONE_AFTER_S = 3 * HEARTBEAT_S
SWEEP_EVERY_S = 5
CLEAN_EVERY_S = 24 * 3600

log = structlog.get_logger()


def sign_out(session: Session, name: str) -> None:
    """Forget a worker that ends, and requeue whatever it still had claimed."""
    with writing(session):
        session.execute(delete(WorkerProcess).where(WorkerProcess.name == name))
        _requeue_lost(session)


def sweep(session: Session, store: PhotoStore) -> None:
    """Find what got lost, if that is due: rows of dead workers, queued rows that Redis forgot, old searches.

    Every worker calls this; the one that moves the clock in the database does the work.
    """
    moment = now()
    with writing(session):
        if not _is_due(session, Installation.swept_at, moment, SWEEP_EVERY_S):
            return
        lost = _forget_lost_workers(session, moment)
        _requeue_lost(session)
    for name in lost:
        log.warning("a worker was lost; its rows are requeued", worker=name)
    batch_progress.reconcile(session)
    _enqueue_due(session)
    searches.expire_searches(session, store)
    examinations.expire_examinations(session, store)
    forget_old_requests(session)
    enrolment.note_late(session)
    webhooks.forget_old(session)
    _clean_if_due(session)


def _requeue_lost(session: Session) -> None:
    for table in claimable():
        note_set_aside(session, table, requeue_of_lost_workers(session, table))


def _is_due(
    session: Session, clock: InstrumentedAttribute[datetime], moment: datetime, every_s: float
) -> bool:
    """Whether this worker is the one that moves the clock, in the caller's transaction."""
    late = clock < moment - timedelta(seconds=every_s)
    return execute_change(session, update(Installation).where(late).values({clock: moment})) > 0


def _forget_lost_workers(session: Session, moment: datetime) -> list[str]:
    silent = WorkerProcess.heartbeat_at < moment - timedelta(seconds=GONE_AFTER_S)
    lost_by_silence = moment - timedelta(seconds=WORKER_LOST_S)
    lost = [
        worker.name
        for worker in session.execute(select(WorkerProcess.name, WorkerProcess.heartbeat_at).where(silent))
        if worker.heartbeat_at < lost_by_silence or _process_is_gone(worker.name)
    ]
    # A worker that beat in the meantime is no longer silent.
    forgotten = (
        delete(WorkerProcess).where(WorkerProcess.name.in_(lost), silent).returning(WorkerProcess.name)
    )
    return list(session.scalars(forgotten))


def _process_is_gone(name: str) -> bool:
    """Whether a worker was a process of this machine that is not there any more."""
    host, pid, _ = name.rsplit(":", 2)
    return host == socket.gethostname() and not psutil.pid_exists(int(pid))


def _enqueue_due(session: Session) -> None:
    enrolment.enqueue_due(session)
    searches.enqueue_due(session)
    examinations.enqueue_due(session)
    batches.enqueue_due(session)
    passes.enqueue_due(session)
    scans.enqueue_due(session)
    calibrations.calibrate_where_due(session)
    renewing.enqueue_due(session)


def _clean_if_due(session: Session) -> None:
    with writing(session):
        due = _is_due(session, Installation.cleaned_at, now(), CLEAN_EVERY_S)
    if due:
        queues.enqueue_cleaning()
