"""A worker process: loads the face model once, then works its queues: python -m jobs.worker."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from typing import Any

import psutil
import structlog
from flask import Flask
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.job import Job
from rq.serializers import JSONSerializer
from sqlalchemy.exc import SQLAlchemyError

from jobs import process, sweep
from jobs.face_model import open_stored
from jobs.faces.models import FaceModelError
from jobs.faces.pipeline import FacePipeline
from jobs.gallery.cache import GalleryCache
from jobs.gallery.quantized import comparison_path
from portal import create_app, logs
from portal.extensions import db
from portal.installation import workers
from portal.installation.models import WorkerProcess
from portal.installation.services import is_current
from portal.installation.workers import HEARTBEAT_S
from portal.queues import JOB_TIMEOUT_S, QUEUES, connect_worker, queue
from portal.settings import Settings
from portal.storage import photo_store

# A worker that grew by this much since it was ready ends after its job, and a fresh one takes its place.
GROWTH_LIMIT_BYTES = 2 * 1024**3

# This long after its time a job is thought to hang.
HANGING_FOR_S = 60

log = structlog.get_logger()


class PhotoWorker(SimpleWorker):
    """RQ's worker without a fork: the model is loaded once, and ONNX Runtime's threads live on."""

    memory_when_ready = 0

    def perform_job(self, job: Job, queue: Queue) -> bool:
        current = process.current()
        structlog.contextvars.bind_contextvars(job_id=job.id)
        current.job_since = time.monotonic()
        with current.app.app_context():
            if _has_another_model(current):
                # For a worker that has the right model; this one makes room for it.
                queue.enqueue_job(job, at_front=True)
                done, current.ends = True, True
            else:
                done = super().perform_job(job, queue)
        current.job_since = None
        structlog.contextvars.clear_contextvars()
        if _memory() > self.memory_when_ready + current.galleries.memory_bytes + GROWTH_LIMIT_BYTES:
            log.warning("the worker grew too large and ends", memory_bytes=_memory())
            current.ends = True
        if current.ends:
            self._stop_requested = True
        return done


class Heart(threading.Thread):
    """Says every two seconds that the worker is alive, and sweeps when that is due."""

    def __init__(self, app: Flask, worker: WorkerProcess) -> None:
        super().__init__(name="heart", daemon=True)
        self._app, self._worker = app, worker
        self._asked_to_end = False
        self._stopped = threading.Event()

    def run(self) -> None:
        try:
            while not self._stopped.wait(HEARTBEAT_S):
                self._beat()
        except BaseException:
            # Without a heart it would go on while others think it lost: it ends instead.
            log.exception("the heart failed, and the worker ends with it")
            os._exit(1)

    def _beat(self) -> None:
        since = process.current().job_since
        if since is not None and time.monotonic() - since > JOB_TIMEOUT_S + HANGING_FOR_S:
            raise TimeoutError("A job hangs in code that can't be interrupted.")
        with self._app.app_context():
            try:
                self._end_if_outdated()
                workers.beat(db.session(), self._worker, _memory())
                sweep.sweep(db.session(), photo_store())
            except SQLAlchemyError:
                # Without its database the portal stands still; it goes on when the database is back.
                log.exception("the heartbeat did not reach the database")

    def _end_if_outdated(self) -> None:
        """Make the worker end after its job if the installation now has another face model."""
        if self._asked_to_end or is_current(db.session(), self._worker.face_model_id):
            return
        log.warning("the face model was changed, and the worker ends for one that has it")
        # Once: a second signal would break off the job.
        self._asked_to_end = True
        os.kill(os.getpid(), signal.SIGTERM)

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
        _work(settings, row.name)
    except RedisError as error:
        # RQ waits for Redis between jobs only; what started this worker starts the next.
        log.error("Redis was lost during a job; the worker ends", problem=str(error))
    finally:
        heart.stop()
        with app.app_context():
            sweep.sign_out(db.session(), row.name)
    return 0


def _work(settings: Settings, name: str) -> None:
    connection = connect_worker(settings.redis_url)
    worker = PhotoWorker(
        [queue(name, connection) for name in QUEUES],
        name=name,
        connection=connection,
        serializer=JSONSerializer,
        exception_handlers=[_log_failure],
        disable_default_exception_handler=True,
        log_job_description=False,
    )
    worker.memory_when_ready = _memory()
    # What was loaded stays: the collector need not walk through it again and again.
    gc.freeze()
    log.info("the worker is ready", worker=name)
    worker.work(logging_level=None)


def _has_another_model(current: process.Process) -> bool:
    try:
        return not is_current(db.session(), current.face_model_id)
    except SQLAlchemyError:
        return False  # the job will not reach the database either, and fails in its own way


def _log_failure(job: Job, *failure: Any) -> bool:
    """A job that failed: it requeues its rows itself, or the sweep finds them."""
    log.error("a job failed", job=job.func_name, exc_info=failure)
    return False


def _memory() -> int:
    return int(psutil.Process().memory_info().rss)


if __name__ == "__main__":
    sys.exit(main())
