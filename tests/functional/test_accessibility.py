"""Every page as axe-core sees it, light and dark, wide and narrow."""

from __future__ import annotations

from pathlib import Path

import insightface
import pytest
from playwright.sync_api import Page, expect

from tests.functional.looks import look_at
from tests.functional.mates import mates
from tests.functional.pages import NewPage, choose
from tests.functional.staff import Staff
from tests.functional.up_portal import BROWSING

pytestmark = pytest.mark.xdist_group(BROWSING)

GROUP_PHOTO = Path(insightface.__file__).parent / "data/images/t1.jpg"


@pytest.fixture(scope="module")
def someone(ada: Staff, lfw: Path) -> int:
    """The number of an enrolled person, with a search that found them and one that found nobody."""
    mate = mates(lfw, photos=2)[-2]
    number = ada.enrol_and_wait(mate)
    ada.search(mate.probe)
    return number


def _url_of_search(ada: Staff, photo: Path) -> str:
    address, _ = ada.post("/search", {}, {"photo": [photo]})
    return address


def _check(page: Page, axe: str) -> None:
    assert look_at(page, axe) == []


@pytest.mark.parametrize("path", ["/", "/people", "/search", "/audit"])
def test_pages_on_which_nothing_is_yet(path: str, erin: Staff, new_page: NewPage, axe: str) -> None:
    page = new_page(erin)
    page.goto(path)
    _check(page, axe)


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/people", "/people?query=nobody-of-this-name", "/people/new", "/search"),
        *("/members", "/settings", "/settings/export", "/audit", "/account"),
    ],
)
def test_pages_on_which_there_is_something(
    path: str, ada: Staff, someone: int, new_page: NewPage, axe: str
) -> None:
    page = new_page(ada)
    page.goto(path)
    _check(page, axe)


def test_a_webhook_from_its_form_to_its_secret(ada: Staff, new_page: NewPage, axe: str) -> None:
    page = new_page(ada)
    page.goto("/settings/webhooks")
    _check(page, axe)
    page.get_by_label("Address").fill("https://receiver.example/hooks")
    page.get_by_role("button", name="Add the webhook").click()
    expect(page.get_by_text("The secret is ready.")).to_be_visible()
    page.get_by_role("button", name="Send a test event").click()
    expect(page.get_by_text("A test event is on its way.")).to_be_visible()
    _check(page, axe)


@pytest.mark.parametrize("path", ["/login", "/no-such-page", "/invitations/no-such-invitation"])
def test_pages_for_strangers(path: str, first_run: object, new_page: NewPage, axe: str) -> None:
    page = new_page()
    page.goto(path)
    _check(page, axe)


def test_errors_inside_the_portal(ada: Staff, vera: Staff, new_page: NewPage, axe: str) -> None:
    page = new_page(ada)
    page.goto("/no-such-page")
    _check(page, axe)
    page = new_page(vera)
    page.goto("/people/new")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    _check(page, axe)


def test_a_person(ada: Staff, someone: int, new_page: NewPage, axe: str) -> None:
    page = new_page(ada)
    page.goto(f"/people/{someone}")
    _check(page, axe)
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    _check(page, axe)
    page.goto(f"/people/{someone}/edit")
    _check(page, axe)
    page.goto(f"/people/{someone}")
    page.locator(".photo-tile__frame").first.click()
    expect(page.locator("[data-face]")).to_have_count(1)
    _check(page, axe)


def test_photos_that_cannot_be_used(ada: Staff, new_page: NewPage, axe: str, tmp_path: Path) -> None:
    letter = tmp_path / "letter.jpg"
    letter.write_text("Dear Sir or Madam")
    number = ada.enrol("UNUSABLE", "Nobody Seen", [letter])
    page = new_page(ada)
    page.goto(f"/people/{number}")
    expect(page.locator("[data-photo-state=failed]")).to_be_visible()
    _check(page, axe)
    page.locator(".photo-tile__frame").click()
    expect(page.locator("section[data-photo-state=failed]")).to_be_visible()
    _check(page, axe)


def test_forms_that_came_back(ada: Staff, new_page: NewPage, axe: str, lfw: Path, tmp_path: Path) -> None:
    letter = tmp_path / "letter.jpg"
    letter.write_text("Dear Sir or Madam")
    page = new_page(ada)
    page.goto("/people/new")
    page.get_by_label("Name").fill(" ")
    page.get_by_label("External ID").fill("X")
    choose(page, "Choose photos", [letter, mates(lfw, photos=2)[0].probe])
    page.get_by_role("button", name="Enrol", exact=True).click()
    expect(page.get_by_text("Enter the name.")).to_be_visible()
    _check(page, axe)

    stranger = new_page()
    stranger.goto("/login")
    stranger.get_by_role("button", name="Sign in").click()
    expect(stranger.get_by_text("Enter your email address.")).to_be_visible()
    _check(stranger, axe)


@pytest.mark.parametrize("whom", ["someone enrolled", "someone unknown", "a group", "no face"])
def test_results(
    whom: str, ada: Staff, someone: int, new_page: NewPage, axe: str, lfw: Path, tmp_path: Path
) -> None:
    letter = tmp_path / "letter.jpg"
    letter.write_text("Dear Sir or Madam")
    probes: dict[str, tuple[Path, str]] = {
        "someone enrolled": (mates(lfw, photos=2)[-2].probe, "done"),
        "someone unknown": (mates(lfw, photos=2)[-3].probe, "done"),
        "a group": (GROUP_PHOTO, "done"),
        "no face": (letter, "failed"),
    }
    photo, status = probes[whom]
    page = new_page(ada)
    page.goto(_url_of_search(ada, photo))
    expect(page.locator(f"[data-search-status={status}]")).to_be_visible()
    assert page.locator("[data-match=true]").count() == (whom == "someone enrolled")
    _check(page, axe)


def test_what_opens_over_a_page(ada: Staff, new_page: NewPage, axe: str) -> None:
    page = new_page(ada)
    page.goto("/search")
    page.locator("details.account summary").click()
    _check(page, axe)
    page.get_by_role("button", name="Use the camera").click()
    expect(page.get_by_role("button", name="Take photo")).to_be_enabled()
    _check(page, axe)


def test_an_invitation(ada: Staff, new_page: NewPage, axe: str) -> None:
    page = new_page(ada)
    page.goto("/members")
    page.get_by_label("Email").fill("new@harbour.example")
    page.get_by_role("button", name="Create the invitation").click()
    link = page.get_by_role("group", name="Invitation link").inner_text()
    _check(page, axe)
    invited = new_page()
    invited.goto(link)
    expect(invited.get_by_role("heading", name="Join Harbour Clinic")).to_be_visible()
    _check(invited, axe)
