"""Judging duplicates, in Chromium: by keys, side by side, by two members at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.functional.looks import look_at
from tests.functional.mates import mates
from tests.functional.pages import NewPage
from tests.functional.staff import Staff
from tests.functional.up_portal import BROWSING, UpPortal
from tests.run.programs import PATIENCE_S
from tests.waiting import wait_until

pytestmark = pytest.mark.xdist_group(BROWSING)

TWICE = 4
PAIR = re.compile(r"/duplicates/\d+(\?|$)")


@pytest.fixture(scope="module")
def olga(portal: UpPortal, first_run: object, lfw: Path) -> Staff:
    """An operator of a school in which four people are enrolled twice."""
    slug = portal.add_organization("Quay School")
    for name in ("olga", "pete"):
        portal.add_user(f"{name}@quay.example", slug, "operator")
    staff = Staff(portal, "olga@quay.example")
    for mate in mates(lfw, photos=3)[:TWICE]:
        staff.enrol(mate.external_id, mate.name, mate.photos[:2])
        staff.enrol(f"{mate.external_id}-2", f"{mate.name} again", mate.photos[2:])

    def all_are_found() -> bool:
        page = staff.get("/duplicates")
        return len(page.select("[data-pair]")) >= TWICE and not page.select("#comparing[hx-trigger]")

    wait_until(all_are_found, "the pairs", PATIENCE_S)
    return staff


@pytest.fixture(scope="module")
def pete(portal: UpPortal, olga: Staff) -> Staff:
    """A colleague of hers."""
    return Staff(portal, "pete@quay.example")


@pytest.fixture
def page(portal: UpPortal, olga: Staff, new_page: NewPage) -> Iterator[Page]:
    """Olga's browser, at the first pair that is free."""
    page = new_page(olga)
    page.goto("/duplicates")
    page.get_by_role("link", name="Look at them one by one").click()
    expect(page).to_have_url(PAIR)
    expect_ready(page)
    yield page
    leave(portal, page)


def leave(portal: UpPortal, page: Page) -> None:
    """Leave the page of a pair, and stay away until the pair is free."""
    number = pair(page)
    page.goto("/people")
    held = "SELECT count(*) FROM duplicate_pair WHERE id = ? AND reserved_by_id IS NOT NULL"
    wait_until(lambda: portal.one(held, number) == 0, "the pair to be free", PATIENCE_S)


def pair(page: Page) -> str:
    return page.locator("[data-pair-page]").get_attribute("data-pair") or ""


def press(page: Page, key: str) -> None:
    """Press a key that leads to another page."""
    with page.expect_navigation():
        page.keyboard.press(key)
    expect_ready(page)


def expect_ready(page: Page) -> None:
    """The page's script has seen to it, and it has the browser's attention: before, keys are not heard."""
    expect(page.get_by_label("Zoom both")).to_be_visible()
    expect(page.locator("[data-pair-page] h1")).to_be_focused()


def test_keys_walk_decide_and_undo(page: Page) -> None:
    first = pair(page)
    press(page, "n")
    second = pair(page)
    assert second != first
    press(page, "p")
    assert pair(page) == first
    # Who types a note decides nothing by it.
    page.get_by_label("Note").fill("")
    page.get_by_label("Note").press_sequentially("dnsup")
    expect(page.get_by_label("Note")).to_have_value("dnsup")
    page.get_by_role("heading", level=1).click()
    press(page, "d")
    assert pair(page) == second
    expect(page.locator("[data-decided]")).to_contain_text("different people.")
    expect(page.locator("#announcer")).to_contain_text("different people. Is this one person?")
    press(page, "u")
    assert pair(page) == first
    expect(page.locator(".flashes")).to_contain_text("this pair is open again")


def test_two_are_merged_and_parted_again(page: Page) -> None:
    first = pair(page)
    page.keyboard.press("s")
    kept = page.get_by_role("group", name="Which external ID is kept?").get_by_role("radio").first
    expect(kept).to_be_focused()
    page.get_by_role("button", name="Merge", exact=True).click()
    expect(page.locator("[data-decided]")).to_contain_text("They are merged.")
    expect_ready(page)
    press(page, "u")
    assert pair(page) == first
    expect(page.get_by_role("button", name="Different people")).to_be_visible()


def test_faces_are_zoomed_together_and_other_photos_compared(page: Page) -> None:
    faces = page.locator("[data-compare] svg.aligned")
    page.get_by_label("Zoom both").fill("2")
    for number in (0, 1):
        expect(faces.nth(number)).to_have_attribute("viewBox", "28 33 56 56")
    address = page.url
    other = page.locator("[data-choose]:not([aria-current])").first
    side = page.locator(f"[data-side={other.get_attribute('data-choose')}] image")
    picture, transform = (other.get_attribute(f"data-{name}") or "" for name in ("picture", "transform"))
    other.click()
    expect(side).to_have_attribute("href", picture)
    expect(side).to_have_attribute("transform", transform)
    expect(page.locator("#announcer")).to_contain_text("is compared now.")
    assert page.url == address


def test_a_pair_is_one_members_as_long_as_its_page_is_open(
    portal: UpPortal, page: Page, pete: Staff, new_page: NewPage
) -> None:
    mine = pair(page)
    other = new_page(pete)
    other.goto("/duplicates/next")
    assert pair(other) != mine
    other.goto(f"/duplicates/{mine}")
    expect(other.get_by_text("olga@quay.example is looking at this pair.")).to_be_visible()
    expect(other.get_by_role("button", name="Different people")).to_have_count(0)
    leave(portal, page)
    other.goto(f"/duplicates/{mine}")
    expect(other.get_by_role("button", name="Different people")).to_be_visible()
    leave(portal, other)
    page.goto(f"/duplicates/{mine}")


@pytest.mark.parametrize(
    "path",
    [
        *("/duplicates", "/duplicates?status=all&score=2", "/duplicates/print", "/duplicates/photos"),
        *("/duplicates/scans", "/duplicates/next"),
    ],
)
def test_pages_as_axe_sees_them(path: str, olga: Staff, new_page: NewPage, axe: str) -> None:
    page = new_page(olga)
    page.goto(path)
    for details in page.locator("main details").all():
        details.evaluate("details => { details.open = true }")
    assert look_at(page, axe) == []


@pytest.mark.parametrize("path", ["/duplicates", "/duplicates/photos", "/duplicates/scans"])
def test_pages_on_which_nothing_is_yet(path: str, erin: Staff, new_page: NewPage, axe: str) -> None:
    page = new_page(erin)
    page.goto(path)
    assert look_at(page, axe) == []
