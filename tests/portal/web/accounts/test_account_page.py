"""The own account: organizations with roles, and another password."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from werkzeug.test import TestResponse

from portal.accounts.models import User
from portal.audit.models import AuditEvent
from tests.visitor import PASSWORD, Visitor

NEW = "nine loud geese over the mill"


def change(browser: Visitor, current: str, password: str, again: str | None = None) -> TestResponse:
    return browser.post(
        "/account", {"current": current, "password": password, "password_again": again or password}
    )


def test_it_says_where_one_is_a_member_and_what_one_may_do(browser: Visitor, maria: User) -> None:
    browser.sign_in(maria.email, PASSWORD)
    page = browser.get("/account").text
    assert "Harbour Shelter" in page
    assert "enrol, change and delete people" in page


def test_a_new_password_ends_the_sessions_elsewhere_but_not_this_one(
    browser: Visitor, other_browser: Visitor, maria: User, events: Callable[[str], list[AuditEvent]]
) -> None:
    browser.sign_in(maria.email, PASSWORD)
    other_browser.sign_in(maria.email, PASSWORD)
    answer = change(browser, PASSWORD, NEW)
    assert (answer.status_code, answer.location) == (302, "/account")
    assert "Your password is changed." in browser.get("/account").text
    assert other_browser.get("/account").location == "/login?next=/account"
    assert other_browser.sign_in(maria.email, PASSWORD).status_code == 401
    assert other_browser.sign_in(maria.email, NEW).status_code == 302
    (event,) = events("user.password_changed")
    assert (event.actor_id, event.details) == (maria.id, {})


@pytest.mark.parametrize(
    ("current", "password", "again", "message"),
    [
        ("some other password", NEW, NEW, "This is not your current password."),
        (PASSWORD, "too short", "too short", "The password has 9 characters."),
        (PASSWORD, PASSWORD, PASSWORD, "already your password"),
        (PASSWORD, NEW, "nine loud geese", "The two passwords are not the same."),
        (PASSWORD, "", "", "Enter a new password."),
    ],
)
def test_what_is_wrong_is_said_and_nothing_changes(
    browser: Visitor, maria: User, current: str, password: str, again: str, message: str
) -> None:
    browser.sign_in(maria.email, PASSWORD)
    answer = change(browser, current, password, again)
    assert answer.status_code == 422
    assert message in answer.text
    browser.post("/logout")
    assert browser.sign_in(maria.email, PASSWORD).status_code == 302


def test_guessing_the_present_password_has_to_wait_too(browser: Visitor, maria: User) -> None:
    browser.sign_in(maria.email, PASSWORD)
    for _ in range(10):
        assert change(browser, "some other password", NEW).status_code == 422
    assert change(browser, PASSWORD, NEW).status_code == 429
