"""What staff do on pages, with a browser."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from playwright.sync_api import ConsoleMessage, JSHandle, Locator, Page, expect

from tests.functional.mates import Mate

NewPage = Callable[..., Page]

DATA_TRANSFER = """([files]) => {
  const transfer = new DataTransfer();
  for (const { name, content } of files) {
    const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
  }
  return transfer;
}"""


def ignored(said: ConsoleMessage) -> bool:
    """Whether what the browser writes on its console is no fault of the page."""
    return said.type not in {"error", "warning"} or said.text.startswith("Failed to load resource")


def fill_in(page: Page, mate: Mate) -> None:
    """Say who someone is, on the page where people are enrolled."""
    page.goto("/people/new")
    page.get_by_label("Name").fill(mate.name)
    page.get_by_label("External ID").fill(mate.external_id)


def choose(page: Page, button: str, files: Sequence[Path]) -> None:
    """Press a button that asks for files, and choose these."""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name=button).click()
    chooser.value.set_files([str(file) for file in files])
    expect(chosen(page)).to_have_count(len(files))


def chosen(page: Page) -> Locator:
    """The photos that are chosen and not sent yet."""
    return page.locator("[data-photo-list] > li")


def carried(page: Page, files: Sequence[Path]) -> JSHandle:
    """Files on their way from elsewhere into the page, as a drop or a paste carries them."""
    contents = [
        {"name": file.name, "content": base64.b64encode(file.read_bytes()).decode()} for file in files
    ]
    return page.evaluate_handle(DATA_TRANSFER, [contents])


def send_enrolment(page: Page, photos: int) -> None:
    """Send the form, and stay on the page until all photos are done."""
    page.get_by_role("button", name="Enrol", exact=True).click()
    expect(page).to_have_url(re.compile(r"/people/\d+$"))
    expect(page.locator("[data-photo-state=done]")).to_have_count(photos)


def send_search(page: Page, status: str = "done") -> None:
    """Send the form, and stay on the page until there is a result."""
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page).to_have_url(re.compile(r"/search/\d+$"))
    expect(page.locator(f"[data-search-status={status}]")).to_be_visible()


def expect_first(page: Page, mate: Mate) -> None:
    """Candidate 1 is this person, and above the threshold."""
    first = page.locator("[data-candidate]").first
    expect(first).to_have_attribute("data-rank", "1")
    expect(first).to_have_attribute("data-external-id", mate.external_id)
    expect(first).to_have_attribute("data-match", "true")
