"""A session that ends while a form is filled in, in Chromium: the form goes on from where it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.functional.looks import look_at
from tests.functional.mates import Mate
from tests.functional.pages import NewPage, choose, chosen, fill_in
from tests.functional.staff import Staff
from tests.functional.up_portal import BROWSING
from tests.visitor import PASSWORD

pytestmark = pytest.mark.xdist_group(BROWSING)

DIALOG = "dialog:has([data-sign-in])"


def sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    place = page.locator("[data-sign-in]")
    place.get_by_label("Email").fill(email)
    place.get_by_label("Password").fill(password)
    place.get_by_role("button", name="Sign in").click()


def test_photos_and_text_outlive_the_session(
    ada: Staff, new_page: NewPage, people: Iterator[Mate], axe: str
) -> None:
    mate, page = next(people), new_page(ada)
    fill_in(page, mate)
    choose(page, "Choose photos", mate.photos)
    page.context.clear_cookies()
    page.get_by_role("button", name="Enrol", exact=True).click()
    expect(page.locator(DIALOG)).to_contain_text("Your session has ended")
    assert look_at(page, axe) == []
    # Nobody signs in now: everything stays.
    page.get_by_role("button", name="Not now").click()
    expect(chosen(page)).to_have_count(2)
    page.get_by_role("button", name="Enrol", exact=True).click()
    sign_in(page, "ada@harbour.example", "a wrong one")
    expect(page.locator(DIALOG).get_by_role("alert")).to_be_visible()
    sign_in(page, "ada@harbour.example")
    expect(page).to_have_url(re.compile(r"/people/\d+$"))
    expect(page.get_by_role("heading", level=1)).to_have_text(mate.name)
    expect(page.locator("[data-photo-state=done]")).to_have_count(2)
    # The same for a search.
    page.goto("/search")
    choose(page, "Choose a photo", [mate.probe])
    page.context.clear_cookies()
    page.get_by_role("button", name="Search", exact=True).click()
    sign_in(page, "ada@harbour.example")
    expect(page.locator("[data-search-status=done]")).to_be_visible()


def test_who_signs_in_instead_finds_nothing_of_it(
    ada: Staff, vera: Staff, new_page: NewPage, people: Iterator[Mate]
) -> None:
    mate, page = next(people), new_page(ada)
    fill_in(page, mate)
    choose(page, "Choose photos", mate.photos)
    page.context.clear_cookies()
    page.get_by_role("button", name="Enrol", exact=True).click()
    sign_in(page, "vera@harbour.example")
    expect(page).to_have_url(re.compile(r"/$"))
    assert mate.name not in page.content()
    page.goto("/people?query=" + mate.external_id)
    expect(page.locator("[data-person]")).to_have_count(0)


def test_without_scripts_the_text_goes_on(
    ada: Staff, new_page: NewPage, people: Iterator[Mate], tmp_path: Path
) -> None:
    mate, page = next(people), new_page(ada, java_script_enabled=False)
    large = tmp_path / "large.jpg"
    large.write_bytes(mate.photos[0].read_bytes() + bytes(3_000_000))
    fill_in(page, mate)
    page.locator("input[name=photos]").set_input_files([large])
    page.context.clear_cookies()
    page.get_by_role("button", name="Enrol", exact=True).click()
    sign_in(page, "ada@harbour.example")
    expect(page.locator("[data-go-on]")).to_contain_text(mate.name)
    page.get_by_role("button", name="Send it").click()
    expect(page.get_by_label("Name")).to_have_value(mate.name)
    page.locator("input[name=photos]").set_input_files(mate.photos)
    page.get_by_role("button", name="Enrol", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(mate.name)
