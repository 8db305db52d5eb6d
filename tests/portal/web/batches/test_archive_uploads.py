"""ZIPs as the page's script sends them, piece by piece."""

from __future__ import annotations

import io

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.batches.models import BatchArchive
from portal.storage import photo_store
from tests.make.batches import (
    all_announced,
    drop,
    finish,
    start,
    zipped,
)
from tests.portal.web.batches.test_upload_views import TWO
from tests.read.batches import assert_sound, counted, progress
from tests.run.workers import Worker, sweep
from tests.visitor import Visitor


def test_a_zip_comes_in_pieces(worker: Worker, bob: Visitor, session: Session) -> None:
    content = zipped(TWO)
    batch, size = start(bob, grouping="auto", label="auto"), len(content)
    named = {"name": "all.zip", "size": str(size)}
    archive = bob.call(f"/enrol/{batch}/archives", data=named).get_json()
    assert archive["received_bytes"] == 0
    all_announced(bob, batch)
    address = f"/enrol/{batch}/archives/{archive['id']}"

    def piece(offset: int | str, data: bytes) -> tuple[int, int]:
        response = bob.call(f"{address}?offset={offset}", data=data, content_type="application/octet-stream")
        return response.status_code, response.get_json()["received_bytes"]

    assert piece(0, content[:100]) == (200, 100)
    # The answer was lost, and the piece comes again; or one too far on; or one that says nothing.
    assert piece(0, content[:100]) == (409, 100)
    assert piece(200, content[200:]) == (409, 100)
    assert piece("", content[:100]) == (409, 100)
    assert worker.work() == []
    # The page was closed meanwhile.
    assert bob.call(f"/enrol/{batch}/archives", data=named).get_json() == {
        "id": archive["id"],
        "received_bytes": 100,
    }
    assert progress(bob, batch)["status"] == "receiving"
    assert piece(100, content[100:]) == (200, size)
    assert piece(100, content[100:]) == (409, size)
    finish(worker)
    assert counted(bob, batch) == {"attention": 2}
    assert bob.call(f"/enrol/{batch}/archives", data=named).get_json()["received_bytes"] == size
    assert_sound(session, {batch: 2})


def test_a_zip_whose_last_answer_was_lost_is_unpacked(worker: Worker, bob: Visitor, session: Session) -> None:
    """Everything is in the file, and nobody noted it: the portal was killed at that moment."""
    content = zipped(TWO)
    batch = start(bob)
    named = {"name": "all.zip", "size": str(len(content))}
    archive = bob.call(f"/enrol/{batch}/archives", data=named).get_json()["id"]
    all_announced(bob, batch)
    photo_store().append_to_archive(archive, 0, io.BytesIO(content), len(content))
    # The page that is opened again asks how much there is, and sends what is missing: nothing.
    assert bob.call(f"/enrol/{batch}/archives", data=named).get_json()["received_bytes"] == len(content)
    finish(worker)
    assert counted(bob, batch) == {"attention": 2}
    assert_sound(session, {batch: 2})


def test_a_zip_that_grew_is_refused(bob: Visitor, session: Session) -> None:
    batch = start(bob)
    archive = bob.call(f"/enrol/{batch}/archives", data={"name": "a.zip", "size": "10"}).get_json()["id"]
    response = bob.call(f"/enrol/{batch}/archives/{archive}?offset=0", data=b"x" * 11)
    assert response.status_code == 422
    assert "a.zip is longer than announced" in response.get_json()["error"]
    for size in ("0", "-1", "many", str(100 * 1024**3 + 1)):
        refused = bob.call(f"/enrol/{batch}/archives", data={"name": "a.zip", "size": size})
        assert (refused.status_code, "up to 100 GiB" in refused.get_json()["error"]) == (422, True)
    session.rollback()
    assert session.scalars(select(BatchArchive.arrived)).all() == [False]


def test_without_a_zip_that_never_came_a_batch_ends_and_asks_for_nothing(
    bob: Visitor, session: Session, worker: Worker
) -> None:
    batch = drop(bob, TWO)
    bob.call(f"/enrol/{batch}/archives", data={"name": "a.zip", "size": "10"})
    finish(worker)
    assert progress(bob, batch)["status"] == "receiving"
    bob.get(f"/enrol/{batch}")
    assert bob.page.select("[data-upload-batch]")
    assert bob.post(f"/enrol/{batch}/finish").status_code == 302
    sweep(worker.app)
    assert progress(bob, batch)["status"] == "done"
    bob.get(f"/enrol/{batch}")
    assert "It never arrived completely." in bob.page.get_text(" ")
    assert not bob.page.select("[data-upload-batch]")
    assert_sound(session, {batch: 2})
