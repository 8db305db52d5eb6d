"""The page of API keys."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from portal.audit.models import AuditEvent
from tests.visitor import Visitor

Events = Callable[[str], list[AuditEvent]]


def create(visitor: Visitor, **fields: object) -> str:
    """Create a key with the form; returns what the page says then."""
    usual = {"name": "Case system", "scopes": ["read", "enrol"]}
    visitor.post("/settings/keys", {**usual, **fields}, follow=True)
    return visitor.text


def test_a_new_key_is_shown_once(alice: Visitor) -> None:
    assert "The key Case system is ready." in create(alice, expires_days="90")
    token = alice.one("[data-copy-text]").get_text()
    # Who reads the browser's cookies later does not find it.
    with alice.client.session_transaction() as kept:
        assert token not in str(dict(kept))
    assert token.startswith("fpk_")
    alice.get("/settings/keys")
    assert token not in alice.text
    row = alice.one("[data-key]").get_text(" ")
    assert alice.one("[data-key]")["data-key"] == "Case system"
    assert "read, enrol" in row
    assert f"{token[:8]}…" in row


def test_what_is_wrong_is_told_at_its_field(alice: Visitor) -> None:
    for fields, words in (
        ({"name": ""}, "Enter a name for the key."),
        ({"name": "x" * 61}, "The name has 61 characters; 60 are allowed."),
        ({"scopes": []}, "Choose what the key may do."),
        ({"expires_days": "0"}, "Enter a number of days, 1 to 3650"),
        ({"scopes": ["everything"]}, "not a valid choice"),
    ):
        assert words in create(alice, **fields), fields
    assert not alice.page.select("[data-key]")


def test_a_revoked_key_is_gone_from_the_page_and_stays_in_the_audit(alice: Visitor, events: Events) -> None:
    create(alice)
    action = str(alice.one("[data-key] form")["action"])
    alice.post(action, follow=True)
    assert "The key Case system is revoked" in alice.text
    assert not alice.page.select("[data-key]")
    assert [event.details["name"] for event in events("key.created") + events("key.revoked")] == [
        "Case system",
        "Case system",
    ]
    alice.get("/audit")
    assert "Revoked the API key Case system" in alice.text
    assert "which may read and enrol" in alice.text


@pytest.mark.parametrize("who", ["bob", "vera", "charlie"])
def test_only_admins_of_the_organization_see_and_revoke_its_keys(
    who: str, alice: Visitor, request: pytest.FixtureRequest
) -> None:
    create(alice)
    action = str(alice.one("[data-key] form")["action"])
    other: Visitor = request.getfixturevalue(who)
    assert other.post(action).status_code == (404 if who == "charlie" else 403)
    other.get("/settings/keys")
    assert "Case system" not in other.text
    alice.get("/settings/keys")
    assert alice.page.select("[data-key]")
