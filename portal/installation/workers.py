"""Workers in the database: they sign in, and say that they are alive."""

from __future__ import annotations

import os
import secrets
import socket

from sqlalchemy import update
from sqlalchemy.orm import Session

from portal.database import execute_change, now, writing
from portal.installation.models import WorkerProcess


def own_name() -> str:
    """A new name for the worker that this process is: "host:pid:random"."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def sign_in(session: Session, worker: WorkerProcess) -> None:
    """Make a worker known before it claims anything."""
    with writing(session):
        session.merge(worker)


def beat(session: Session, worker: WorkerProcess, memory_bytes: int) -> None:
    """Say that a worker is alive; one that was thought lost meanwhile is known again."""
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
