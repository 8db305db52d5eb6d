"""A portal that is up, its staff, and a real browser."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.functional.looks import AXE, Seen, look_at
from tests.functional.mates import Mate, mates
from tests.functional.pages import NewPage, ignored
from tests.functional.staff import Staff
from tests.functional.up_portal import UpPortal, up
from tests.functional.video import write_video
from tests.needs import missing
from tests.run.programs import PATIENCE_S
from tests.visitor import PASSWORD

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    # A camera that shows a video, and a user who allows it.
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
)

expect.set_options(timeout=PATIENCE_S * 1000)


@pytest.fixture(scope="session")
def portal(model_dir: Path) -> Iterator[UpPortal]:
    """The portal whose pages are looked at."""
    with up(model_dir, workers=1) as running:
        yield running


@pytest.fixture(scope="session")
def people(lfw: Path) -> Iterator[Mate]:
    """People with two photos and a probe; each test takes others."""
    return iter(mates(lfw, photos=2))


@pytest.fixture(scope="session")
def in_the_picture(lfw: Path) -> Mate:
    """Whom the camera shows."""
    return mates(lfw, photos=2)[-1]


@pytest.fixture(scope="session")
def browser(in_the_picture: Mate) -> Iterator[Browser]:
    """Chromium, with a camera that shows someone."""
    program = next((found for name in CHROMIUMS if (found := shutil.which(name))), None)
    if program is None:
        missing("needs Chromium on the PATH")
    with tempfile.TemporaryDirectory(prefix="fp-") as folder, sync_playwright() as playwright:
        video = Path(folder) / "camera.y4m"
        write_video(video, in_the_picture.probe)
        browser = playwright.chromium.launch(
            executable_path=program, args=[*FLAGS, f"--use-file-for-fake-video-capture={video}"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    if not AXE.is_file():
        missing("needs axe-core, which npm installs (make setup-dev)")
    return AXE.read_text()


@pytest.fixture(scope="session")
def first_run(portal: UpPortal, browser: Browser, axe: str) -> Seen:
    """The first organization and its admin, made in the browser; and what was seen on the way."""
    context = browser.new_context(base_url=portal.url)
    try:
        page = context.new_page()
        page.goto("/")
        seen = Seen(page.url, look_at(page, axe))
        page.get_by_role("button", name="Set up").click()
        seen.question = page.locator("fieldset.field--wrong").inner_text()
        page.get_by_label("non-commercial research").check()
        page.get_by_label("One-time code").fill("AAAA-BBBB-CCCC")
        page.get_by_label("Organization").fill("Harbour Clinic")
        page.get_by_label("Your email").fill("ada@harbour.example")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_label("Password again").fill(PASSWORD)
        page.get_by_role("button", name="Set up").click()
        seen.refusal = page.locator(".field--wrong").first.inner_text()
        seen.faults_after_refusal = look_at(page, axe)
        page.get_by_label("One-time code").fill(portal.code)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_label("Password again").fill(PASSWORD)
        page.get_by_role("button", name="Set up").click()
        page.get_by_role("heading", name="Harbour Clinic").wait_for()
        seen.address_afterwards = page.url
    finally:
        context.close()
    return seen


@pytest.fixture(scope="session")
def ada(portal: UpPortal, first_run: Seen) -> Staff:
    """The clinic's admin."""
    return Staff(portal, "ada@harbour.example")


@pytest.fixture(scope="session")
def vera(portal: UpPortal, first_run: Seen) -> Staff:
    """A viewer of the clinic."""
    portal.add_user("vera@harbour.example", "harbour-clinic", "viewer")
    return Staff(portal, "vera@harbour.example")


@pytest.fixture(scope="session")
def erin(portal: UpPortal, first_run: Seen) -> Staff:
    """The admin of an organization in which nothing was done yet."""
    portal.add_user("erin@empty.example", portal.add_organization("Empty School"), "admin")
    return Staff(portal, "erin@empty.example")


@pytest.fixture
def new_page(browser: Browser, portal: UpPortal) -> Iterator[NewPage]:
    """Open a page, for someone who has signed in or a stranger, in a browser window of its own.

    Whatever a page's scripts or its security policy complain about fails the test.
    """
    contexts, complaints = [], []

    def open_page(who: Staff | None = None, **options: Any) -> Page:
        context = browser.new_context(base_url=portal.url, **options)
        context.set_default_timeout(PATIENCE_S * 1000)
        contexts.append(context)
        if who is not None:
            (cookie,) = who.cookies
            context.add_cookies([{"name": cookie.name, "value": cookie.value or "", "url": portal.url}])
        page = context.new_page()
        # From now on the browser asks the test for files; it would do so a moment late otherwise.
        page.on("filechooser", lambda _: None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if not ignored(said) else None)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
