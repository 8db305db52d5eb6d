"""What staff do where many are enrolled, with a browser; and how far a batch is."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page, Response, Route, expect

# The button, once the names are read.
ENROL = re.compile("^Enrol .*(photo|ZIP)")


def folders_of(root: Path, prefix: str, photos: Sequence[Path]) -> Path:
    """A folder with a folder for each photo, whose name is that person's external ID."""
    for number, photo in enumerate(photos):
        folder = root / "staff" / f"{prefix}-{number:03}"
        folder.mkdir(parents=True)
        shutil.copy(photo, folder / "photo.jpg")
    return root / "staff"


def drop(page: Page, *paths: Path) -> None:
    """Drop files and folders from the desktop into the zone, as the browser itself does it."""
    zone = page.locator("[data-bulk-zone]")
    zone.scroll_into_view_if_needed()
    box = zone.bounding_box()
    assert box
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        where = {"x": box["x"] + box["width"] / 2, "y": box["y"] + 20}
        session.send("Input.dispatchDragEvent", {"type": kind, **where, "data": data})


def choose_files(page: Page, button: str, *files: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name=button, exact=True).click()
    chooser.value.set_files([str(file) for file in files])


def start_enrolling(page: Page, words: str) -> None:
    """Press the button once the names are read and it says this."""
    button = page.get_by_role("button", name=ENROL)
    expect(button).to_have_text(words)
    button.click()
    expect(page).to_have_url(re.compile(r"/enrol/\d+$"))


def expect_words(page: Page, words: str) -> None:
    """The page says this, and not to screen readers only."""
    expect(page.locator("main").get_by_text(words)).to_be_visible()


def expect_sent(page: Page, words: str) -> None:
    expect(page.get_by_role("heading", name="Everything is sent")).to_be_visible()
    expect(page.locator("[data-sending-words]")).to_contain_text(words)


def expect_done(page: Page, **counts: int) -> None:
    """The batch is done, and its photos are counted like this; where nothing is said, there are none."""
    batch = page.locator("[data-batch-status=done]")
    expect(batch).to_be_visible()
    for count in ("enrolled", "added", "already_there", "attention"):
        expect(batch).to_have_attribute(f"data-count-{count.replace('_', '-')}", str(counts.get(count, 0)))
    expect(batch).to_have_attribute("data-count-total", str(sum(counts.values())))


class Sent:
    """The photos that the portal took from a page, by the numbers of their items."""

    def __init__(self, page: Page) -> None:
        self._answers: list[Response] = []
        page.on("response", self._note)

    def _note(self, answer: Response) -> None:
        if answer.request.method == "POST" and answer.url.endswith("/photos"):
            self._answers.append(answer)

    @property
    def items(self) -> list[int]:
        return [one["id"] for answer in self._answers if answer.ok for one in answer.json()["photos"]]


class Refusals:
    """How many requests with photos a page had on their way at the same time."""

    at_once_before = 0
    at_once_after = 0


def refuse(page: Page, requests: int) -> Refusals:
    """Refuse so many requests with photos, when all have come, as too many at once; let others through."""
    seen, held, under_way = Refusals(), list[Route](), 0

    def decide(route: Route) -> None:
        nonlocal under_way
        if seen.at_once_before < requests:
            held.append(route)
            if len(held) == requests:
                seen.at_once_before = requests
                for one in held:
                    one.fulfill(status=429, headers={"Retry-After": "1"}, json={"error": "Too much at once."})
            return
        under_way += 1
        seen.at_once_after = max(seen.at_once_after, under_way)
        route.continue_()

    def end(answer: Response) -> None:
        nonlocal under_way
        if answer.ok and answer.url.endswith("/photos"):
            under_way -= 1

    page.on("response", end)
    page.route("**/enrol/*/photos", decide)
    return seen


def cut_after(page: Page, requests: int) -> None:
    """Let so many requests with photos through; the network fails all others."""
    passed = 0

    def decide(route: Route) -> None:
        nonlocal passed
        passed += 1
        if passed <= requests:
            route.continue_()
        else:
            route.abort("connectionreset")

    page.route("**/enrol/*/photos", decide)
