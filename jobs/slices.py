"""Bulk work is done in slices: it makes way for searches, and for the bulk work of others."""

from __future__ import annotations

import time

from portal import queues

# A job takes a worker for itself for this long, at most.
SLICE_S = 20.0


class Slice:
    """The time that a job may take before others have their turn."""

    def __init__(self) -> None:
        self._began = self._looked = time.monotonic()

    def is_over(self) -> bool:
        moment = time.monotonic()
        if moment - self._began > SLICE_S:
            return True
        if moment - self._looked < queues.LOOK_UP_EVERY_S:
            return False
        self._looked = moment
        return queues.search_is_waiting()
