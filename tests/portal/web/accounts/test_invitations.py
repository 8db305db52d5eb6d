"""Invitations: a link that makes its addressee a member, once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from portal.accounts.members import memberships_of
from portal.accounts.models import Invitation, User
from portal.audit.models import AuditEvent
from portal.database import now, writing
from portal.extensions import db
from tests.visitor import PASSWORD, Visitor


def invite(admin: Visitor, email: str, role: str = "operator") -> str:
    """The path of the link that the members page shows."""
    answer = admin.post("/members/invitations", {"email": email, "role": role}, follow=True)
    assert answer.status_code == 200
    return urlsplit(admin.one("[data-copy-text]").get_text()).path


def roles_of(app: Flask, email: str) -> dict[str, str]:
    with app.app_context():
        user = db.session.scalar(select(User).where(User.email == email))
        assert user is not None
        return {mine.organization.name: str(mine.role) for mine in memberships_of(db.session, user)}


def accept(browser: Visitor, path: str, password: str = PASSWORD, again: str | None = None) -> TestResponse:
    return browser.post(path, {"password": password, "password_again": again or password})


def test_somebody_new_chooses_a_password_and_is_in(
    app: Flask, alice: Visitor, browser: Visitor, events: Callable[[str], list[AuditEvent]]
) -> None:
    path = invite(alice, "Noor@Clinic.local")
    page = browser.get(path).text
    assert "Join Alpha Clinic" in page
    assert "noor@clinic.local" in page
    assert accept(browser, path).location == "/"
    assert "Alpha Clinic" in browser.get("/account").text
    assert roles_of(app, "noor@clinic.local") == {"Alpha Clinic": "operator"}
    (event,) = events("member.invitation_accepted")
    assert (event.actor, event.address) == ("noor@clinic.local", browser.client.environ_base["REMOTE_ADDR"])
    assert event.organization_id == alice.organization.id


def test_the_link_is_shown_once_and_only_its_hash_is_stored(app: Flask, alice: Visitor) -> None:
    path = invite(alice, "noor@clinic.local")
    token = path.rsplit("/", 1)[1]
    assert token not in alice.get("/members").text
    with app.app_context():
        stored = db.session.scalar(select(Invitation.token_hash))
    assert stored is not None
    assert stored != token
    assert len(stored) == 64


def test_a_link_works_once(alice: Visitor, browser: Visitor, other_browser: Visitor) -> None:
    path = invite(alice, "noor@clinic.local")
    token = other_browser.token()
    accept(browser, path)
    late = other_browser.client.post(
        path, data={"csrf_token": token, "password": PASSWORD, "password_again": PASSWORD}
    )
    assert late.status_code == 404
    assert "not valid any more" in late.text
    assert other_browser.get(path).status_code == 404


def test_a_revoked_link_does_not_work(
    alice: Visitor, browser: Visitor, events: Callable[[str], list[AuditEvent]]
) -> None:
    path = invite(alice, "noor@clinic.local")
    action = str(alice.one("[data-invitation] form")["action"])
    assert alice.post(action, {}, follow=True).status_code == 200
    assert "The invitation for noor@clinic.local is revoked" in alice.page.get_text()
    assert browser.get(path).status_code == 404
    assert len(events("member.invitation_revoked")) == 1
    assert alice.post(action, {}).status_code == 404


def test_a_link_works_for_seven_days(app: Flask, alice: Visitor, browser: Visitor) -> None:
    path = invite(alice, "noor@clinic.local")
    for age, status in ((timedelta(days=6, hours=23), 200), (timedelta(days=7, seconds=1), 404)):
        with app.app_context(), writing(db.session) as session:
            session.execute(update(Invitation).values(expires_at=now() + timedelta(days=7) - age))
        assert browser.get(path).status_code == status
    assert alice.get("/members").text.count("noor@clinic.local") == 0


def test_a_new_invitation_replaces_the_one_before(alice: Visitor, browser: Visitor) -> None:
    first, second = invite(alice, "noor@clinic.local", "admin"), invite(alice, "noor@clinic.local", "viewer")
    assert browser.get(first).status_code == 404
    assert browser.get(second).status_code == 200
    alice.get("/members")
    assert len(alice.page.select("[data-invitation]")) == 1


def test_somebody_with_an_account_shows_its_password(
    app: Flask, alice: Visitor, maria: User, browser: Visitor
) -> None:
    path = invite(alice, maria.email, "viewer")
    assert "Choose a password" not in browser.get(path).text
    refused = browser.post(path, {"password": "another password typed"})
    assert refused.status_code == 422
    assert "This is not the password of your account." in refused.text
    assert browser.post(path, {"password": PASSWORD}).location == "/"
    assert roles_of(app, maria.email) == {"Alpha Clinic": "viewer", "Harbour Shelter": "operator"}
    # The one who joined is in the organization that they joined.
    browser.get("/account")
    assert browser.one(".organization__text").get_text() == "Alpha Clinic"


def test_somebody_signed_in_joins_by_a_click(
    app: Flask, alice: Visitor, maria: User, browser: Visitor
) -> None:
    path = invite(alice, maria.email, "viewer")
    browser.sign_in(maria.email, PASSWORD)
    assert browser.post(path, {}).location == "/"
    assert roles_of(app, maria.email)["Alpha Clinic"] == "viewer"


def test_an_invitation_is_for_its_address_only(
    app: Flask, alice: Visitor, maria: User, browser: Visitor
) -> None:
    path = invite(alice, "noor@clinic.local")
    browser.sign_in(maria.email, PASSWORD)
    answer = browser.get(path)
    assert answer.status_code == 403
    assert "This invitation is for noor@clinic.local" in answer.text
    assert browser.post(path, {"password": PASSWORD}).status_code == 403
    assert roles_of(app, maria.email) == {"Harbour Shelter": "operator"}


def test_guessing_a_password_at_an_invitation_has_to_wait(
    alice: Visitor, maria: User, browser: Visitor
) -> None:
    path = invite(alice, maria.email)
    for _ in range(10):
        assert browser.post(path, {"password": "another password typed"}).status_code == 422
    assert browser.post(path, {"password": PASSWORD}).status_code == 429


@pytest.mark.parametrize(
    ("password", "again", "message"),
    [("short", "short", "The password has 5 characters."), (PASSWORD, "else", "not the same")],
)
def test_a_weak_password_leaves_the_invitation_open(
    alice: Visitor, browser: Visitor, password: str, again: str, message: str
) -> None:
    path = invite(alice, "noor@clinic.local")
    answer = accept(browser, path, password, again)
    assert answer.status_code == 422
    assert message in answer.text
    assert accept(browser, path).status_code == 302


@pytest.mark.parametrize(
    ("email", "role", "message"),
    [
        ("not an address", "viewer", "This is not an email address."),
        ("", "viewer", "Enter the email address"),
        ("noor@clinic.local", "owner", "Not a valid choice"),
    ],
)
def test_a_mistake_in_an_invitation_is_told(alice: Visitor, email: str, role: str, message: str) -> None:
    assert alice.post("/members/invitations", {"email": email, "role": role}).status_code == 422
    assert message in alice.page.get_text()


def test_a_member_is_not_invited_again(alice: Visitor, vera: Visitor) -> None:
    answer = alice.post("/members/invitations", {"email": vera.user.email.upper(), "role": "admin"})
    assert answer.status_code == 422
    assert "is already a member" in alice.page.get_text()
