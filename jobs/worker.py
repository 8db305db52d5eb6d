"""A worker process: loads the face model once, then works its queues: python -m jobs.worker."""

from __future__ import annotations

import sys
import threading
from typing import Any

import psutil
import structlog
from flask import Flask
from rq import Queue, SimpleWorker
from rq.job import Job
from rq.serializers import JSONSerializer
from sqlalchemy.exc import SQLAlchemyError

from jobs import process
from jobs.face_model import open_stored
from jobs.faces.models import FaceModelError
from jobs.faces.pipeline import FacePipeline
from jobs.gallery.cache import GalleryCache
from jobs.gallery.quantized import comparison_path
from portal import create_app, logs
from portal.extensions import db
from portal.queues import QUEUES, connect, queue
from portal.settings import Settings
from portal.storage import photo_store
from portal.system import workers
from portal.system.models import WorkerProcess
from portal.system.services import HEARTBEAT_S

# A worker that grew by this much since it was ready ends after its job, and a fresh one takes its place.
GROWTH_LIMIT_BYTES = 2 * 1024**3

log = structlog.get_logger()


class PhotoWorker(SimpleWorker):
    """RQ's worker without a fork: the model is loaded once, and ONNX Runtime's threads live on."""

    app: Flask

    def perform_job(self, job: Job, queue: Queue) -> bool:
        structlog.contextvars.bind_contextvars(job_id=job.id, job=job.func_name)
        with self.app.app_context():
            done = super().perform_job(job, queue)
        structlog.contextvars.clear_contextvars()
        if _memory() > self.memory_when_ready + GROWTH_LIMIT_BYTES:
            log.warning("the worker grew too large and ends", memory_bytes=_memory())
            self._stop_requested = True
        return done

    memory_when_ready = 0


class Heart(threading.Thread):
    """Says every two seconds that the worker is alive, and sweeps when that is due."""

    def __init__(self, app: Flask, worker: WorkerProcess) -> None:
        super().__init__(name="heart", daemon=True)
        self._app, self._worker = app, worker
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(HEARTBEAT_S):
            with self._app.app_context():
                try:
                    workers.beat(db.session(), self._worker, _memory())
                    workers.sweep(db.session(), photo_store())
                except SQLAlchemyError:
                    # Without its database the portal stands still; it goes on when the database is back.
                    log.exception("the heartbeat did not reach the database")

    def stop(self) -> None:
        """End the thread, waiting for a beat that is on its way."""
        self._stopped.set()
        self.join()


def main() -> int:
    """Work until asked to end. Returns the exit status: 1 if there is no face model to work with."""
    logs.configure()
    settings = Settings.from_environment()
    app = create_app(settings)
    with app.app_context():
        try:
            loaded = open_stored(db.session(), settings)
        except FaceModelError as error:
            log.error("no face model", problem=str(error))
            return 1
        row = WorkerProcess(
            name=workers.own_name(),
            face_model_id=loaded.row.id,
            provider=loaded.engine.provider,
            precision=loaded.engine.precision,
            comparison=comparison_path(),
            memory_bytes=_memory(),
        )
        galleries = GalleryCache(loaded.row.id, loaded.engine.dimension)
        process.begin(process.Process(app, row, FacePipeline(loaded.engine), galleries))
        workers.sign_in(db.session(), row)
    heart = Heart(app, row)
    heart.start()
    try:
        _work(app, settings, row.name)
    finally:
        heart.stop()
        with app.app_context():
            workers.sign_out(db.session(), row.name)
    return 0


def _work(app: Flask, settings: Settings, name: str) -> None:
    connection = connect(settings.redis_url)
    worker = PhotoWorker(
        [queue(name, connection) for name in QUEUES],
        name=name,
        connection=connection,
        serializer=JSONSerializer,
        exception_handlers=[_log_failure],
        disable_default_exception_handler=True,
        log_job_description=False,
    )
    worker.app, worker.memory_when_ready = app, _memory()
    log.info("the worker is ready", worker=name)
    worker.work(logging_level=None)


def _log_failure(job: Job, *failure: Any) -> bool:
    """A job that failed: its rows are queued again by itself, or found by the sweep."""
    log.error("a job failed", job=job.func_name, exc_info=failure)
    return False


def _memory() -> int:
    return int(psutil.Process().memory_info().rss)


if __name__ == "__main__":
    sys.exit(main())
