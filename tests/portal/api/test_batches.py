"""Bulk enrolment over the API: announced, sent, followed, undone."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.batches.models import BatchItem
from portal.extensions import db
from portal.keys.models import ApiKey
from portal.keys.services import revoke_key
from portal.storage import PhotoStore
from tests.databases import on_both_databases
from tests.make.batches import finish, zipped
from tests.make.people import TESTER
from tests.make.photos import mate, picture
from tests.portal.api.test_people import Files
from tests.program import Program
from tests.run.workers import Worker

FOLDERS = {"source": "registry", "grouping": "folder", "label": "external_id"}


def start(registry: Program, **fields: str) -> str:
    """Begin a batch; returns its address."""
    answer = registry.send("POST", "/batches", json={**FOLDERS, **fields})
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"].removeprefix("/api/v1")


def announce(registry: Program, batch: str, files: dict[str, bytes]) -> list[dict[str, Any]]:
    listed = [{"path": path, "size_bytes": len(content)} for path, content in files.items()]
    answer = registry.send("POST", f"{batch}/files", json={"files": listed})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.get_json()["items"]
    return items


def send(registry: Program, batch: str, files: dict[str, bytes]) -> None:
    """Announce and send files, and say that these were all."""
    items = announce(registry, batch, files)
    photos = {str(item["id"]): [file] for item, file in zip(items, files.values(), strict=True)}
    answer = registry.post_form(f"{batch}/photos", {}, photos)
    assert [item["state"] for item in answer.get_json()["items"]] == ["received"] * len(files)
    assert registry.send("POST", f"{batch}/announced").status_code == 200


def decide(registry: Program, batch: str, decision: str) -> Any:
    return registry.send("POST", f"{batch}/decision", json={"decision": decision})


@on_both_databases
def test_a_batch_is_announced_sent_followed_and_undone(
    worker: Worker, registry: Program, lfw: Path, files: Files
) -> None:
    batch = start(registry)
    assert registry.get(batch).get_json()["status"] == "receiving"
    send(registry, batch, {"a1/1.jpg": mate(lfw, "Ahmed_Chalabi", 1), "a2/1.jpg": picture()})
    finish(worker)
    done = registry.get(batch).get_json()
    assert (done["status"], done["counts"]["enrolled"], done["counts"]["attention"]) == ("done", 1, 1)
    (failed,) = registry.get(f"{batch}/items", state="attention").get_json()["items"]
    assert (failed["path"], failed["reason"]) == ("a2/1.jpg", "no_face")
    assert "No face was found" in failed["message"]
    (enrolled,) = registry.get(f"{batch}/items", state="enrolled").get_json()["items"]
    assert registry.get(f"/people/{enrolled['person_id']}").get_json()["external_id"] == "a1"
    assert [one["id"] for one in registry.get("/batches").get_json()["items"]] == [done["id"]]

    assert decide(registry, batch, "undo").status_code == 200
    finish(worker)
    assert registry.get(batch).get_json()["status"] == "undone"
    assert registry.get("/people").get_json()["items"] == []
    assert files() == []


def test_a_manifest_says_who_is_on_which_photo(worker: Worker, registry: Program) -> None:
    answer = registry.send("POST", "/batches", json={"source": "registry"})
    batch = answer.headers["Location"].removeprefix("/api/v1")
    too_early = registry.send("POST", f"{batch}/files", json={"files": [{"path": "1.jpg", "size_bytes": 1}]})
    assert too_early.status_code == 422
    manifest = b"external_id,name,photo\nA-1,Anna Bell,1.jpg\n"
    refused = registry.post_form(f"{batch}/manifest", {"columns": "name,x"}, {"manifest": [manifest]})
    assert refused.status_code == 422
    assert registry.post_form(f"{batch}/manifest", {}, {"manifest": [manifest]}).get_json() == {"rows": 1}
    send(registry, batch, {"scans/1.jpg": picture()})
    finish(worker)
    (person,) = registry.get("/people").get_json()["items"]
    assert (person["external_id"], person["name"]) == ("A-1", "Anna Bell")


def test_a_zip_comes_in_pieces_and_goes_on_where_it_broke_off(worker: Worker, registry: Program) -> None:
    content = zipped({"a1/1.jpg": picture(1), "a2/1.jpg": picture(2)})
    batch = start(registry)
    new = {"file_name": "all.zip", "size_bytes": len(content)}
    archive = registry.send("POST", f"{batch}/archives", json=new).get_json()
    address = f"{batch}/archives/{archive['id']}"

    def piece(offset: int, part: bytes) -> tuple[int, int | None]:
        answer = registry.post_form(f"{address}?offset={offset}", {}, {"piece": [part]})
        return answer.status_code, answer.get_json().get("received_bytes")

    assert piece(0, content[:100]) == (200, 100)
    assert piece(0, content[:100]) == (409, None)
    assert registry.send("POST", f"{batch}/archives", json=new).get_json() == {
        "id": archive["id"],
        "received_bytes": 100,
    }
    two = registry.post_form(f"{address}?offset=100", {}, {"piece": [content[100:200], content[200:]]})
    assert (two.status_code, "begins at 200" in two.get_json()["detail"]) == (422, True)
    assert piece(200, content[200:]) == (200, len(content))
    registry.send("POST", f"{batch}/announced")
    finish(worker)
    assert len(registry.get("/people").get_json()["items"]) == 2


def test_a_paused_batch_takes_nothing_and_keeps_nothing(registry: Program, files: Files) -> None:
    batch = start(registry)
    (item,) = announce(registry, batch, {"a1/1.jpg": picture()})
    assert decide(registry, batch, "pause").get_json()["status"] == "paused"
    answer = registry.post_form(f"{batch}/photos", {}, {str(item["id"]): [picture()]})
    assert (answer.status_code, "Resume it first" in answer.get_json()["detail"]) == (409, True)
    assert files() == []
    assert decide(registry, batch, "pause").status_code == 409
    assert decide(registry, batch, "resume").status_code == 200
    assert registry.post_form(f"{batch}/photos", {}, {str(item["id"]): [picture()]}).status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/files", {"files": []}),
        ("/files", {"files": [{"path": "///", "size_bytes": 1}]}),
        ("/files", {"files": [{"path": "a\0", "size_bytes": 1}]}),
        ("/files", {"files": [{"path": "a", "size_bytes": 2**63}]}),
        ("/archives", {"file_name": "a.zip", "size_bytes": 0}),
        ("/decision", {"decision": "begin"}),
    ],
)
def test_what_is_not_understood_is_told_and_changes_nothing(
    path: str, body: dict[str, Any], registry: Program
) -> None:
    batch = start(registry)
    before = registry.get(batch).get_json()
    answer = registry.send("POST", f"{batch}{path}", json=body)
    assert (answer.status_code, bool(answer.get_json()["errors"])) == (422, True)
    assert registry.get(batch).get_json() == before


def test_a_photo_under_another_name_than_its_id_is_refused(registry: Program, files: Files) -> None:
    batch = start(registry)
    answer = registry.post_form(f"{batch}/photos", {}, {"photos": [picture()]})
    assert (answer.status_code, "under the ID" in answer.get_json()["detail"]) == (400, True)
    assert files() == []
    form = {"manifest": (io.BytesIO(b"x"), "list.csv"), "other": (io.BytesIO(b"x"), "list.csv")}
    refused = registry.send("POST", f"{batch}/manifest", data=form)
    assert refused.status_code == 422


def test_all_photos_of_a_form_are_taken_or_none(registry: Program, files: Files) -> None:
    batch = start(registry)
    (item,) = announce(registry, batch, {"a1/1.jpg": picture()})
    sent = {str(item["id"]): [picture()], "999999": [picture(1)]}
    answer = registry.post_form(f"{batch}/photos", {}, sent)
    assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, "999999")
    answer = registry.post_form(f"{batch}/photos", {"3": "no file"}, {str(item["id"]): [picture()]})
    assert (answer.status_code, "3 is no file" in answer.get_json()["detail"]) == (400, True)
    assert files() == []
    assert registry.get(batch).get_json()["counts"]["expected"] == 1


def test_a_key_that_is_revoked_while_photos_come_enrols_none(
    app: Flask, registry: Program, files: Files, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = start(registry)
    (item,) = announce(registry, batch, {"a1/1.jpg": picture()})
    received = PhotoStore.receive

    def revoked_meanwhile(*arguments: Any) -> Any:
        with app.app_context():
            (key,) = db.session.scalars(select(ApiKey))
            revoke_key(db.session(), TESTER, key)
        return received(*arguments)

    monkeypatch.setattr(PhotoStore, "receive", revoked_meanwhile)
    answer = registry.post_form(f"{batch}/photos", {}, {str(item["id"]): [picture()]})
    assert answer.status_code == 401
    assert files() == []
    assert session.scalars(select(BatchItem.state)).all() == ["expected"]
