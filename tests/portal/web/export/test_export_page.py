"""The page from which an admin takes everything out."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

from portal.audit.models import AuditEvent
from portal.people.models import Person
from tests.portal.conftest import Enrolled
from tests.visitor import Visitor

Events = Callable[[str], list[AuditEvent]]


def test_shows_what_is_in_it_and_gives_it(
    alice: Visitor, anna: Person, enrolled: Enrolled, events: Events
) -> None:
    enrolled("Ben")
    assert alice.get("/settings/export").status_code == 200
    assert "2, with those who were merged" in alice.text
    assert "3, as they were added" in alice.text
    response = alice.post("/settings/export")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/zip"
    assert response.headers["Content-Disposition"].startswith('attachment; filename="alpha-clinic-20')
    with zipfile.ZipFile(io.BytesIO(response.data)) as archive:
        assert archive.testzip() is None
        assert archive.read("people.jsonl").count(b"\n") == 2
    (event,) = events("organization.exported")
    assert event.actor == "alice@clinic.example"


def test_is_streamed_and_leaves_nothing_open(
    alice: Visitor, enrolled: Enrolled, files: Callable[[], list[Path]]
) -> None:
    enrolled("Ben")
    before = files()
    held = alice.client.application.extensions["places"]
    response = alice.client.post("/settings/export", data={"csrf_token": alice.token()}, buffered=False)
    assert response.is_streamed
    first = next(iter(response.response))
    assert isinstance(first, bytes)
    assert len(held) == 1  # of those who read slowly there are only so many
    response.close()  # the browser went away
    assert (files(), len(held)) == (before, 0)


def test_page_is_for_admins(bob: Visitor, vera: Visitor) -> None:
    for visitor in (bob, vera):
        assert visitor.get("/settings/export").status_code == 403
        assert visitor.post("/settings/export").status_code == 403


def test_settings_lead_there(alice: Visitor) -> None:
    alice.get("/settings")
    assert alice.link('a[href="/settings/export"]') == "/settings/export"
