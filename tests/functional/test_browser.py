"""The way of the staff through the portal, in Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import insightface
import pytest
from PIL import Image, ImageStat
from playwright.sync_api import Page, expect

from tests.functional.mates import Mate
from tests.functional.pages import (
    NewPage,
    carried,
    choose,
    chosen,
    expect_first,
    fill_in,
    send_enrolment,
    send_search,
)
from tests.functional.staff import Staff
from tests.functional.up_portal import BROWSING
from tests.visitor import PASSWORD

pytestmark = pytest.mark.xdist_group(BROWSING)

GROUP_PHOTO = Path(insightface.__file__).parent / "data/images/t1.jpg"
GROUP_SIZE = 6
# A face's box, once the page's script has seen to it.
CLICKABLE = ".face-map__face--clickable"


@pytest.fixture(scope="module")
def enrolled(ada: Staff, people: Iterator[Mate]) -> Mate:
    """Someone whom the clinic has enrolled, with two photos."""
    mate = next(people)
    ada.enrol_and_wait(mate)
    return mate


@pytest.fixture
def faceless(tmp_path: Path) -> Path:
    """A photo without a face."""
    path = tmp_path / "wall.jpg"
    Image.new("RGB", (400, 300), (170, 160, 150)).save(path)
    return path


def test_from_signing_in_to_finding_and_deleting_somebody(
    ada: Staff, new_page: NewPage, people: Iterator[Mate]
) -> None:
    mate = next(people)
    page = new_page()
    page.goto("/people")
    page.get_by_label("Email").fill("ada@harbour.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="People", exact=True)).to_be_visible()

    fill_in(page, mate)
    choose(page, "Choose photos", mate.photos)
    send_enrolment(page, photos=2)
    expect(page.get_by_role("heading", level=1)).to_have_text(mate.name)
    expect(page.locator(".photo-tile__image image")).to_have_count(2)
    for image in page.locator(".photo-tile__image image").all():
        picture = page.request.get(image.get_attribute("href") or "")
        assert (picture.status, picture.headers["content-type"]) == (200, "image/jpeg")

    page.get_by_role("link", name="Search", exact=True).click()
    choose(page, "Choose a photo", [mate.probe])
    send_search(page)
    expect_first(page, mate)
    scores = [
        float(one.get_attribute("data-score") or "nan") for one in page.locator("[data-candidate]").all()
    ]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] <= 1
    result = page.url

    page.locator("[data-candidate]").first.get_by_role("link").click()
    page.get_by_role("button", name="Delete").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text(f"Delete {mate.name}?")
    question.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Delete").click()
    question.get_by_role("button", name="Delete").click()
    expect(page.get_by_text(f"{mate.name} is deleted, with all photos.")).to_be_visible()
    expect(page.locator(f"[data-person='{mate.external_id}']")).to_have_count(0)

    page.goto(result)
    expect(page.locator(f"[data-external-id='{mate.external_id}']")).to_have_count(0)
    page.get_by_role("button", name="Search again").click()
    expect(page.locator("[data-search-status=done]")).to_be_visible()
    expect(page.locator(f"[data-external-id='{mate.external_id}']")).to_have_count(0)


def test_a_photo_that_is_dropped_is_searched_for(ada: Staff, new_page: NewPage, enrolled: Mate) -> None:
    page = new_page(ada)
    page.goto("/search")
    files = carried(page, [enrolled.probe])
    for event in ("dragover", "drop"):
        page.dispatch_event("[data-photo-zone]", event, {"dataTransfer": files})
    expect(chosen(page)).to_contain_text(enrolled.probe.name)
    send_search(page)
    expect_first(page, enrolled)


def test_every_format_can_be_chosen_and_a_pdf_is_told_what_to_do(
    ada: Staff, new_page: NewPage, enrolled: Mate, tmp_path: Path
) -> None:
    page = new_page(ada)
    page.goto("/people/new")
    kinds = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "GIF", "BMP", "JPEG2000", "PDF", "ICO")
    with Image.open(enrolled.probe) as image:
        for kind in kinds:
            image.save(tmp_path / f"photo.{kind.lower()}", kind)
    files = carried(page, [tmp_path / f"photo.{kind.lower()}" for kind in kinds])
    page.dispatch_event("[data-photo-zone]", "drop", {"dataTransfer": files})
    expect(chosen(page)).to_have_count(len(kinds))
    expect(page.locator(".chosen-photo--problem")).to_have_text(
        [re.compile("each page as a JPEG"), re.compile("Save it as")]
    )
    expect(page.locator("[data-photo-status]")).to_contain_text("8 photos are ready to send.")
    expect(page.locator(".photo-drop__hint").first).to_contain_text("25 MiB and 120 megapixels")


def test_a_photo_that_is_pasted_is_searched_for(
    ada: Staff, new_page: NewPage, enrolled: Mate, tmp_path: Path
) -> None:
    page = new_page(ada, permissions=["clipboard-read", "clipboard-write"])
    page.goto("/search")
    copied = tmp_path / "copied.png"
    with Image.open(enrolled.probe) as image:
        image.save(copied)
    page.evaluate(
        """async (transfer) => {
          const image = new Blob([transfer.files[0]], { type: "image/png" });
          await navigator.clipboard.write([new ClipboardItem({ "image/png": image })]);
        }""",
        carried(page, [copied]),
    )
    page.keyboard.press("Control+V")
    expect(chosen(page)).to_have_count(1)
    page.get_by_role("button", name="Remove").click()
    expect(chosen(page)).to_have_count(0)
    page.get_by_role("button", name="Paste").click()
    expect(chosen(page)).to_have_count(1)
    send_search(page)
    expect_first(page, enrolled)


def test_whom_the_camera_sees_is_searched_for(ada: Staff, new_page: NewPage, in_the_picture: Mate) -> None:
    ada.enrol_and_wait(in_the_picture)
    page = new_page(ada)
    page.goto("/search")
    page.get_by_role("button", name="Use the camera").click()
    camera = page.get_by_role("dialog", name="Take a photo")
    camera.get_by_role("button", name="Take photo").click()
    camera.get_by_role("button", name="Retake").click()
    camera.get_by_role("button", name="Take photo").click()
    camera.get_by_role("button", name="Use this photo").click()
    expect(camera).to_be_hidden()
    expect(chosen(page)).to_contain_text("camera-")
    send_search(page)
    expect_first(page, in_the_picture)


def test_another_face_of_a_group_is_chosen_by_mouse_and_by_keyboard(ada: Staff, new_page: NewPage) -> None:
    page = new_page(ada)
    page.goto("/search")
    choose(page, "Choose a photo", [GROUP_PHOTO])
    send_search(page)
    faces = page.locator(".face-choice")
    expect(faces).to_have_count(GROUP_SIZE)
    others = [one for one in range(GROUP_SIZE) if faces.nth(one).get_attribute("aria-pressed") == "false"]
    assert len(others) == GROUP_SIZE - 1

    def expect_chosen(face: int) -> None:
        expect(faces.nth(face)).to_have_attribute("aria-pressed", "true")
        expect(page.locator("[data-search-status=done]")).to_be_visible()
        expect(page.locator(".face-choice[aria-pressed=true]")).to_have_count(1)
        expect(page.get_by_role("heading", name="Candidates")).to_be_visible()

    page.locator(CLICKABLE).nth(others[0]).click()
    expect_chosen(others[0])
    faces.nth(others[1]).focus()
    page.keyboard.press("Enter")
    expect_chosen(others[1])
    page.reload()
    expect_chosen(others[1])


def test_another_face_of_an_enrolled_photo_stands_for_the_person(ada: Staff, new_page: NewPage) -> None:
    page = new_page(ada)
    mate = Mate("One Of Six", [GROUP_PHOTO], GROUP_PHOTO)
    fill_in(page, mate)
    choose(page, "Choose photos", mate.photos)
    send_enrolment(page, photos=1)
    page.locator(".photo-tile__frame").click()
    rows = page.locator("[data-face]")
    expect(rows).to_have_count(GROUP_SIZE)
    other = rows.filter(has=page.get_by_role("button", name="Use this face")).first.get_attribute("data-face")
    page.locator(f"{CLICKABLE}[data-chooses=choose-face-{other}]").click()
    expect(page.locator(f"[data-face='{other}']")).to_contain_text("Stands for One Of Six")
    expect(page.locator("section[data-photo-state=done]")).to_be_visible()
    expect(page.get_by_text("Stands for One Of Six")).to_have_count(1)


def test_a_photo_that_cannot_be_used_says_why(
    ada: Staff, new_page: NewPage, people: Iterator[Mate], faceless: Path, tmp_path: Path
) -> None:
    mate = next(people)
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(mate.photos[1].read_bytes()[:2000])
    page = new_page(ada)
    fill_in(page, mate)
    choose(page, "Choose photos", [mate.photos[0], faceless, cut])
    page.get_by_role("button", name="Enrol", exact=True).click()
    expect(page.locator("[data-photo-state=done]")).to_have_count(1)
    expect(page.locator("[data-photo-state=failed]")).to_have_count(2)
    expect(page.get_by_text("No face was found in the photo.")).to_be_visible()
    expect(page.get_by_text("The photo is damaged or was cut off on the way.")).to_be_visible()

    failed = page.locator("[data-photo-state=failed]").filter(has_text="No face was found")
    failed.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("The photo is being processed again.")).to_be_visible()
    expect(failed).to_have_count(1)
    failed.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_text("The photo is removed.")).to_be_visible()
    expect(page.locator("[data-photo]")).to_have_count(2)


def test_what_is_no_photo_is_told_at_once_and_what_was_chosen_outlives_a_mistake(
    ada: Staff, new_page: NewPage, enrolled: Mate, tmp_path: Path
) -> None:
    letter = tmp_path / "letter.jpg"
    letter.write_text("Dear Sir or Madam")
    page = new_page(ada)
    fill_in(page, enrolled)
    choose(page, "Choose photos", [letter, enrolled.probe])
    expect(chosen(page).filter(has_text="letter.jpg")).to_contain_text("It will not be sent.")
    page.get_by_role("button", name="Enrol", exact=True).click()
    expect(page.locator(".field--wrong")).to_contain_text(f"{enrolled.external_id} is already in use")
    expect(chosen(page)).to_have_count(1)
    expect(chosen(page)).to_contain_text(enrolled.probe.name)


def test_a_search_without_a_face_says_so(ada: Staff, new_page: NewPage, faceless: Path) -> None:
    page = new_page(ada)
    page.goto("/search")
    choose(page, "Choose a photo", [faceless])
    send_search(page, status="failed")
    expect(page.locator("#results")).to_contain_text("No face was found in the photo.")
    expect(page.locator("[data-candidate]")).to_have_count(0)


def test_somebody_unknown_has_no_match(
    ada: Staff, new_page: NewPage, enrolled: Mate, people: Iterator[Mate]
) -> None:
    page = new_page(ada)
    page.goto("/search")
    choose(page, "Choose a photo", [next(people).probe])
    send_search(page)
    expect(page.get_by_text("No match above the threshold").first).to_be_visible()
    expect(page.locator("[data-match=true]")).to_have_count(0)
    assert page.locator("[data-match=false]").count() > 0


def _tab_to(page: Page, name: str) -> None:
    """Press Tab until the element with this name has the focus."""
    # Before that, scripts have not yet made what can be reached by Tab.
    page.wait_for_load_state("load")
    for _ in range(60):
        page.keyboard.press("Tab")
        said = page.evaluate(
            "() => (document.activeElement.labels?.[0] ?? document.activeElement).innerText.trim()"
        )
        if said == name:
            assert page.evaluate("() => document.activeElement.matches(':focus-visible')")
            return
    pytest.fail(f"Tab never came to {name}")


def test_signing_in_and_searching_need_no_mouse(ada: Staff, new_page: NewPage, enrolled: Mate) -> None:
    page = new_page()
    page.goto("/")
    _tab_to(page, "Email")
    page.keyboard.type("ada@harbour.example")
    _tab_to(page, "Password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Harbour Clinic")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    _tab_to(page, "Search")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Search by photo")).to_be_visible()
    _tab_to(page, "Choose a photo")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(str(enrolled.probe))
    expect(chosen(page)).to_have_count(1)
    _tab_to(page, "Search")
    page.keyboard.press("Enter")
    expect(page.locator("[data-search-status=done]")).to_be_visible()
    _tab_to(page, enrolled.name)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(enrolled.name)


def test_menus_and_questions_open_and_close_by_keyboard(
    ada: Staff, new_page: NewPage, enrolled: Mate
) -> None:
    page = new_page(ada)
    page.goto(f"/people?query={enrolled.external_id}")
    page.get_by_role("link", name=enrolled.name).press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(enrolled.name)
    page.wait_for_load_state()
    account = page.locator("details.account")
    account.locator("summary").press("Enter")
    expect(account.get_by_role("button", name="Sign out")).to_be_visible()
    page.keyboard.press("Escape")
    expect(account.get_by_role("button", name="Sign out")).to_be_hidden()
    expect(account.locator("summary")).to_be_focused()
    delete = page.get_by_role("button", name="Delete", exact=True)
    delete.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(delete).to_be_focused()


def test_everything_works_without_javascript(ada: Staff, new_page: NewPage, people: Iterator[Mate]) -> None:
    mate = next(people)
    page = new_page(java_script_enabled=False)
    page.goto("/login")
    page.get_by_label("Email").fill("ada@harbour.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    fill_in(page, mate)
    page.get_by_label("Photos", exact=True).set_input_files([str(photo) for photo in mate.photos])
    page.get_by_role("button", name="Enrol", exact=True).click()
    expect(page.get_by_text(f"{mate.name} is enrolled.")).to_be_visible()
    page.wait_for_load_state()
    _reload_until(page, "[data-photo-state=done]", 2)

    page.goto("/search")
    page.get_by_label("Photo to search for").set_input_files(str(mate.probe))
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator("[data-search-status]")).to_be_visible()
    page.wait_for_load_state()
    _reload_until(page, "[data-search-status=done]", 1)
    expect_first(page, mate)

    page.get_by_role("link", name=mate.name).click()
    page.locator("main summary", has_text="Delete").click()
    page.locator(".confirm[open]").get_by_role("button", name="Delete").click()
    expect(page.get_by_text(f"{mate.name} is deleted, with all photos.")).to_be_visible()


def _reload_until(page: Page, selector: str, count: int) -> None:
    """Follow the page's own "Reload the page" until what is looked for is there."""
    while page.locator(selector).count() < count:
        with page.expect_navigation():
            page.get_by_role("link", name="Reload the page").click()


