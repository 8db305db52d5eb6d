"""Workers that die without a word: what they were at is taken up by others."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update

from jobs import sweep as sweeping
from portal.database import now, writing
from portal.extensions import db
from portal.installation import workers
from portal.installation.models import Installation, WorkerProcess
from portal.installation.services import store_face_model
from portal.installation.workers import HEARTBEAT_S, WORKER_LOST_S
from portal.storage import photo_store
from tests.make.face_models import made_up_model

A_FEW_BEATS_S = 4 * HEARTBEAT_S


@pytest.fixture
def face_model_id(app: Flask) -> int:
    with app.app_context():
        return store_face_model(db.session(), made_up_model()).id


def swept(app: Flask, face_model_id: int, name: str, silent_s: float) -> list[str]:
    """The workers that are still known after a sweep, of one that was silent for so long."""
    with app.app_context():
        session = db.session()
        workers.sign_in(
            session,
            WorkerProcess(
                name=name,
                face_model_id=face_model_id,
                provider="CPUExecutionProvider",
                precision="float32",
                comparison="u8s8",
                heartbeat_at=now() - timedelta(seconds=silent_s),
            ),
        )
        with writing(session):
            session.execute(update(Installation).values(swept_at=now() - timedelta(hours=1)))
        sweeping.sweep(session, photo_store())
        return list(session.scalars(select(WorkerProcess.name)))


def gone() -> str:
    """The name of a worker of this machine that ended without signing out."""
    ended = subprocess.run(
        [sys.executable, "-c", "from portal.installation.workers import own_name; print(own_name())"],
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout.strip()


def test_one_whose_process_is_gone_is_lost_after_a_few_beats(app: Flask, face_model_id: int) -> None:
    assert swept(app, face_model_id, gone(), A_FEW_BEATS_S) == []


def test_one_that_beats_is_not_lost_though_its_process_cannot_be_seen(app: Flask, face_model_id: int) -> None:
    name = gone()
    assert swept(app, face_model_id, name, HEARTBEAT_S) == [name]


def test_one_whose_process_is_there_is_given_more_time(app: Flask, face_model_id: int) -> None:
    name = workers.own_name()
    assert swept(app, face_model_id, name, A_FEW_BEATS_S) == [name]
    assert swept(app, face_model_id, name, WORKER_LOST_S + 1) == []


def test_one_of_another_machine_is_given_more_time(app: Flask, face_model_id: int) -> None:
    name = gone().replace(":", ".elsewhere:", 1)
    assert swept(app, face_model_id, name, A_FEW_BEATS_S) == [name]
    assert swept(app, face_model_id, name, WORKER_LOST_S + 1) == []
