"""The first run: reachable while there is no user, by the code from the console, once."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.accounts.models import User
from portal.audit.models import AuditEvent
from portal.extensions import db
from portal.organizations.models import Organization
from portal.setting_up.first_run import first_run_code
from tests.visitor import PASSWORD, Visitor


@pytest.fixture
def code(app: Flask) -> str:
    return first_run_code(app.config["PORTAL"].data_dir)


def form(code: str, **changed: str) -> dict[str, object]:
    return {
        "code": code,
        "organization": "Clínica São José",
        "email": "Ana@Clinica.example",
        "password": PASSWORD,
        "password_again": PASSWORD,
        **changed,
    }


def count(app: Flask, table: type[User] | type[Organization]) -> int | None:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(table))


def test_the_code_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    code = first_run_code(tmp_path)
    assert first_run_code(tmp_path) == code
    assert len(code) == 14
    assert stat.S_IMODE((tmp_path / "first_run_code").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["first_run_code"]


def test_an_empty_portal_leads_every_page_to_the_first_run(browser: Visitor) -> None:
    assert browser.get("/login").location == "/first-run"
    assert browser.get("/").location == "/first-run"
    assert browser.get("/first-run").status_code == 200


def test_the_code_makes_the_first_organization_and_admin_and_signs_in(
    app: Flask, browser: Visitor, code: str, events: Callable[[str], list[AuditEvent]]
) -> None:
    typed = code.lower().replace("-", " ")
    answer = browser.post("/first-run", form(typed))
    assert (answer.status_code, answer.location) == (302, "/")
    assert "Clínica São José" in browser.get("/members").text
    with app.app_context():
        assert db.session.scalar(select(Organization.slug)) == "clinica-sao-jose"
    (created,) = events("user.created")
    assert created.details == {"email": "ana@clinica.example", "role": "admin"}
    assert [event.details["slug"] for event in events("organization.created")] == ["clinica-sao-jose"]


def test_it_is_gone_once_there_is_a_user(
    app: Flask, browser: Visitor, other_browser: Visitor, code: str
) -> None:
    token = other_browser.token()
    browser.post("/first-run", form(code))
    assert not (app.config["PORTAL"].data_dir / "first_run_code").exists()
    assert other_browser.get("/first-run").status_code == 404
    late = form(code, email="mallory@clinica.example")
    assert other_browser.client.post("/first-run", data={"csrf_token": token, **late}).status_code == 404
    assert count(app, User) == 1
    # The page that is gone has not made another code either.
    assert not (app.config["PORTAL"].data_dir / "first_run_code").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"code": "AAAA-AAAA-AAAA"}, "This is not the right code."),
        ({"code": ""}, "Enter the code that was printed"),
        ({"organization": "  "}, "Enter the name of the organization."),
        ({"email": "ana at clinica"}, "This is not an email address."),
        ({"password": "short", "password_again": "short"}, "The password has 5 characters."),
        ({"password_again": "something else"}, "The two passwords are not the same."),
    ],
)
def test_a_mistake_is_told_and_leaves_nothing_behind(
    app: Flask, browser: Visitor, code: str, changed: dict[str, str], message: str
) -> None:
    answer = browser.post("/first-run", form(code) | changed)
    assert answer.status_code == 422
    assert message in answer.text
    assert (count(app, User), count(app, Organization)) == (0, 0)
    assert browser.post("/first-run", form(code)).status_code == 302


def test_the_code_can_not_be_guessed(browser: Visitor, code: str) -> None:
    for _ in range(30):
        assert browser.post("/first-run", form("AAAA-AAAA-AAAA")).status_code == 422
    assert browser.post("/first-run", form(code)).status_code == 429
