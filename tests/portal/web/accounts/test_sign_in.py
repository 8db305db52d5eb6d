"""Signing in and out: who gets in, what the session is, and when the page says to wait."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import delete

from portal.accounts.models import User
from portal.audit.models import AuditEvent
from portal.database import writing
from portal.extensions import db
from tests.visitor import PASSWORD, Visitor


def signed_in(browser: Visitor) -> bool:
    return browser.get("/account").status_code == 200


def test_email_and_password_open_the_dashboard(browser: Visitor, maria: User) -> None:
    answer = browser.sign_in(" Maria@Harbour.EXAMPLE ", PASSWORD)
    assert (answer.status_code, answer.location) == (302, "/")
    assert "maria@harbour.example" in browser.get("/account").text


def test_a_wrong_password_and_an_unknown_email_look_alike(browser: Visitor, maria: User) -> None:
    wrong = browser.sign_in(maria.email, "not the password at all")
    unknown = browser.sign_in("nobody@harbour.example", "not the password at all")
    for answer in (wrong, unknown):
        assert answer.status_code == 401
        assert "The email address or the password is not right." in answer.text
        assert "not the password at all" not in answer.text
    assert not signed_in(browser)


def test_signing_in_is_written_down_and_so_is_a_refusal(
    browser: Visitor, maria: User, events: Callable[[str], list[AuditEvent]]
) -> None:
    browser.sign_in(maria.email, "a wrong password typed")
    browser.sign_in("stranger@harbour.example", "a wrong password typed")
    browser.sign_in(maria.email, PASSWORD)
    known, unknown = events("session.sign_in_refused")
    (entered,) = events("session.signed_in")
    # Her organization sees the attempt on her account; one on no account belongs to none.
    assert known.organization_id == entered.organization_id
    assert (known.actor_id, known.subject_id, known.details) == (None, maria.id, {"email": maria.email})
    assert unknown.organization_id is None
    assert unknown.details == {"email": "stranger@harbour.example"}
    assert (entered.actor, entered.address) == (maria.email, browser.client.environ_base["REMOTE_ADDR"])


def test_empty_fields_are_told_apart(browser: Visitor, maria: User) -> None:
    answer = browser.sign_in("", "")
    assert answer.status_code == 422
    assert "Enter your email address." in answer.text
    assert "Enter your password." in answer.text


def test_the_session_cookie_is_kept_from_scripts_and_other_sites(browser: Visitor, maria: User) -> None:
    cookie = browser.sign_in(maria.email, PASSWORD).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Expires=" in cookie
    assert "Secure" not in cookie  # plain http://127.0.0.1 works as well


def test_a_session_is_prolonged_now_and_then_not_with_every_answer(browser: Visitor, maria: User) -> None:
    browser.sign_in(maria.email, PASSWORD)
    browser.get("/account")
    assert "Set-Cookie" not in browser.get("/account").headers
    with browser.client.session_transaction() as session:
        session["renewed_at"] -= 601
    assert "Expires=" in browser.get("/account").headers["Set-Cookie"]


def test_over_https_the_session_cookie_stays_on_https(app: Flask, maria: User) -> None:
    answer = app.test_client().get("/login", base_url="https://portal.example")
    assert "Secure" in answer.headers["Set-Cookie"]


def test_a_form_from_before_signing_in_is_refused_after_it(browser: Visitor, maria: User) -> None:
    token = browser.token()
    browser.sign_in(maria.email, PASSWORD)
    assert browser.client.post("/logout", data={"csrf_token": token}).status_code == 400
    assert signed_in(browser)


def test_a_form_without_a_token_is_refused(browser: Visitor, maria: User) -> None:
    answer = browser.client.post("/login", data={"email": maria.email, "password": PASSWORD})
    assert answer.status_code == 400
    assert not signed_in(browser)


def test_signing_out_ends_the_session(
    browser: Visitor, maria: User, events: Callable[[str], list[AuditEvent]]
) -> None:
    browser.sign_in(maria.email, PASSWORD)
    answer = browser.post("/logout")
    assert (answer.status_code, answer.location) == (302, "/login")
    assert not signed_in(browser)
    assert [event.actor for event in events("session.signed_out")] == [maria.email]


@pytest.mark.parametrize(
    ("asked", "reached"),
    [
        ("/account", "/account"),
        ("/people%3Fquery=ada%2520l", "/people?query=ada%20l"),
        ("https://elsewhere.example/", "/"),
        ("//elsewhere.example/", "/"),
        ("/%5Celsewhere.example/", "/"),
        ("/%09/elsewhere.example/", "/"),
        ("%20//elsewhere.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("account", "/"),
    ],
)
def test_signing_in_leads_to_pages_of_the_portal_only(
    browser: Visitor, maria: User, asked: str, reached: str
) -> None:
    answer = browser.post(f"/login?next={asked}", {"email": maria.email, "password": PASSWORD})
    assert answer.location == reached


def test_a_visitor_is_asked_to_sign_in_and_comes_back(browser: Visitor, maria: User) -> None:
    sent = browser.get("/account?from=mail")
    assert (sent.status_code, sent.location) == (302, "/login?next=/account?from%3Dmail")
    entered = browser.post(sent.location, {"email": maria.email, "password": PASSWORD})
    assert entered.location == "/account?from=mail"


def test_a_poll_without_a_session_sends_the_whole_page_to_sign_in(browser: Visitor, maria: User) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://localhost/account?a=1"}
    answer = browser.get("/account", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == "/login?next=/account?a%3D1"
    assert answer.text == ""


def test_after_ten_failures_an_account_has_to_wait_at_that_address(
    browser: Visitor, other_browser: Visitor, maria: User
) -> None:
    for _ in range(10):
        assert browser.sign_in(maria.email, "a wrong password typed").status_code == 401
    assert browser.sign_in(maria.email, PASSWORD).status_code == 429
    assert browser.sign_in(maria.email.upper(), PASSWORD).status_code == 429
    # Nobody can lock her out from elsewhere.
    assert other_browser.sign_in(maria.email, PASSWORD).status_code == 302


def test_after_thirty_failures_an_address_has_to_wait(browser: Visitor, maria: User) -> None:
    for number in range(30):
        assert browser.sign_in(f"guess{number}@harbour.example", "a wrong password").status_code == 401
    answer = browser.sign_in(maria.email, PASSWORD)
    assert answer.status_code == 429
    assert "Too many attempts" in answer.text


def test_only_failures_count(browser: Visitor, maria: User) -> None:
    for _ in range(12):
        assert browser.sign_in(maria.email, PASSWORD).status_code == 302
        browser.post("/logout")


@pytest.mark.usefixtures("usual_passwords")
def test_an_outdated_hash_is_renewed_by_signing_in(app: Flask, browser: Visitor, maria: User) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=1024).hash(PASSWORD)
    with app.app_context(), writing(db.session) as session:
        session.get_one(User, maria.id).password_hash = weak
    assert browser.sign_in(maria.email, PASSWORD).status_code == 302
    with app.app_context():
        renewed = db.session.get_one(User, maria.id).password_hash
    assert renewed != weak
    assert "m=65536,t=3" in renewed
    browser.post("/logout")
    assert browser.sign_in(maria.email, PASSWORD).status_code == 302


def test_the_session_of_a_user_who_is_gone_is_nobodys(app: Flask, browser: Visitor, maria: User) -> None:
    browser.sign_in(maria.email, PASSWORD)
    with app.app_context(), writing(db.session) as session:
        session.execute(delete(User).where(User.id == maria.id))
    assert browser.get("/account").status_code == 302
