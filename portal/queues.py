"""The queues, and one enqueue function per job. Jobs are dotted paths and ids; the rows are the truth.

A message that can't be sent is not lost work: its row says *queued*, and the workers' sweep sends it
again as soon as Redis answers.
"""

from __future__ import annotations

from functools import cache
from typing import cast
from uuid import uuid4

import structlog
from flask import current_app
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.serializers import JSONSerializer

INTERACTIVE = "interactive"
ENROLMENT = "enrolment"
# A worker takes from a queue only when the ones before it are empty.
QUEUES = (INTERACTIVE, ENROLMENT)

JOB_TIMEOUT_S = 180
# How often bulk work checks whether a search waits.
LOOK_UP_EVERY_S = 0.1
# A Redis that hangs is one that does not answer: nobody waits longer for a connection or a command.
CONNECT_S, COMMAND_S = 5, 5

log = structlog.get_logger()


@cache
def connect(redis_url: str) -> Redis:
    """The process's connection pool to Redis, for commands that are answered at once."""
    return Redis.from_url(
        redis_url, socket_connect_timeout=CONNECT_S, socket_timeout=COMMAND_S, health_check_interval=30
    )


def connect_worker(redis_url: str) -> Redis:
    """A pool for RQ's worker alone, which waits for jobs by a command; RQ sets how long that may take."""
    return Redis.from_url(redis_url, socket_connect_timeout=CONNECT_S, health_check_interval=30)


def queue(name: str, connection: Redis) -> Queue:
    return Queue(name, connection=connection, serializer=JSONSerializer, default_timeout=JOB_TIMEOUT_S)


def enqueue_enrolment(organization_id: int) -> None:
    """Say that an organization has queued photos.

    The worker that takes the job claims a batch of rows and, if more are left, says so again before it
    starts on them. So however many photos arrive, Redis holds one waiting job per organization,
    all workers find work, and organizations take turns.
    """
    _send(ENROLMENT, "jobs.enrolment.process_photos", organization_id)


def enqueue_archive(archive_id: int) -> None:
    """Ask for (more of) a ZIP to be unpacked."""
    _send(ENROLMENT, "jobs.batches.unpack", archive_id)


def enqueue_undo(batch_id: int) -> None:
    """Ask for (more of) a batch to be undone."""
    _send(ENROLMENT, "jobs.batches.undo", batch_id)


def enqueue_comparison(organization_id: int) -> None:
    """Say that an organization has faces that were not compared with its others."""
    _send(ENROLMENT, "jobs.duplicates.compare_new", organization_id)


def enqueue_scan(scan_id: int) -> None:
    """Ask for (more of) a scan."""
    _send(ENROLMENT, "jobs.duplicates.scan", scan_id)


def enqueue_calibration(calibration_id: int) -> None:
    """Ask for (more of) a calibration."""
    _send(ENROLMENT, "jobs.calibration.measure", calibration_id)


def enqueue_search(search_id: int) -> None:
    """Ask for a search to be worked out, ahead of all enrolment."""
    _send(INTERACTIVE, "jobs.search.run_search", search_id)


def enqueue_examination(examination_id: int) -> None:
    """Ask for an examination, for which someone waits."""
    _send(INTERACTIVE, "jobs.examination.examine", examination_id)


def enqueue_cleaning() -> None:
    """Ask for files that no row owns to be removed."""
    _send(ENROLMENT, "jobs.maintenance.remove_orphaned_files", 0)


def enqueue_renewal() -> None:
    """Ask for (more of) the words by which people are found to be made again."""
    _send(ENROLMENT, "jobs.maintenance.renew_terms", 0)


def search_is_waiting() -> bool:
    """Whether an interactive job waits for a worker: bulk work makes way."""
    connection = connect(current_app.config["PORTAL"].redis_url)
    try:
        return queue(INTERACTIVE, connection).count > 0
    except RedisError:
        return False  # what Redis does not tell can't be done either; the bulk work goes on


def forget_waiting(job: str, row_id: int) -> None:
    """Called by a job before it reads its rows: what is sent from here on needs a new message."""
    connect(current_app.config["PORTAL"].redis_url).delete(_waiting_key(job, row_id))


def _waiting_key(job: str, row_id: int) -> str:
    return f"portal:waiting:{job}:{row_id}"


def _send(queue_name: str, job: str, row_id: int) -> None:
    """Put a job on its queue, unless one like it is really waiting there."""
    connection = connect(current_app.config["PORTAL"].redis_url)
    target, key, job_id = queue(queue_name, connection), _waiting_key(job, row_id), uuid4().hex
    try:
        if not connection.set(key, job_id, nx=True):
            waiting = cast(bytes | None, connection.get(key))
            if waiting is not None and connection.lpos(target.key, waiting.decode()) is not None:
                return
            connection.set(key, job_id)  # the process that took or sent the other one died
        target.enqueue_call(
            job, args=(row_id,), job_id=job_id, result_ttl=0, failure_ttl=0, description=f"{job} {row_id}"
        )
    except RedisError as error:
        log.warning("Redis did not take a job; the sweep will send it", job=job, row=row_id, error=str(error))
