"""Make the pictures of the README and of the guides: python docs/screenshots.py (or `make screenshots`).

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

from jobs.demo import HEAD_SIDE, HEADS

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
        with tempfile.TemporaryDirectory() as folder:
            drop = folder_to_drop(Path(folder), Path(portal.probe))
            save(read_names(page, drop), "bulk-reading.png")
            save(watch_batch(page), "bulk-batch.png")
            save(look_at_attention(page), "bulk-attention.png")
        save(look_at_duplicates(page), "duplicates.png")
        save(look_at_pair(page), "duplicates-pair.png")
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
    """A page of someone who has signed in, in light colours."""
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


def folder_to_drop(folder: Path, table: Path) -> Path:
    """A folder of photos, one folder a person: those around the demo's table, and one without a face."""
    drop = folder / "Summer camp"
    with Image.open(table) as photo:
        for name, (left, top) in HEADS.items():
            (drop / name.replace(" ", "_")).mkdir(parents=True)
            square = photo.crop((left, top, min(left + HEAD_SIDE, photo.width), top + HEAD_SIDE))
            square.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(
                drop / name.replace(" ", "_") / "portrait.jpg", quality=92
            )
    (drop / "Unknown_Guest").mkdir()
    Image.new("RGB", (240, 240), (90, 110, 120)).save(drop / "Unknown_Guest" / "cloudy.jpg")
    (drop / "Minutes_May").mkdir()
    (drop / "Minutes_May" / "minutes.txt").write_text("Present: everybody.")
    return drop


def read_names(page: Page, drop: Path) -> bytes:
    """How the portal reads a folder, before anything is sent."""
    page.goto("/enrol")
    page.locator("input[webkitdirectory]").set_input_files(drop)
    expect(page.get_by_role("heading", name="How this is read")).to_be_visible()
    return picture(page, page.locator("[data-bulk-enrol]"), margin=48)


def watch_batch(page: Page) -> bytes:
    """What became of the folder."""
    page.locator("[data-bulk-enrol]").click()
    expect(page.locator("[data-batch-status=done]")).to_be_visible()
    page.reload()
    return picture(page, page.locator(".batch__latest"), margin=64)


def look_at_attention(page: Page) -> bytes:
    """What needs attention."""
    page.goto(page.url.partition("?")[0] + "?show=attention#photos")
    top = page.get_by_role("heading", name="Photos", exact=True).bounding_box()
    last = page.locator("[data-item]").last.bounding_box()
    assert top is not None
    assert last is not None
    scrolled = page.evaluate("scrollY")
    area = {
        "x": 0,
        "y": top["y"] + scrolled - 24,
        "width": WIDTH,
        "height": last["y"] + last["height"] - top["y"] + 56,
    }
    return page.screenshot(clip=area, full_page=True)  # type: ignore[arg-type]


def look_at_duplicates(page: Page) -> bytes:
    """The pairs of people who may be one: those of the folder and of the demo."""
    page.goto("/duplicates")
    expect(page.locator("#comparing[hx-trigger]")).to_have_count(0)
    page.goto("/duplicates")
    return picture(page, page.locator("[data-pair]").last, margin=32)


def look_at_pair(page: Page) -> bytes:
    """Two people side by side."""
    page.get_by_role("link", name="Look at them one by one").click()
    expect(page.get_by_role("button", name="Different people")).to_be_visible()
    return picture(page, page.locator(".pair-page__work"), margin=16)


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
