"""Whether a batch can be added to, and what is said where it can't."""

from __future__ import annotations

from sqlalchemy.orm import Session

from portal.batches.models import Batch, Decision
from portal.database import now
from portal.locks import lock


class BatchError(ValueError):
    """What is wrong with a batch or with a request about it, in words for staff."""


class NotOpen(BatchError):
    """The batch takes nothing at the moment: it is paused, cancelled or undone (`decision`)."""

    def __init__(self, decision: Decision) -> None:
        words = {
            Decision.PAUSE: "The batch is paused. Resume it first.",
            Decision.CANCEL: "The batch was cancelled. Start a new one.",
            Decision.UNDO: "The batch was undone. Start a new one.",
        }
        super().__init__(words[decision])
        self.decision = decision


def lock_kept(session: Session, batch: Batch) -> None:
    """Hold a batch whose photos are to change, in the caller's transaction. Raises BatchError, and Gone."""
    lock(session, batch, key_share=True)
    if batch.decision == Decision.UNDO:
        raise BatchError("The batch was undone: its photos are gone.")


def lock_open(session: Session, batch: Batch) -> None:
    """Hold a batch that is to be added to, in the caller's transaction. Raises NotOpen, and Gone."""
    lock(session, batch, key_share=True)
    if batch.decision != Decision.GO_ON:
        raise NotOpen(batch.decision)
    batch.touched_at = now()
