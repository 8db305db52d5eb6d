"""Workers in the database: they sign in, say that they are alive, and are listed."""

from __future__ import annotations

import os
import secrets
import socket
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.database import execute_change, now, writing
from portal.installation.models import WorkerProcess

# A worker says that it is alive every HEARTBEAT_S; one that was silent for WORKER_LOST_S is lost.
HEARTBEAT_S = 2
WORKER_LOST_S = 15


def own_name() -> str:
    """A new name for the worker that this process is: "host:pid:random"."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def sign_in(session: Session, worker: WorkerProcess) -> None:
    """Make a worker known before it claims anything."""
    with writing(session):
        session.merge(worker)


def beat(session: Session, worker: WorkerProcess, memory_bytes: int) -> None:
    """Say that a worker is alive; one that was thought lost is known again."""
    with writing(session):
        alive = execute_change(
            session,
            update(WorkerProcess)
            .where(WorkerProcess.name == worker.name)
            .values(heartbeat_at=now(), memory_bytes=memory_bytes),
        )
        if not alive:
            worker.heartbeat_at, worker.memory_bytes = now(), memory_bytes
            session.merge(worker)


def live_workers(session: Session) -> list[WorkerProcess]:
    """The workers that were heard from in the last WORKER_LOST_S seconds."""
    return list(
        session.scalars(
            select(WorkerProcess)
            .where(WorkerProcess.heartbeat_at > now() - timedelta(seconds=WORKER_LOST_S))
            .order_by(WorkerProcess.started_at)
        )
    )
