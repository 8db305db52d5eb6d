"""The first-run page, in the browser of whoever has just installed the portal."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.functional.looks import Seen
from tests.functional.mates import Mate
from tests.functional.pages import NewPage
from tests.functional.staff import Staff
from tests.functional.up_portal import BROWSING, UpPortal, up
from tests.needs import free_face_model
from tests.visitor import PASSWORD, one_in

pytestmark = pytest.mark.xdist_group(BROWSING)


def test_a_new_portal_is_set_up_in_the_browser(portal: UpPortal, first_run: Seen) -> None:
    assert first_run.address == f"{portal.url}/first-run"
    assert "This is not the right code" in first_run.refusal
    assert first_run.address_afterwards == f"{portal.url}/"
    assert [tuple(row) for row in portal.rows("SELECT name FROM organization ORDER BY id LIMIT 1")] == [
        ("Harbour Clinic",)
    ]


def test_the_licence_is_asked_and_the_answer_is_kept(portal: UpPortal, first_run: Seen, ada: Staff) -> None:
    assert "Choose one, so" in first_run.question
    answers = portal.rows("SELECT choice, answered_by FROM licence_answer")
    assert [tuple(row) for row in answers] == [("research", "ada@harbour.example")]
    shown = ada.get("/settings").select_one("[data-licence-answer=research]")
    assert shown
    assert "ada@harbour.example" in shown.text
    assert "ok     licence" in portal.command("doctor")


@pytest.mark.usefixtures("browser")
def test_whoever_declines_goes_on_with_yunet_and_sface_at_once(
    model_dir: Path, browser: Browser, people: Iterator[Mate]
) -> None:
    free_face_model()
    with up(model_dir, workers=1) as portal:
        context = browser.new_context(base_url=portal.url)
        page = context.new_page()
        page.goto("/")
        page.get_by_label("One-time code").fill(portal.code)
        page.get_by_label("Organization").fill("Free School")
        page.get_by_label("Your email").fill("eve@free.example")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_label("Password again").fill(PASSWORD)
        page.get_by_label("go on with YuNet and SFace").check()
        page.get_by_role("button", name="Set up").click()
        page.get_by_role("heading", name="Free School").wait_for()
        context.close()
        # What comes in the very next moment is for the new model, too.
        eve, mate = Staff(portal, "eve@free.example"), next(people)
        eve.enrol_and_wait(mate)
        first = eve.search(mate.probe).select_one("[data-candidate]")
        assert first
        assert first["data-external-id"] == mate.external_id
        models = "SELECT DISTINCT m.name FROM face JOIN face_model m ON m.id = face.face_model_id"
        assert [row[0] for row in portal.rows(models)] == ["opencv"]
        assert "opencv" in one_in(eve.get("/settings"), ".facts").text
        # PORTAL_FACE_MODEL still names the other one; a new start says what it does.
        portal.running.send(signal.SIGTERM)
        assert portal.running.ended() == 0
        portal.running.close()
        portal.start()
        assert any("whose licence was declined here" in line for line in portal.running.output)


def test_the_page_has_no_serious_fault(first_run: Seen) -> None:
    assert first_run.faults == []
    assert first_run.faults_after_refusal == []


def test_the_page_is_gone_afterwards(first_run: Seen, new_page: NewPage) -> None:
    page = new_page()
    answer = page.goto("/first-run")
    assert answer
    assert answer.status == 404
    page.goto("/")
    assert page.get_by_role("heading", name="Sign in").is_visible()
