"""Batches: dropped as the page's script drops them, or rows that workers would have written."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.batches.models import ON_THE_WAY, Batch, BatchItem, Decision, KnownPeople
from portal.batches.naming import Grouping, Label
from portal.database import now, writing
from portal.organizations.models import Organization
from tests.make.people import TESTER
from tests.make.photos import picture
from tests.read.batches import said
from tests.run.workers import Worker, sweep
from tests.visitor import Visitor

FOLDERS = {"grouping": "folder", "label": "external_id", "known": "add"}
Drop = Mapping[str, bytes]


def zipped(files: Drop) -> bytes:
    """A ZIP as programs make it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, file in files.items():
            archive.writestr(path, file)
    return content.getvalue()


def start(visitor: Visitor, **fields: str) -> int:
    """Begin a batch; returns its number."""
    response = visitor.call("/enrol/start", data={**FOLDERS, **fields})
    assert response.status_code == 200, response.text
    return int(response.get_json()["batch"])


def give_manifest(visitor: Visitor, batch: int, text: str) -> int:
    """Send a manifest; returns how many photos and rows without one it has."""
    sent = {"manifest": (io.BytesIO(text.encode()), "list.csv")}
    response = visitor.call(f"/enrol/{batch}/manifest", data=sent)
    assert response.status_code == 200, response.text
    return int(response.get_json()["rows"])


def announce(visitor: Visitor, batch: int, files: Drop) -> list[dict[str, Any]]:
    """Say which files are about to come; returns what is said about each."""
    listed = [{"path": path, "size": len(content)} for path, content in files.items()]
    response = visitor.call(f"/enrol/{batch}/files", json={"files": listed})
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.get_json()["files"]
    return found


def all_announced(visitor: Visitor, batch: int) -> None:
    assert visitor.call(f"/enrol/{batch}/announced").status_code == 200


def send(visitor: Visitor, batch: int, photos: Sequence[tuple[int, bytes]]) -> list[dict[str, Any]]:
    """Send photos, each under the number of its item; returns what became of them."""
    data = {str(item): (io.BytesIO(content), "x") for item, content in photos}
    response = visitor.call(f"/enrol/{batch}/photos", data=data)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.get_json()["photos"]
    return found


def drop_on(visitor: Visitor, batch: int, files: Drop) -> list[dict[str, Any]]:
    """Drop files on a batch, and send what is wanted of them; returns what was said of each."""
    said = announce(visitor, batch, files)
    all_announced(visitor, batch)
    wanted = [
        (item["id"], content)
        for item, content in zip(said, files.values(), strict=True)
        if item["state"] == "expected"
    ]
    if wanted:
        send(visitor, batch, wanted)
    return said


def drop(visitor: Visitor, files: Drop, manifest: str | None = None, **fields: str) -> int:
    """Drop files as one batch; returns its number."""
    batch = start(visitor, **({"grouping": "auto", "label": "auto"} if manifest else {}), **fields)
    if manifest:
        give_manifest(visitor, batch, manifest)
    drop_on(visitor, batch, files)
    return batch


def finish(worker: Worker) -> None:
    """Let the workers do all there is, and the sweep close it."""
    worker.work()
    sweep(worker.app)
    worker.work()


def add_batch(
    session: Session,
    organization: Organization,
    *items: dict[str, Any],
    decision: Decision = Decision.GO_ON,
    source: str = "from a browser",
) -> Batch:
    """A batch with these items, whose external ids are in their folders."""
    with writing(session):
        batch = Batch(
            organization_id=organization.id,
            created_by=TESTER.name,
            source=source,
            grouping=Grouping.FOLDER,
            label=Label.EXTERNAL_ID,
            known=KnownPeople.ADD,
            decision=decision,
        )
        session.add(batch)
        session.flush()
        whose = {"batch_id": batch.id, "organization_id": organization.id}
        session.add_all(
            BatchItem(**whose, **item, path_key=item["path"], finished_at=_end_of(item)) for item in items
        )
    return batch


def _end_of(item: dict[str, Any]) -> datetime | None:
    return None if item["state"] in ON_THE_WAY else now()


AUTO = {"grouping": "auto", "label": "auto"}


def send_zip(visitor: Visitor, batch: int, content: bytes, name: str = "all.zip") -> int:
    """Send a ZIP for a batch; returns its number."""
    said = visitor.call(f"/enrol/{batch}/archives", data={"name": name, "size": str(len(content))})
    archive = int(said.get_json()["id"])
    response = visitor.call(f"/enrol/{batch}/archives/{archive}?offset=0", data=content)
    assert response.get_json() == {"received_bytes": len(content)}
    return archive


def drop_zip(visitor: Visitor, content: bytes, **fields: str) -> int:
    """Drop a ZIP as a batch of its own; returns the number of the batch."""
    batch = start(visitor, **{**AUTO, **fields})
    send_zip(visitor, batch, content)
    all_announced(visitor, batch)
    return batch


def photos(count: int) -> dict[str, bytes]:
    return {f"P{number}/1.jpg": picture(number) for number in range(count)}


FOUR = {f"{name}1/1.jpg": picture(number) for number, name in enumerate("ABCD")}


def act(visitor: Visitor, batch: int, what: str, **fields: object) -> str:
    """Press a button on a batch's page; returns what the page says then."""
    assert visitor.post(f"/enrol/{batch}/{what}", dict(fields)).status_code == 302
    return said(visitor, batch)
