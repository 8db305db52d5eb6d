"""Make the pictures of the README: python docs/screenshots.py (or `make screenshots`).

A portal with the demo is started in a temporary folder, with the PORTAL_ settings of this shell, and
looked at with Chromium. The faces in the pictures are those that the dependencies carry.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

IMAGES = Path(__file__).parent / "images"
WIDTH, HEIGHT = 1200, 1400
COLOURS = 256
LARGEST_BYTES = 300_000
PATIENCE_MS = 90_000

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)


@dataclass(frozen=True)
class DemoPortal:
    """What `portal up --demo` said."""

    url: str
    email: str
    password: str
    probe: str


def main() -> None:
    """Write the pictures; ends with a message if there is no Chromium."""
    chromium = next((found for name in CHROMIUMS if (found := shutil.which(name))), None)
    if chromium is None:
        sys.exit("The pictures are made with Chromium, which is not on the PATH.")
    IMAGES.mkdir(exist_ok=True)
    expect.set_options(timeout=PATIENCE_MS)
    with demo_portal() as portal, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        page = signed_in(browser, portal)
        save(search_by_photo(page, portal), "search.png")
        save(look_at_people(page), "people.png")
        browser.close()


@contextmanager
def demo_portal() -> Iterator[DemoPortal]:
    """A portal with the demo, on a free port and in a folder that is removed afterwards."""
    # A socket's path has to be short: not in a folder deep down.
    with tempfile.TemporaryDirectory(prefix="fp-") as folder:
        command = [str(Path(sys.executable).with_name("portal")), "up", "--demo", "--port", "0"]
        environment = os.environ | {"PORTAL_DATA_DIR": folder}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            said: dict[str, str] = {}
            for line in process.stdout:
                name, _, value = line.strip().partition("  ")
                said[name] = value.strip().split("   ")[0]
                if line.startswith("  Ctrl-C"):
                    break
            try:
                if "Address" not in said:
                    sys.exit("The portal did not start.")
                yield DemoPortal(said["Address"], said["Sign in as"], said["Password"], said["Search with"])
            finally:
                process.send_signal(signal.SIGTERM)
                process.communicate()


def signed_in(browser: Browser, portal: DemoPortal) -> Page:
    """A page of somebody who has signed in, in light colours."""
    page = browser.new_page(
        base_url=portal.url,
        viewport={"width": WIDTH, "height": HEIGHT},
        color_scheme="light",
        reduced_motion="reduce",
    )
    page.set_default_timeout(PATIENCE_MS)
    page.goto("/login")
    page.get_by_label("Email").fill(portal.email)
    page.get_by_label("Password").fill(portal.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Demo")).to_be_visible()
    return page


def search_by_photo(page: Page, portal: DemoPortal) -> bytes:
    """The result of a search."""
    page.goto("/search")
    page.locator("input[type=file][name=photo]").set_input_files(portal.probe)
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator("[data-search-status=done]")).to_be_visible()
    return picture(page, page.locator("[data-candidate]").nth(2))


def look_at_people(page: Page) -> bytes:
    """The list of people."""
    page.goto("/people")
    return picture(page, page.locator("[data-person]").last, margin=32)


def picture(page: Page, last: Locator, margin: int = 0) -> bytes:
    """A page down to what is to be seen last, once all of its images are there."""
    page.wait_for_load_state("networkidle")
    place = last.bounding_box()
    assert place is not None
    height = place["y"] + place["height"] + margin
    return page.screenshot(clip={"x": 0, "y": 0, "width": WIDTH, "height": height})


def save(screenshot: bytes, name: str) -> None:
    """Write a picture with few colours, so that it is small."""
    with Image.open(io.BytesIO(screenshot)) as image:
        small = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.FLOYDSTEINBERG)
    small.save(IMAGES / name, optimize=True)
    size = (IMAGES / name).stat().st_size
    print(f"{name}: {small.width} × {small.height}, {size:,} bytes")
    if size > LARGEST_BYTES:
        sys.exit(f"{name} is larger than {LARGEST_BYTES:,} bytes.")


if __name__ == "__main__":
    main()
