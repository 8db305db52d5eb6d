"""What the licence of the face model allows, and who answered for it: page, command, doctor and settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from portal.accounts.models import Role, User
from portal.audit.models import AuditEvent
from portal.audit.services import Actor
from portal.database import writing
from portal.extensions import db
from portal.installation.models import FaceModel, LicenceAnswer, LicenceChoice, PermittedUse
from portal.installation.services import current_face_model, store_face_model
from portal.organizations.models import Organization
from portal.setting_up.first_run import first_run_code
from portal.setting_up.licensing import LicenceError, answer_licence, current_licence, was_declined
from tests.databases import on_both_databases
from tests.make.face_models import made_up_model
from tests.make.people import add_person, add_photo
from tests.run.commands import portal
from tests.visitor import PASSWORD, Visitor, member

ANA = "ana@harbour.example"


def model(name: str, use: PermittedUse, engine: str = "insightface") -> FaceModel:
    remark = f"A remark on {name}." if engine == "opencv" else ""
    return made_up_model(
        name, engine=engine, permitted_use=use, licence=f"The licence of {name}.", remark=remark
    )


@pytest.fixture
def research_only(app: Flask) -> None:
    """A pack that is for research only is in use, and YuNet and SFace are at hand."""
    with app.app_context():
        store_face_model(db.session(), model("buffalo_l", PermittedUse.RESEARCH))
        with writing(db.session()) as session:
            session.add(model("opencv", PermittedUse.ANY, "opencv"))


def form(app: Flask, **changed: str) -> dict[str, object]:
    return {
        "code": first_run_code(app.config["PORTAL"].data_dir),
        "organization": "Harbour Clinic",
        "email": ANA,
        "password": PASSWORD,
        "password_again": PASSWORD,
        **changed,
    }


def in_use(app: Flask) -> str:
    with app.app_context():
        current = current_face_model(db.session())
        assert current is not None
        return current.name


def answers(app: Flask) -> list[tuple[str, str]]:
    with app.app_context():
        return [(one.choice, one.answered_by) for one in db.session.scalars(select(LicenceAnswer))]


@pytest.mark.usefixtures("research_only")
def test_the_first_run_page_says_what_is_allowed_and_asks(browser: Visitor) -> None:
    browser.get("/first-run")
    text = browser.page.get_text(" ", strip=True)
    assert "buffalo_l" in text
    assert "The licence of buffalo_l." in text
    assert "Only non-commercial research is allowed" in text
    choices = browser.page.select("input[name=licence]")
    assert [choice["value"] for choice in choices] == ["research", "licensed", "declined"]
    # Nothing is confirmed by not looking.
    assert not any(choice.has_attr("checked") for choice in choices)


@on_both_databases
@pytest.mark.usefixtures("research_only")
@pytest.mark.parametrize("choice", ["research", "licensed"])
def test_what_is_confirmed_is_stored_with_who_and_when(
    app: Flask, browser: Visitor, choice: str, events: Callable[[str], list[AuditEvent]]
) -> None:
    assert browser.post("/first-run", form(app, licence=choice)).status_code == 302
    assert in_use(app) == "buffalo_l"
    assert answers(app) == [(choice, ANA)]
    (event,) = events("installation.licence_answered")
    assert event.details == {"model": "buffalo_l", "answer": choice}
    assert event.actor == ANA
    browser.get("/settings")
    (shown,) = browser.page.select(f"[data-licence-answer={choice}]")
    assert ANA in shown.get_text()
    assert shown.select_one("time")
    assert "Nobody has confirmed" not in browser.page.get_text()
    browser.get("/audit")
    assert "Answered about the licence of the face model buffalo_l" in browser.page.get_text()


@on_both_databases
@pytest.mark.usefixtures("research_only")
def test_whoever_declines_goes_on_with_the_free_model(app: Flask, browser: Visitor) -> None:
    assert browser.post("/first-run", form(app, licence="declined")).status_code == 302
    assert in_use(app) == "opencv"
    with app.app_context():
        assert was_declined(db.session(), "buffalo_l")
        assert not was_declined(db.session(), "opencv")
    browser.get("/settings")
    text = browser.page.get_text(" ", strip=True)
    assert "buffalo_l: not used" in text
    assert "The licence of opencv." in text
    assert "A remark on opencv." in text


@pytest.mark.usefixtures("research_only")
@pytest.mark.parametrize("changed", [{}, {"licence": ""}, {"licence": "whatever"}])
def test_without_an_answer_nothing_is_set_up(app: Flask, browser: Visitor, changed: dict[str, str]) -> None:
    assert browser.post("/first-run", form(app, **changed)).status_code == 422
    wrong = browser.page.select_one("fieldset.field--wrong")
    assert wrong is not None
    assert "Choose" in wrong.get_text()
    with app.app_context():
        assert db.session.scalar(select(User.id)) is None
        assert db.session.scalar(select(Organization.id)) is None
    assert answers(app) == []


@pytest.mark.usefixtures("research_only")
def test_what_was_chosen_stays_chosen_when_something_else_is_wrong(app: Flask, browser: Visitor) -> None:
    assert browser.post("/first-run", form(app, licence="declined", code="AAAA-AAAA-AAAA")).status_code == 422
    (chosen,) = browser.page.select("input[name=licence][checked]")
    assert chosen["value"] == "declined"
    assert in_use(app) == "buffalo_l"
    assert answers(app) == []


@pytest.mark.usefixtures("research_only")
def test_a_stranger_without_the_code_can_not_answer(app: Flask, browser: Visitor) -> None:
    for choice in LicenceChoice:
        assert browser.post("/first-run", form(app, licence=choice, code="")).status_code == 422
    assert in_use(app) == "buffalo_l"
    assert answers(app) == []


@pytest.mark.usefixtures("research_only")
def test_with_somebody_enrolled_the_model_stays(app: Flask, browser: Visitor, clinic: Organization) -> None:
    """An import by the command, before there is a user: its templates mean nothing to another model."""
    with app.app_context():
        add_photo(db.session(), add_person(db.session(), clinic, "A1"))
    browser.get("/first-run")
    values = [choice["value"] for choice in browser.page.select("input[name=licence]")]
    assert values == ["research", "licensed"]
    assert browser.post("/first-run", form(app, licence="declined")).status_code == 422
    assert "already enrolled with buffalo_l" in browser.page.get_text()
    assert in_use(app) == "buffalo_l"
    assert browser.post("/first-run", form(app, licence="licensed")).status_code == 302


def test_where_nothing_else_is_ready_the_page_says_what_to_do(app: Flask, browser: Visitor) -> None:
    with app.app_context():
        store_face_model(db.session(), model("buffalo_l", PermittedUse.RESEARCH))
    browser.get("/first-run")
    assert [choice["value"] for choice in browser.page.select("input[name=licence]")] == [
        "research",
        "licensed",
    ]
    assert "run `make setup`" in browser.page.get_text()
    assert browser.post("/first-run", form(app, licence="declined")).status_code == 422
    assert "YuNet and SFace are not ready" in browser.one(".field--wrong").get_text()


def test_what_is_free_is_shown_and_nothing_is_asked(app: Flask, browser: Visitor) -> None:
    with app.app_context():
        store_face_model(db.session(), model("opencv", PermittedUse.ANY, "opencv"))
    browser.get("/first-run")
    text = browser.page.get_text(" ", strip=True)
    assert "Any use is allowed, commercial use too." in text
    assert "A remark on opencv." in text
    assert browser.page.select("input[name=licence]") == []
    assert browser.post("/first-run", form(app)).status_code == 302
    assert answers(app) == []


def test_a_model_that_is_not_known_is_asked_about_too(app: Flask, browser: Visitor) -> None:
    with app.app_context():
        store_face_model(db.session(), model("mine", PermittedUse.UNKNOWN))
        with writing(db.session()) as session, pytest.raises(LicenceError, match="does not know"):
            answer_licence(session, Actor(None, "test"), LicenceChoice.RESEARCH)
    browser.get("/first-run")
    assert [choice["value"] for choice in browser.page.select("input[name=licence]")] == ["licensed"]
    assert browser.post("/first-run", form(app, licence="licensed")).status_code == 302


@pytest.mark.usefixtures("research_only")
def test_other_organizations_do_not_see_who_answered(
    app: Flask, browser: Visitor, school: Organization
) -> None:
    browser.post("/first-run", form(app, licence="research"))
    charlie = member(app, "charlie@school.example", school, Role.ADMIN)
    text = charlie.get("/settings").text
    assert "buffalo_l: used for non-commercial research only" in charlie.page.get_text()
    assert "whoever installed the portal" in text
    assert ANA not in text
    assert ANA not in charlie.get("/audit").text


@pytest.mark.usefixtures("research_only")
def test_until_somebody_answers_admins_are_told(alice: Visitor) -> None:
    alice.get("/settings")
    assert "Nobody has confirmed that this face model may be used here." in alice.page.get_text()


def stored(data_dir: Path, use: PermittedUse) -> None:
    """A data folder in which a face model was chosen."""
    from portal import create_app, migrations
    from portal.settings import Settings

    app = create_app(Settings.from_environment({}, data_dir=data_dir))
    migrations.upgrade(app)
    with app.app_context():
        store_face_model(db.session(), model("buffalo_l", use))
        with writing(db.session()) as session:
            session.add(model("opencv", PermittedUse.ANY, "opencv"))
        assert current_licence(db.session()) is not None
        db.session.remove()
        db.engine.dispose()


def test_the_command_shows_asks_and_answers(tmp_path: Path) -> None:
    assert "No face model has been chosen yet" in portal(tmp_path, "licence").stdout
    early = portal(tmp_path, "licence", "--confirm", "research")
    assert (early.returncode, "No face model has been chosen yet" in early.stderr) == (1, True)
    stored(tmp_path, PermittedUse.RESEARCH)
    shown = portal(tmp_path, "licence").stdout
    for words in (
        "buffalo_l",
        "The licence of buffalo_l.",
        "Only non-commercial",
        "none yet",
        "--confirm research",
        "--decline",
    ):
        assert words in shown
    done = portal(tmp_path, "licence", "--confirm", "research")
    assert done.returncode == 0
    assert "portal command" in done.stdout
    assert "used for non-commercial research only" in portal(tmp_path, "licence").stdout


def test_the_command_declines(tmp_path: Path) -> None:
    stored(tmp_path, PermittedUse.RESEARCH)
    done = portal(tmp_path, "licence", "--decline")
    assert done.returncode == 0
    assert "opencv" in done.stdout
    assert "A remark on opencv." in done.stdout
    again = portal(tmp_path, "licence", "--decline")
    assert again.returncode == 1
    assert "free for any use: nothing is to be confirmed" in again.stderr


def test_the_command_takes_one_answer(tmp_path: Path) -> None:
    assert portal(tmp_path, "licence", "--decline", "--confirm", "research").returncode == 2
