"""Answers as the portal gives them."""

from __future__ import annotations

from typing import Any

from tests.run.scripted_server import Reply

MOMENT = "2026-11-28T17:00:00Z"
PERSON: dict[str, Any] = {
    "id": 7,
    "external_id": "A-7",
    "name": "Anna Berg",
    "created_at": MOMENT,
    "updated_at": MOMENT,
    "merged_into_id": None,
    "photos": [],
}
IN_LIST = {name: value for name, value in PERSON.items() if name != "photos"}
FOUND = Reply(200, PERSON)


def problem(status: int, detail: str = "No.", **more: Any) -> Reply:
    """A refusal."""
    content = {"type": "about:blank", "title": "Refused", "status": status, "detail": detail}
    return Reply(status, content | more, {"Content-Type": "application/problem+json"})
