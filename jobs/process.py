"""What a worker process loads once and its jobs use: the app, the face pipeline, the galleries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from flask import Flask

from jobs.faces.pipeline import FacePipeline
from jobs.gallery.cache import GalleryCache
from portal.installation.models import WorkerProcess
from portal.work.claims import Claimable


@dataclass
class Process:
    app: Flask
    worker: WorkerProcess
    pipeline: FacePipeline
    galleries: GalleryCache
    # Set by a job after which this process must not go on; the worker checks when the job is over.
    ends: bool = False
    # The rows that the present job has claimed.
    claimed: list[tuple[Claimable, Sequence[int]]] = field(default_factory=list)
    # A time.monotonic(): when the present job began.
    job_since: float | None = None

    @property
    def face_model_id(self) -> int:
        return self.worker.face_model_id


_current: Process | None = None


def begin(process: Process) -> None:
    """Make this the process that jobs run in."""
    global _current
    _current = process


def current() -> Process:
    """The process that a job runs in. Raises RuntimeError outside a worker."""
    if _current is None:
        raise RuntimeError("Jobs run in a worker process: python -m jobs.worker.")
    return _current
