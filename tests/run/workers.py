"""Workers for tests: real jobs on a real Redis with a real face model, in the process of the test."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from flask import Flask
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer
from sqlalchemy import delete, update

from jobs import process
from jobs import sweep as sweeping
from jobs.faces.engine import FaceEngine
from jobs.faces.pipeline import FacePipeline
from jobs.gallery.cache import GalleryCache
from jobs.gallery.quantized import comparison_path
from jobs.process import Process
from jobs.worker import PhotoWorker
from portal.database import writing
from portal.extensions import db
from portal.installation import workers
from portal.installation.models import FaceModel, Installation, WorkerProcess
from portal.installation.services import store_face_model
from portal.queues import QUEUES, connect_worker, queue
from portal.storage import photo_store

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def stored_model(engine: FaceEngine) -> FaceModel:
    """Make the engine's model the installation's (inside an app context)."""
    pack = engine.pack
    return store_face_model(
        db.session(),
        FaceModel(
            fingerprint=pack.fingerprint,
            name=pack.name,
            source=pack.name,
            engine=pack.engine,
            dimension=engine.dimension,
            threshold=pack.card.threshold,
            threshold_source=pack.card.threshold_source,
            licence=pack.card.licence,
            permitted_use=pack.card.permitted_use,
        ),
    )


# Of all workers of this process, and theirs alone: RQ changes how long its commands may take.
_pool = cache(connect_worker)


class Worker:
    """A worker process but for the process: it signs in, takes jobs off the queues, and can be lost."""

    def __init__(self, app: Flask, engine: FaceEngine) -> None:
        self.app = app
        with app.app_context():
            self.row = WorkerProcess(
                name=workers.own_name(),
                face_model_id=stored_model(engine).id,
                provider=engine.provider,
                precision=engine.precision,
                comparison=comparison_path(),
            )
            workers.sign_in(db.session(), self.row)
        galleries = GalleryCache(self.row.face_model_id, engine.dimension)
        self.process = Process(app, self.row, FacePipeline(engine), galleries)
        # What jobs raised; a test that makes them fail says so.
        self.failures: list[BaseException] = []
        self.failures_are_fine = False
        self._connection = _pool(app.config["PORTAL"].redis_url)
        self._queues = [queue(name, self._connection) for name in QUEUES]
        self._rq = PhotoWorker(
            self._queues,
            name=self.name,
            connection=self._connection,
            serializer=JSONSerializer,
            exception_handlers=[self._failed],
            disable_default_exception_handler=True,
            log_job_description=False,
        )
        self._rq.memory_when_ready = 1 << 60

    @property
    def name(self) -> str:
        return self.row.name

    def work(self, jobs: int | None = None) -> list[str]:
        """Do what waits in the queues, or the first `jobs` of it; returns the names of the jobs done.

        A job that fails fails the test, unless the test looks into `failures` itself.
        """
        process.begin(self.process)
        done: list[str] = []
        expected = len(self.failures)
        while jobs is None or len(done) < jobs:
            found = Queue.dequeue_any(self._queues, None, self._connection, serializer=JSONSerializer)
            if found is None:
                break
            self._rq.execute_job(*found)
            name = found[0].func_name
            assert name is not None
            done.append(name)
        if len(self.failures) > expected and not self.failures_are_fine:
            raise self.failures[-1]
        return done

    def lose(self) -> None:
        """Be killed without a word, and be found missing."""
        with self.app.app_context(), writing(db.session()) as session:
            session.execute(delete(WorkerProcess).where(WorkerProcess.name == self.name))
        sweep(self.app)

    def _failed(self, job: Job, kind: type[BaseException], error: BaseException, trace: object) -> bool:
        self.failures.append(error)
        return False


def sweep(app: Flask) -> None:
    """Let the sweep run now, whenever it ran before."""
    with app.app_context():
        with writing(db.session()) as session:
            session.execute(update(Installation).values(swept_at=LONG_AGO))
        sweeping.sweep(db.session(), photo_store())
