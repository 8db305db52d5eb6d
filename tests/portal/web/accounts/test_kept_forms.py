"""A form whose session has ended goes on when its member signs in again, and with nobody else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, update

from portal.accounts.models import Membership, Role, User
from portal.database import writing
from portal.extensions import db
from portal.people.models import Person
from tests.databases import on_both_databases
from tests.make.people import add_person
from tests.make.photos import picture
from tests.visitor import PASSWORD, Visitor, file

TYPED = {"name": "Anne Typed", "external_id": "T-7"}
NEW = "/people/new"


def lose_session(visitor: Visitor) -> None:
    """What becomes of a session after its time, or by signing out in another tab."""
    visitor.client.delete_cookie(visitor.app.config["SESSION_COOKIE_NAME"])


def opened(visitor: Visitor, address: str = NEW) -> dict[str, str]:
    """The hidden fields of a form that is opened, its token among them."""
    visitor.get(address)
    boxes = visitor.page.select("main form[method=post] input[type=hidden]")
    return {str(box["name"]): str(box.get("value", "")) for box in boxes}


def send(visitor: Visitor, address: str, fields: dict[str, Any]) -> int:
    """Send a form as it is, with the token that it has."""
    return visitor.post(address, fields).status_code


def hidden(visitor: Visitor, form: str) -> dict[str, str]:
    return {
        str(box["name"]): str(box.get("value", "")) for box in visitor.one(form).select("input[type=hidden]")
    }


def sign_in_here(visitor: Visitor, email: str, password: str = PASSWORD) -> int:
    return send(
        visitor, "/login", {**hidden(visitor, "[data-sign-in]"), "email": email, "password": password}
    )


def names(app: Flask) -> list[str]:
    with app.app_context():
        return list(db.session.scalars(db.select(Person.name).order_by(Person.id)))


@on_both_databases
def test_what_was_typed_goes_on_after_signing_in(app: Flask, bob: Visitor) -> None:
    with app.app_context():
        address = f"/people/{add_person(db.session(), bob.organization, 'A1', 'Anna').id}/edit"
    form = opened(bob, address)
    lose_session(bob)
    assert send(bob, address, {**form, **TYPED}) == 400
    assert names(app) == ["Anna"]
    assert sign_in_here(bob, "bob@clinic.example", "wrong") == 401
    assert sign_in_here(bob, "bob@clinic.example") == 200
    assert "Anne Typed" in bob.text
    assert bob.one("[data-go-on]")["action"] == address
    assert send(bob, address, hidden(bob, "[data-go-on]")) == 302
    assert names(app) == ["Anne Typed"]


def test_photos_too_large_for_a_stranger_leave_the_text(
    app: Flask, bob: Visitor, files: Callable[[], list[Path]]
) -> None:
    form = opened(bob)
    lose_session(bob)
    large = picture(1) + b"\0" * 600_000
    assert send(bob, NEW, {**form, **TYPED, "photos": [file(large), file(large)]}) == 400
    assert sign_in_here(bob, "bob@clinic.example") == 200
    assert "Anne Typed" in bob.text
    assert "choose them again" in bob.text
    assert files() == []
    assert names(app) == []
    assert send(bob, NEW, hidden(bob, "[data-go-on]")) == 422
    assert bob.one("input[name=name]")["value"] == "Anne Typed"


def test_a_member_who_is_back_sends_the_form_as_it_is(app: Flask, bob: Visitor) -> None:
    form = opened(bob)
    bob.post("/logout")
    bob.sign_in("bob@clinic.example")
    assert send(bob, NEW, {**form, **TYPED, "photos": [file(picture(1))]}) == 302
    assert names(app) == ["Anne Typed"]


def test_whoever_else_signs_in_sees_nothing_of_it(
    app: Flask, bob: Visitor, alice: Visitor, charlie: Visitor
) -> None:
    for email in ("alice@clinic.example", "charlie@school.example"):
        browser = Visitor(app)
        browser.sign_in("bob@clinic.example")
        form = opened(browser)
        lose_session(browser)
        assert send(browser, NEW, {**form, **TYPED}) == 400
        assert sign_in_here(browser, email) == 302
        for page in ("/", NEW):
            browser.get(page)
            assert "Anne Typed" not in str(browser.page)
        # Nor does the form itself go through.
        assert send(browser, NEW, {**form, **TYPED, "photos": [file(picture(1))]}) == 400
        assert "Anne Typed" not in str(browser.page)
    assert names(app) == []


def test_only_what_the_portal_signed_is_kept(app: Flask, bob: Visitor) -> None:
    form = opened(bob)
    browser = Visitor(app)
    anonymous = browser.token()
    lose_session(browser)
    for token in ("", "x", anonymous, form["csrf_token"] + "x", f"x{form['csrf_token']}"):
        assert send(browser, NEW, {**TYPED, "csrf_token": token}) == 400
        assert "Anne Typed" not in str(browser.page)
        assert not browser.page.select("[data-sign-in]")


@pytest.mark.parametrize(
    "action",
    [
        *("https://evil.example/", "//evil.example/people/new", "/\\evil.example", "people/new", ""),
        *("javascript:alert(1)", "/people/new\r\nX: y", "/account", "/logout", "/nowhere", "/audit"),
    ],
)
def test_a_form_goes_nowhere_else(bob: Visitor, action: str) -> None:
    form = opened(bob)
    lose_session(bob)
    send(bob, NEW, {**form, **TYPED})
    carried = {**hidden(bob, "[data-sign-in]"), "form_action": action}
    answer = bob.post("/login", {**carried, "email": "bob@clinic.example", "password": PASSWORD})
    assert (answer.status_code, answer.location) == (302, "/")


def test_damaged_fields_are_not_kept(bob: Visitor) -> None:
    form = opened(bob)
    lose_session(bob)
    for fields in ("x", "[]", "{}", "[1, 2]", "[[1], 2]", "[" * 5000, "null"):
        send(bob, NEW, {**form, **TYPED})
        carried = {**hidden(bob, "[data-sign-in]"), "form_fields": fields}
        assert send(bob, "/login", {**carried, "email": "bob@clinic.example", "password": PASSWORD}) in {
            200,
            302,
        }
        lose_session(bob)


def test_signed_in_meanwhile_in_another_tab(app: Flask, bob: Visitor) -> None:
    form = opened(bob)
    lose_session(bob)
    send(bob, NEW, {**form, **TYPED})
    carried = hidden(bob, "[data-sign-in]")
    bob.sign_in("bob@clinic.example")
    assert send(bob, "/login", {**carried, "email": "", "password": ""}) == 400
    assert "Anne Typed" in bob.one("[data-go-on]").get_text()


def test_a_new_password_ends_the_session_and_not_the_form(app: Flask, bob: Visitor) -> None:
    form = opened(bob)
    with app.app_context(), writing(db.session()) as session:
        session.execute(update(User).where(User.id == bob.user.id).values(session_version=2))
    assert send(bob, NEW, {**form, **TYPED}) == 400
    assert sign_in_here(bob, "bob@clinic.example") == 200
    assert "Anne Typed" in bob.text


def test_it_goes_on_under_the_organization_of_the_form(app: Flask, bob: Visitor, charlie: Visitor) -> None:
    with app.app_context(), writing(db.session()) as session:
        session.add(
            Membership(user_id=bob.user.id, organization_id=charlie.organization.id, role=Role.OPERATOR)
        )
    bob.post("/organizations/switch", {"organization_id": charlie.organization.id})
    form = opened(bob)
    # Working elsewhere now: nothing is sent there, and what was typed is shown.
    bob.post("/organizations/switch", {"organization_id": bob.organization.id})
    assert send(bob, NEW, {**form, **TYPED, "photos": [file(picture(1))]}) == 400
    assert "Anne Typed" in bob.text
    assert not bob.page.select("[data-go-on]")
    lose_session(bob)
    assert send(bob, NEW, {**form, **TYPED}) == 400
    assert sign_in_here(bob, "bob@clinic.example") == 200
    assert bob.one(".organization__text").get_text() == "Charlie School"
    # And not where one is no member any more.
    lose_session(bob)
    with app.app_context(), writing(db.session()) as session:
        session.execute(delete(Membership).where(Membership.organization_id == charlie.organization.id))
    assert send(bob, NEW, {**form, **TYPED}) == 400
    assert sign_in_here(bob, "bob@clinic.example") == 302
    assert "Anne Typed" not in bob.text
    assert names(app) == []


def test_passwords_do_not_travel(bob: Visitor) -> None:
    form = opened(bob, "/account")
    lose_session(bob)
    typed = {"current": PASSWORD, "password": "something new", "password_again": "something new"}
    assert send(bob, "/account", {**form, **typed}) == 400
    assert "something new" not in str(bob.page)
