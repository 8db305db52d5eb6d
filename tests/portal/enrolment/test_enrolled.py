"""Two workers end the last two photos of a person at the same moment: it is told once."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from portal.database import writing
from portal.enrolment import work
from portal.extensions import db
from portal.organizations.models import Organization
from portal.photos.models import Photo
from portal.photos.reasons import Reason
from portal.photos.records import PhotoRecord
from portal.work.models import WorkState
from tests.databases import on_postgresql
from tests.make.face_models import face_model
from tests.make.people import add_person
from tests.make.webhooks import add_endpoint, written
from tests.run.postgres import someone_waits_for_a_lock
from tests.waiting import wait_until


@on_postgresql
def test_it_is_told_once(
    app: Flask, session: Session, clinic: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_endpoint(session, clinic)
    model, person, engine = face_model(session).id, add_person(session, clinic, "A1"), db.engine
    with writing(session):
        photos = [
            Photo(
                organization_id=clinic.id,
                person_id=person.id,
                sha256=worker,
                file_key=worker,
                file_name="photo.jpg",
                size_bytes=1,
                state=WorkState.RUNNING,
                claimed_by=worker,
                attempts=1,
            )
            for worker in ("one", "two")
        ]
        session.add_all(photos)
    ids = {photo.sha256: photo.id for photo in photos}
    genuine, others = work._insert_faces, list[Future[None]]()

    def record(worker: str) -> None:
        with app.app_context():
            found: Mapping[int, PhotoRecord] = {ids[worker]: PhotoRecord(reason=Reason.DAMAGED)}
            work.record_photos(db.session(), worker, clinic.id, model, found)

    with ThreadPoolExecutor(1) as pool:

        def meet(*arguments: Any) -> None:
            if not others:
                others.append(pool.submit(record, "two"))
                wait_until(lambda: someone_waits_for_a_lock(engine) or others[0].done(), "the other one")
            genuine(*arguments)

        monkeypatch.setattr(work, "_insert_faces", meet)
        record("one")
        others[0].result()
    assert [kind for kind, _ in written(session)] == ["photo.failed", "photo.failed", "person.enrolled"]
