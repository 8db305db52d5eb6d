"""The members page: roles, removals, and the admin who can't be the last to go."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.accounts.members import MemberError, find_member, remove_member
from portal.accounts.models import Membership, Role
from portal.accounts.services import create_user
from portal.audit.models import AuditEvent
from portal.audit.services import Actor
from portal.extensions import db
from tests.visitor import PASSWORD, Visitor


def membership_id(app: Flask, visitor: Visitor) -> int:
    with app.app_context():
        found = db.session.scalar(
            select(Membership.id).where(
                Membership.user_id == visitor.user.id,
                Membership.organization_id == visitor.organization.id,
            )
        )
    assert found is not None
    return found


def role_of(app: Flask, visitor: Visitor) -> str | None:
    with app.app_context():
        role = db.session.scalar(
            select(Membership.role).where(
                Membership.user_id == visitor.user.id,
                Membership.organization_id == visitor.organization.id,
            )
        )
    return None if role is None else str(role)


def test_the_page_lists_the_organizations_own_members_and_what_roles_may_do(
    alice: Visitor, bob: Visitor, vera: Visitor, charlie: Visitor
) -> None:
    alice.get("/members")
    listed = [row["data-member"] for row in alice.page.select("[data-member]")]
    assert listed == sorted(visitor.user.email for visitor in (alice, bob, vera))
    assert "enrol, change and delete people" in alice.page.get_text()


def test_another_role_holds_from_the_next_page_on(
    app: Flask, alice: Visitor, vera: Visitor, events: Callable[[str], list[AuditEvent]]
) -> None:
    assert vera.get("/members").status_code == 403
    alice.post(f"/members/{membership_id(app, vera)}/role", {"role": "admin"}, follow=True)
    assert f"{vera.user.email} is now an admin" in alice.page.get_text()
    assert vera.get("/members").status_code == 200
    (event,) = events("member.role_changed")
    assert event.details["role"] == ["viewer", "admin"]


def test_the_same_role_again_is_no_event(
    app: Flask, alice: Visitor, vera: Visitor, events: Callable[[str], list[AuditEvent]]
) -> None:
    assert alice.post(f"/members/{membership_id(app, vera)}/role", {"role": "viewer"}).status_code == 302
    assert events("member.role_changed") == []


def test_a_role_that_does_not_exist_is_refused(app: Flask, alice: Visitor, vera: Visitor) -> None:
    assert alice.post(f"/members/{membership_id(app, vera)}/role", {"role": "owner"}).status_code == 400
    assert role_of(app, vera) == "viewer"


def test_who_is_removed_is_out_at_once(
    app: Flask, alice: Visitor, bob: Visitor, events: Callable[[str], list[AuditEvent]]
) -> None:
    assert bob.get("/").status_code == 200
    alice.post(f"/members/{membership_id(app, bob)}/remove", {}, follow=True)
    assert f"{bob.user.email} is no longer a member" in alice.page.get_text()
    assert bob.get("/").status_code == 403
    assert "not a member of any organization" in bob.get("/account").text
    (event,) = events("member.removed")
    assert (event.subject_id, event.details["email"]) == (bob.user.id, bob.user.email)


def test_the_last_admin_stays_an_admin(app: Flask, alice: Visitor, bob: Visitor) -> None:
    mine = membership_id(app, alice)
    alice.post(f"/members/{mine}/role", {"role": "viewer"}, follow=True)
    assert "The last admin can't be given another role." in alice.page.get_text()
    alice.post(f"/members/{mine}/remove", {}, follow=True)
    assert "The last admin can't be removed." in alice.page.get_text()
    assert role_of(app, alice) == "admin"


def test_an_admin_may_leave_where_another_one_is(app: Flask, alice: Visitor, vera: Visitor) -> None:
    alice.post(f"/members/{membership_id(app, vera)}/role", {"role": "admin"})
    answer = alice.post(f"/members/{membership_id(app, alice)}/remove", {}, follow=True)
    assert answer.status_code == 200
    assert "You are no longer a member" in alice.page.get_text()
    assert role_of(app, alice) is None


def test_two_admins_who_remove_each_other_leave_one(app: Flask, alice: Visitor) -> None:
    with app.app_context():
        create_user(
            db.session,
            Actor(None, "portal command"),
            "dora@alpha.example",
            PASSWORD,
            alice.organization,
            Role.ADMIN,
        )
        both = db.session.scalars(
            select(Membership.id).where(Membership.organization_id == alice.organization.id)
        ).all()
    ready, refused = threading.Barrier(2), []

    def remove(identifier: int) -> None:
        with app.app_context():
            member = find_member(db.session, alice.organization, identifier)
            assert member is not None
            ready.wait()
            try:
                remove_member(db.session, alice.organization, Actor(None, "test"), member)
            except MemberError as error:
                refused.append(str(error))

    threads = [threading.Thread(target=remove, args=[identifier]) for identifier in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(both) == 2
    assert refused == ["The last admin can't be removed. Make someone else an admin first."]


def test_the_open_invitations_of_an_admin_go_with_the_role(
    app: Flask, alice: Visitor, vera: Visitor, client: FlaskClient
) -> None:
    alice.post(f"/members/{membership_id(app, vera)}/role", {"role": "admin"})
    vera.post("/members/invitations", {"email": "back@door.example", "role": "admin"}, follow=True)
    link = vera.one("[data-copy-text]").get_text()
    alice.post(f"/members/{membership_id(app, vera)}/remove", {})
    assert client.get(link).status_code == 404


@pytest.mark.parametrize("act", ["role", "remove"])
def test_members_of_another_organization_are_not_there(
    app: Flask, alice: Visitor, charlie: Visitor, bob: Visitor, act: str
) -> None:
    url = f"/members/{membership_id(app, bob)}/{act}"
    assert charlie.post(url, {"role": "admin"}).status_code == 404
    assert role_of(app, bob) == "operator"


def test_invitations_of_another_organization_are_not_there(alice: Visitor, charlie: Visitor) -> None:
    alice.post("/members/invitations", {"email": "noor@clinic.local", "role": "viewer"}, follow=True)
    action = str(alice.one("[data-invitation] form")["action"])
    assert charlie.post(action, {}).status_code == 404
    assert "noor@clinic.local" not in charlie.get("/members").text


@pytest.mark.parametrize("act", ["role", "remove", "invite", "revoke", "page"])
def test_only_admins_manage_members(
    app: Flask, alice: Visitor, bob: Visitor, vera: Visitor, act: str
) -> None:
    alice.post("/members/invitations", {"email": "noor@clinic.local", "role": "viewer"}, follow=True)
    revoke = str(alice.one("[data-invitation] form")["action"])
    for visitor in (bob, vera):
        mine = membership_id(app, visitor)
        if act == "page":
            assert visitor.get("/members").status_code == 403
            continue
        url = {"invite": "/members/invitations", "revoke": revoke}.get(act, f"/members/{mine}/{act}")
        assert visitor.post(url, {"role": "admin", "email": "friend@example.org"}).status_code == 403
        assert role_of(app, visitor) in {"operator", "viewer"}
    alice.get("/members")
    assert [row["data-invitation"] for row in alice.page.select("[data-invitation]")] == ["noor@clinic.local"]
