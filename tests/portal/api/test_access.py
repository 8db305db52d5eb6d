"""Who may use the API: every route is tried without a key, with too little, and by an outsider."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal.accounts.models import Membership
from portal.api.contract import spec
from portal.api.examinations import views
from portal.batches.models import ItemState
from portal.batches.receiving_archives import begin_archive
from portal.extensions import db
from portal.http.access import DECLARATION, PUBLIC
from portal.keys.models import ApiKey, Scope
from portal.keys.services import revoke_key
from portal.keys.tokens import new_token
from portal.organizations.models import Organization
from portal.pairs.scans import start_scan
from portal.people.models import Person
from tests.make.batches import add_batch
from tests.make.pairs import add_pair
from tests.make.people import TESTER, add_person, add_photo
from tests.make.photos import picture
from tests.make.searches import add_search
from tests.program import API, Program, program
from tests.visitor import Visitor


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    scope: Scope
    # Of an organization whose rows others must not reach.
    has_row: bool = True
    json: Any = None
    files: str | tuple[str, ...] = ()
    # What a key that may do it gets, where that is not an answer of success.
    status: int | None = None


OPERATIONS = [
    Operation("GET", "/people", Scope.READ, has_row=False),
    Operation("POST", "/people", Scope.ENROL, has_row=False, files="photos"),
    Operation("GET", "/people/{person_id}", Scope.READ),
    Operation("PATCH", "/people/{person_id}", Scope.ENROL, json={"name": "Other"}),
    Operation("DELETE", "/people/{person_id}", Scope.ENROL),
    Operation("POST", "/people/{person_id}/photos", Scope.ENROL, files="photos"),
    Operation("GET", "/photos/{photo_id}", Scope.READ),
    Operation("DELETE", "/photos/{photo_id}", Scope.ENROL),
    Operation("GET", "/photos/{photo_id}/content", Scope.READ),
    Operation("PUT", "/photos/{photo_id}/main-face", Scope.ENROL, json={"face_id": 1}),
    Operation("POST", "/searches", Scope.READ, has_row=False, files="image"),
    Operation("POST", "/searches/batch", Scope.READ, has_row=False, files="images"),
    Operation("GET", "/searches/{search_id}", Scope.READ),
    # Nobody works in these tests.
    Operation("POST", "/detections", Scope.READ, has_row=False, files="image", status=503),
    Operation("POST", "/comparisons", Scope.READ, has_row=False, files=("image_a", "image_b"), status=503),
    Operation("POST", "/people/{person_id}/verifications", Scope.READ, files="image", status=503),
    Operation("GET", "/batches", Scope.ENROL, has_row=False),
    Operation("POST", "/batches", Scope.ENROL, has_row=False, json={"source": "registry"}),
    Operation("GET", "/batches/{batch_id}", Scope.ENROL),
    Operation("GET", "/batches/{batch_id}/items?state=expected", Scope.ENROL),
    Operation("POST", "/batches/{batch_id}/manifest", Scope.ENROL, files="manifest", status=422),
    Operation(
        "POST",
        "/batches/{batch_id}/files",
        Scope.ENROL,
        json={"files": [{"path": "a/1.jpg", "size_bytes": 3}]},
    ),
    Operation("POST", "/batches/{batch_id}/announced", Scope.ENROL),
    Operation("POST", "/batches/{batch_id}/photos", Scope.ENROL, files="1"),
    Operation(
        "POST",
        "/batches/{batch_id}/archives",
        Scope.ENROL,
        json={"file_name": "a.zip", "size_bytes": 9},
    ),
    Operation(
        "POST", "/batches/{batch_id}/archives/{archive_id}?offset=0", Scope.ENROL, files="piece", status=422
    ),
    Operation("POST", "/batches/{batch_id}/decision", Scope.ENROL, json={"decision": "pause"}),
    Operation("GET", "/duplicates", Scope.READ, has_row=False),
    Operation("GET", "/duplicates/{pair_id}", Scope.READ),
    Operation("POST", "/duplicates/{pair_id}/decision", Scope.DECIDE, json={"decision": "distinct"}),
    Operation("GET", "/duplicate-scans", Scope.READ, has_row=False),
    Operation("POST", "/duplicate-scans", Scope.DECIDE, has_row=False, status=409),
    Operation("GET", "/duplicate-scans/{scan_id}", Scope.READ),
    Operation("POST", "/duplicate-scans/{scan_id}/cancel", Scope.DECIDE),
    Operation("GET", "/statistics", Scope.READ, has_row=False),
    Operation("GET", "/scores", Scope.READ, has_row=False),
]
every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one.method} {one.path}")


class Unread(io.RawIOBase):
    """A body that nobody may read."""

    place = 0

    def readinto(self, _: object) -> int:
        raise AssertionError("the body was read")

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.place = offset if whence == io.SEEK_SET else 1000
        return self.place

    def tell(self) -> int:
        return self.place


@pytest.fixture
def numbers(session: Session, clinic: Organization) -> dict[str, int]:
    """The numbers of rows of the clinic."""
    photo = add_photo(session, add_person(session, clinic, "P-SECRET", "Paula Secret"))
    search = add_search(session, clinic, candidates=(photo,))
    other = add_photo(session, add_person(session, clinic, "Q-SECRET", "Quentin Secret"))
    batch = add_batch(session, clinic, {"path": "secret/1.jpg", "state": ItemState.EXPECTED})
    return {
        "person_id": photo.person_id,
        "photo_id": photo.id,
        "search_id": search.id,
        "pair_id": add_pair(session, photo, other).id,
        "batch_id": batch.id,
        "archive_id": begin_archive(session, batch, "secret.zip", 5).id,
        "scan_id": start_scan(session, clinic, TESTER).id,
    }


@pytest.fixture(autouse=True)
def _nobody_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """So what waits for a worker is not waited for."""
    monkeypatch.setattr(views, "ANSWERED_WITHIN_S", 0)


def send(who: Program, operation: Operation, numbers: dict[str, int]) -> Any:
    path = operation.path.format(**numbers)
    if operation.files:
        fields = {"external_id": "N1", "name": "New"} if path == "/people" else {}
        names = (operation.files,) if isinstance(operation.files, str) else operation.files
        return who.post_form(path, fields, {name: [picture(3)] for name in names})
    return who.send(operation.method, path, json=operation.json)


def test_every_operation_is_in_the_table_and_needs_the_scope_that_it_declares(app: Flask) -> None:
    with app.app_context():
        contract = {
            (method.upper(), path.removeprefix(API))
            for path, methods in spec.spec["paths"].items()
            for method in methods
        }
    table = {(operation.method, operation.path.partition("?")[0]) for operation in OPERATIONS}
    assert table == contract
    declared = {
        rule.endpoint: getattr(app.view_functions[rule.endpoint], DECLARATION)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/")
    }
    public = {endpoint for endpoint, scope in declared.items() if scope == PUBLIC}
    assert public == {"api_document.openapi", "api_document.docs"}
    assert all(isinstance(declared[endpoint], Scope) for endpoint in declared.keys() - public)


@every_operation
def test_without_a_key_nothing_is_done_and_the_body_is_not_read(
    operation: Operation, app: Flask, session: Session, registry: Program, numbers: dict[str, int]
) -> None:
    key = session.scalars(select(ApiKey)).one()
    revoke_key(session, TESTER, key)
    path = operation.path.format(**numbers)
    for who in (registry, Program(app, None), Program(app, "nonsense"), Program(app, new_token())):
        answer = who.send(
            operation.method,
            path,
            input_stream=Unread(),
            content_type="multipart/form-data; boundary=x",
        )
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.content_type == "application/problem+json"


@every_operation
def test_a_key_without_the_scope_does_nothing_and_one_with_it_does(
    operation: Operation, app: Flask, clinic: Organization, numbers: dict[str, int]
) -> None:
    for scope in set(Scope) - {operation.scope, Scope.ADMIN}:
        answer = send(program(app, clinic, scope, name=scope), operation, numbers)
        assert answer.status_code == 403
        assert f"needs the scope {operation.scope}" in answer.get_json()["detail"]
    answer = send(program(app, clinic, operation.scope, name="right"), operation, numbers)
    wanted = {200, 201, 202, 204} if operation.status is None else {operation.status}
    assert answer.status_code in wanted, answer.text


@every_operation
def test_an_outsider_reaches_nothing(
    operation: Operation, app: Flask, outsider: Program, registry: Program, numbers: dict[str, int]
) -> None:
    before = registry.get(f"/people/{numbers['person_id']}").get_json()
    answer = send(outsider, operation, numbers)
    if operation.has_row:
        assert answer.status_code == 404
    assert "SECRET" not in answer.text.upper()
    assert registry.get(f"/people/{numbers['person_id']}").get_json() == before


def test_a_key_that_is_revoked_while_a_photo_comes_does_nothing(
    app: Flask, session: Session, registry: Program, files: Callable[[], list[Path]]
) -> None:
    key = session.scalars(select(ApiKey)).one()

    class Revoking(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            with app.app_context():
                revoke_key(db.session(), TESTER, db.session.get_one(ApiKey, key.id))
            return super().read(size)

    head = b'--x\r\nContent-Disposition: form-data; name="'
    body = head + b'external_id"\r\n\r\nA1\r\n' + head + b'name"\r\n\r\nAnna\r\n'
    body += head + b'photos"; filename="0.jpg"\r\n\r\n' + picture(1) + b"\r\n--x--\r\n"
    answer = registry.send(
        "POST", "/people", input_stream=Revoking(body), content_type="multipart/form-data; boundary=x"
    )
    assert answer.status_code == 401
    assert (len(session.scalars(select(Person)).all()), files()) == (0, [])


def test_a_session_of_a_member_opens_nothing(app: Flask, alice: Any) -> None:
    answer = alice.get("/api/v1/people")
    assert (answer.status_code, answer.headers.getlist("Set-Cookie")) == (401, [])


def test_whose_session_has_no_organization_any_more_is_no_matter_here(
    alice: Visitor, clinic: Organization, session: Session, registry: Program
) -> None:
    session.execute(delete(Membership).where(Membership.organization_id == clinic.id))
    session.commit()
    answer = alice.client.post("/api/v1/people", headers=registry.headers)
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
