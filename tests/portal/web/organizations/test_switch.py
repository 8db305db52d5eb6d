"""A user of several organizations sees one at a time, and no form crosses from one to another."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import delete

from portal.accounts.models import Membership, Role
from portal.accounts.services import create_user
from portal.audit.services import Actor
from portal.database import writing
from portal.extensions import db
from tests.visitor import PASSWORD, Visitor

COMMAND = Actor(None, "portal command")


@pytest.fixture
def bob_in_both(app: Flask, bob: Visitor, charlie: Visitor) -> Visitor:
    """Bob, operator at Alpha Clinic and admin at Charlie School."""
    with app.app_context():
        create_user(db.session, COMMAND, bob.user.email, PASSWORD, charlie.organization, Role.ADMIN)
    return bob


def organization_shown(visitor: Visitor) -> str:
    visitor.get("/account")
    return visitor.one(".organization__text").get_text()


def token_of(visitor: Visitor) -> str:
    return str(visitor.page.select("input[name=csrf_token]")[0]["value"])


def test_switching_changes_organization_and_role(bob_in_both: Visitor, charlie: Visitor) -> None:
    assert organization_shown(bob_in_both) == "Alpha Clinic"
    assert bob_in_both.get("/members").status_code == 403
    answer = bob_in_both.post("/organizations/switch", {"organization_id": charlie.organization.id})
    assert (answer.status_code, answer.location) == (302, "/")
    assert organization_shown(bob_in_both) == "Charlie School"
    assert bob_in_both.get("/members").status_code == 200


def test_a_form_left_open_under_the_old_organization_is_refused(
    app: Flask, bob_in_both: Visitor, charlie: Visitor
) -> None:
    bob_in_both.get("/account")
    token = token_of(bob_in_both)
    bob_in_both.post("/organizations/switch", {"organization_id": charlie.organization.id})
    stale = {"csrf_token": token, "name": "Renamed from the other tab", "retention_days": "5"}
    answer = bob_in_both.post("/settings", stale)
    assert answer.status_code == 400
    assert "switched to another organization" in answer.text
    bob_in_both.get("/settings")
    assert bob_in_both.one("input[name=name]")["value"] == "Charlie School"


def test_one_can_not_switch_to_where_one_is_no_member(alice: Visitor, charlie: Visitor) -> None:
    for value in (str(charlie.organization.id), "0", "", "x"):
        assert alice.post("/organizations/switch", {"organization_id": value}).status_code == 404
    assert organization_shown(alice) == "Alpha Clinic"


def test_switching_is_written_down_where_one_goes(bob_in_both: Visitor, charlie: Visitor) -> None:
    bob_in_both.post("/organizations/switch", {"organization_id": charlie.organization.id})
    charlie.get("/audit?action=session.organization_switched")
    (line,) = charlie.page.select("[data-event]")
    assert bob_in_both.user.email in line.get_text()


def leave_alpha(app: Flask, visitor: Visitor) -> None:
    with app.app_context(), writing(db.session) as session:
        session.execute(
            delete(Membership).where(
                Membership.user_id == visitor.user.id,
                Membership.organization_id == visitor.organization.id,
            )
        )


def test_who_is_removed_goes_on_in_the_next_organization_and_is_told(
    app: Flask, bob_in_both: Visitor
) -> None:
    assert organization_shown(bob_in_both) == "Alpha Clinic"
    leave_alpha(app, bob_in_both)
    assert "You are now in Charlie School." in bob_in_both.get("/").text
    assert "You are now in Charlie School." not in bob_in_both.get("/").text


def test_a_form_of_the_organization_that_one_was_removed_from_is_refused(
    app: Flask, bob_in_both: Visitor, charlie: Visitor
) -> None:
    bob_in_both.get("/account")
    token = token_of(bob_in_both)
    leave_alpha(app, bob_in_both)
    # The membership at Charlie School would let this through, but it was typed at Alpha Clinic.
    stale = {"csrf_token": token, "name": "Renamed by mistake", "retention_days": "5"}
    assert bob_in_both.post("/settings", stale).status_code == 400
    charlie.get("/settings")
    assert charlie.one("input[name=name]")["value"] == "Charlie School"