def test_a_viewer_searches_and_changes_nothing(vera: Staff, new_page: NewPage, enrolled: Mate) -> None:
    page = new_page(vera)
    page.goto("/")
    expect(page.get_by_role("link", name="Members")).to_have_count(0)
    expect(page.get_by_text("Enrol a person")).to_have_count(0)
    page.goto(f"/people?query={enrolled.external_id}")
    expect(page.get_by_text("Enrol a person")).to_have_count(0)
    page.get_by_role("link", name=enrolled.name).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(enrolled.name)
    for words in ("Delete", "Change", "Remove", "Add"):
        expect(page.get_by_role("button", name=words)).to_have_count(0)
    page.goto("/search")
    choose(page, "Choose a photo", [enrolled.probe])
    send_search(page)
    expect_first(page, enrolled)
    expect(page.get_by_role("button", name="Delete")).to_have_count(0)
    answer = page.goto("/people/new")
    assert answer
    assert answer.status == 403


def test_light_and_dark_are_the_readers_choice(new_page: NewPage, first_run: object) -> None:
    def brightness(scheme: str) -> float:
        page = new_page(color_scheme=scheme)
        page.goto("/login")
        with Image.open(BytesIO(page.screenshot())) as shot:
            return float(ImageStat.Stat(shot.convert("L")).mean[0])

    assert brightness("light") > 200
    assert brightness("dark") < 60
