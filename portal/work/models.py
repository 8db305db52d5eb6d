"""What every row that workers claim has in common."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from portal.database import Identifier, now


class WorkState(StrEnum):
    """How far the workers are with a row."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


# A worker has it, or will.
UNFINISHED = (WorkState.QUEUED, WorkState.RUNNING)


class Work:
    """Columns of a row that workers claim and work on (a mixin)."""

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    state: Mapped[WorkState] = mapped_column(String(10), default=WorkState.QUEUED)
    # Why it failed: a code, for which the domain has the words.
    reason: Mapped[str | None] = mapped_column(String(30))
    attempts: Mapped[int] = mapped_column(default=0)
    claimed_by: Mapped[str | None] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None]
