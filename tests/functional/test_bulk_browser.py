"""Enrolling many in Chromium: folders, ZIPs and manifests on their way from the page into the gallery."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

import pytest
from openpyxl import Workbook
from PIL import Image
from playwright.sync_api import Dialog, Route, expect

from tests.functional.bulk_pages import (
    ENROL,
    Sent,
    choose_files,
    cut_after,
    drop,
    expect_done,
    expect_sent,
    expect_words,
    folders_of,
    refuse,
    start_enrolling,
)
from tests.functional.looks import look_at
from tests.functional.pages import NewPage
from tests.functional.staff import Staff
from tests.functional.up_portal import BROWSING, UpPortal
from tests.visitor import PASSWORD

pytestmark = pytest.mark.xdist_group(BROWSING)

BEA = "bea@bulk.example"
# As many small photos go in one request (static/js/bulk/sending.js).
PARCEL = 20


@pytest.fixture(scope="module")
def bea(portal: UpPortal, first_run: object) -> Staff:
    """An operator of an organization in which only these tests enrol."""
    portal.add_user(BEA, portal.add_organization("Bulk School"), "operator")
    return Staff(portal, BEA)


@pytest.fixture(scope="module")
def faces(lfw: Path) -> list[Path]:
    """Photos of different people."""
    return [min(folder.glob("*.jpg")) for folder in sorted(lfw.iterdir())[:60]]


def test_a_folder_that_is_dropped_is_read_and_enrolled(
    bea: Staff, new_page: NewPage, faces: list[Path], tmp_path: Path
) -> None:
    folder = folders_of(tmp_path, "DROP", faces[:3])
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / "DROP-000" / "Thumbs.db").write_bytes(b"\0")
    page = new_page(bea)
    page.goto("/enrol")
    expect(page.get_by_role("button", name="Enrol", exact=True)).to_be_disabled()
    drop(page, folder)
    expect_words(page, "2 hidden system files are left out.")
    expect(page.locator("#reading")).to_contain_text("DROP-002")
    expect(page.get_by_label("Its folder says")).to_be_checked()
    page.get_by_label("Its file name says").check()
    expect(page.locator("#reading tbody tr")).to_have_count(1)
    expect(page.get_by_label("Its file name says")).to_be_focused()
    page.get_by_label("Its folder says").check()
    expect(page.locator("#reading tbody tr")).to_have_count(3)
    start_enrolling(page, "Enrol 3 photos")
    expect_sent(page, "3 photos have arrived. You can close this tab")
    expect_done(page, enrolled=3)
    page.goto("/people?query=DROP-001")
    expect(page.locator("[data-person=DROP-001]")).to_contain_text("1 usable")

    page.goto("/enrol")
    drop(page, folder)
    start_enrolling(page, "Enrol 3 photos")
    expect_done(page, already_there=3)


def test_folder_and_files_are_chosen_by_buttons_and_removed_again(
    bea: Staff, new_page: NewPage, faces: list[Path], tmp_path: Path
) -> None:
    folder = folders_of(tmp_path, "CHOSEN", faces[:2])
    page = new_page(bea)
    page.goto("/enrol")
    choose_files(page, "Choose files", faces[0])
    expect(page.get_by_role("button", name=ENROL)).to_have_text("Enrol 1 photo")
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_role("button", name="Choose files")).to_be_focused()
    expect(page.locator("[data-bulk-chosen]")).to_be_hidden()
    for _ in range(2):
        choose_files(page, "Choose a folder", folder)
    expect_words(page, "2 files were there already.")
    start_enrolling(page, "Enrol 2 photos")
    expect_done(page, enrolled=2)


def test_a_zip_is_read_before_it_is_sent(
    bea: Staff, new_page: NewPage, faces: list[Path], tmp_path: Path
) -> None:
    path = tmp_path / "staff.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, photo in enumerate(faces[:3]):
            archive.write(photo, f"staff/ZIP-{number}/photo.jpg")
        archive.writestr("__MACOSX/staff/._photo.jpg", b"\0")
        # As large as several pieces.
        archive.writestr("staff/ZIP-9/noise.jpg", bytes(20_000_000))
    page = new_page(bea)
    page.goto("/enrol")
    choose_files(page, "Choose files", path)
    expect(page.locator("[data-bulk-special]")).to_contain_text("4 files in it.")
    expect_words(page, "1 hidden system file is left out.")
    expect(page.locator("#reading")).to_contain_text("ZIP-2")
    start_enrolling(page, "Enrol 4 photos")
    expect_sent(page, "1 ZIP has arrived.")
    expect_done(page, enrolled=3, attention=1)


def test_a_zip_whose_names_cannot_be_read_is_sent_nevertheless(
    bea: Staff, new_page: NewPage, tmp_path: Path
) -> None:
    path = tmp_path / "cut.zip"
    path.write_bytes(b"PK\3\4 and no end")
    page = new_page(bea)
    page.goto("/enrol")
    choose_files(page, "Choose files", path)
    expect_words(page, "are read after the upload")
    start_enrolling(page, "Enrol what is in the ZIP")
    expect_words(page, "cut.zip can't be used.")


def test_a_manifest_says_who_is_on_the_photos(
    bea: Staff, new_page: NewPage, faces: list[Path], tmp_path: Path
) -> None:
    photos = [
        Path(shutil.copy(photo, tmp_path / f"IMG_{number}.jpg")) for number, photo in enumerate(faces[:2])
    ]
    manifest, other = tmp_path / "who.csv", tmp_path / "other.csv"
    manifest.write_text("external_id,name,photo\nCSV-1,Una Stahl,IMG_0.jpg\nCSV-2,Ivo Kern,IMG_1.jpg\n")
    other.write_text("colour,size\nred,3\n")
    page = new_page(bea)
    page.goto("/enrol")
    choose_files(page, "Choose a list", manifest)
    expect_words(page, "Drop the photos that the list names, too.")
    choose_files(page, "Choose files", *photos, other)
    expect_words(page, "There are several lists.")
    page.get_by_role("button", name="Remove who.csv").click()
    expect_words(page, "Which column is the external ID?")
    expect(page.get_by_role("button", name=ENROL)).to_be_disabled()
    choose_files(page, "Choose a list", manifest)
    page.get_by_role("button", name="Remove other.csv").click()
    expect(page.locator("#reading")).to_contain_text("Una Stahl")
    start_enrolling(page, "Enrol 2 photos")
    expect_sent(page, "2 photos have arrived.")
    expect_done(page, enrolled=2)


def test_what_the_columns_of_a_list_are_is_chosen(
    bea: Staff, new_page: NewPage, faces: list[Path], tmp_path: Path, axe: str
) -> None:
    photo = Path(shutil.copy(faces[0], tmp_path / "one.jpg"))
    book = Workbook()
    assert book.active is not None
    book.active.append(["Number", "ID", "Name", "Photo"])
    book.active.append([1, "KX-77", "Una Stahl", r"D:\class\ONE.JPG"])
    book.save(tmp_path / "list.xlsx")
    page = new_page(bea)
    page.goto("/enrol")
    choose_files(page, "Choose files", photo, tmp_path / "list.xlsx")
    expect_words(page, "Several columns could be the external ID.")
    expect(page.get_by_role("button", name=ENROL)).to_be_disabled()
    assert look_at(page, axe) == []
    page.get_by_label("ID", exact=True).focus()
    page.get_by_label("ID", exact=True).select_option(label="external ID")
    expect(page.locator("#reading")).to_contain_text("Una Stahl")
    expect(page.get_by_label("ID", exact=True)).to_be_focused()
    start_enrolling(page, "Enrol 1 photo")
    expect_sent(page, "1 photo has arrived.")
    expect_done(page, enrolled=1)


def test_who_is_on_the_photos_of_classes_is_asked_and_said(
    bea: Staff, new_page: NewPage, faces: list[Path], tmp_path: Path, axe: str
) -> None:
    for folder, face in (("4A", faces[0]), ("4B", faces[1])):
        (tmp_path / "classes" / folder).mkdir(parents=True)
        shutil.copy(face, tmp_path / "classes" / folder / "1.jpg")
    page = new_page(bea)
    page.goto("/enrol")
    choose_files(page, "Choose a folder", tmp_path / "classes")
    expect_words(page, "Say who is on these photos.")
    expect(page.get_by_role("button", name=ENROL)).to_be_disabled()
    assert look_at(page, axe) == []
    together = page.get_by_label("Its folder and file name together")
    together.check()
    expect(page.locator("#reading")).to_contain_text("4B 1")
    expect(together).to_be_focused()
    start_enrolling(page, "Enrol 2 photos")
    expect_done(page, enrolled=2)


def test_a_manifest_that_turns_out_wrong_is_replaced_on_the_way(
    bea: Staff, new_page: NewPage, faces: list[Path], tmp_path: Path
) -> None:
    photo = Path(shutil.copy(faces[0], tmp_path / "one.jpg"))
    wrong, right = tmp_path / "wrong.csv", tmp_path / "right.csv"
    right.write_text("external_id,name,photo\nLATE-1,Una Stahl,one.jpg\n")
    # The portal reads the first 64 KiB in advance; what is wrong comes after them.
    padding = "".join(f"LATE-{number},Someone,none-{number}.jpg\n" for number in range(2, 4000))
    wrong.write_bytes((right.read_text() + padding).encode() + b"LATE-X,\xff\xfe\x81,one.jpg\n\0\n")
    page = new_page(bea)
    page.goto("/enrol")
    choose_files(page, "Choose files", photo, wrong)
    start_enrolling(page, "Enrol 1 photo")
    expect_words(page, "The list can't be used.")
    choose_files(page, "Choose another list", right)
    expect_sent(page, "1 photo has arrived.")
    expect_done(page, enrolled=1)


def test_sending_goes_on_when_the_connection_is_back(
    bea: Staff, new_page: NewPage, faces: list[Path], tmp_path: Path
) -> None:
    page = new_page(bea)
    sent = Sent(page)
    page.goto("/enrol")
    drop(page, folders_of(tmp_path, "CUT", faces[: 2 * PARCEL + 5]))
    cut_after(page, requests=1)
    start_enrolling(page, "Enrol 45 photos")
    expect_words(page, "The connection was lost.")
    expect(page.locator("[data-sending-words]")).to_contain_text(re.compile("^(20|5) of 45 photos sent"))
    page.context.set_offline(True)
    page.unroute("**/enrol/*/photos")
    page.context.set_offline(False)
    expect_sent(page, "45 photos have arrived.")
    assert len(set(sent.items)) == len(sent.items) == 45
    expect_done(page, enrolled=45)


def test_sending_goes_on_with_less_at_once_when_the_portal_has_too_much_under_way(
    bea: Staff, new_page: NewPage, faces: list[Path], tmp_path: Path
) -> None:
    page = new_page(bea)
    sent = Sent(page)
    refusals = refuse(page, requests=3)
    page.goto("/enrol")
    drop(page, folders_of(tmp_path, "MUCH", faces[: 3 * PARCEL]))
    start_enrolling(page, "Enrol 60 photos")
    expect_words(page, "The portal has much to do.")
    expect_sent(page, "60 photos have arrived.")
    assert refusals.at_once_before == 3
    assert refusals.at_once_after == 1
    assert len(set(sent.items)) == len(sent.items) == 60


def test_after_a_closed_tab_only_what_is_missing_is_sent(
    bea: Staff, new_page: NewPage, faces: list[Path], tmp_path: Path, axe: str
) -> None:
    folder = folders_of(tmp_path, "TAB", faces[: PARCEL + 5])
    page = new_page(bea)
    first = Sent(page)
    page.goto("/enrol")
    drop(page, folder)
    cut_after(page, requests=1)
    start_enrolling(page, "Enrol 25 photos")
    expect(page.locator("[data-sending-words]")).to_contain_text(re.compile("^(20|5) of 25 photos sent"))
    batch, arrived = page.url, first.items
    asked: list[str] = []

    def leave(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", leave)
    with page.expect_event("close"):
        page.close(run_before_unload=True)
    assert asked == ["beforeunload"]

    # Meanwhile someone has put another photo in the place of one that had arrived.
    shutil.copy(faces[-1], folder / ("TAB-000" if len(arrived) == PARCEL else "TAB-024") / "photo.jpg")
    page = new_page(bea)
    second = Sent(page)
    page.goto(batch)
    expect_words(page, "Not everything has arrived.")
    assert look_at(page, axe) == []
    drop(page, folder)
    expect_sent(page, f"24 photos have arrived, {len(arrived) - 1} of them earlier.")
    expect(page.locator("[data-sending-problems]")).to_contain_text(
        "Another photo of this name has arrived in this batch. Drop this one in a batch of its own."
    )
    assert len(second.items) == 25 - len(arrived)
    assert not set(second.items) & set(arrived)
    expect_done(page, enrolled=25)


def test_sending_waits_for_somebody_to_sign_in_again(
    bea: Staff, new_page: NewPage, faces: list[Path], tmp_path: Path
) -> None:
    page = new_page(bea)
    page.goto("/enrol")
    drop(page, folders_of(tmp_path, "SIGN", faces[:2]))
    expect(page.get_by_role("button", name=ENROL)).to_be_enabled()

    # It ends just before the photos go.
    def end_the_session(route: Route) -> None:
        page.context.clear_cookies()
        route.continue_()

    page.route("**/enrol/*/announced", end_the_session)
    start_enrolling(page, "Enrol 2 photos")
    expect_words(page, "You were signed out.")
    # The page's polled part finds out as well, and stays.
    with page.expect_response(lambda answer: answer.url.endswith("/progress") and answer.status == 401):
        pass
    page.unroute("**/enrol/*/announced")
    tab = page.context.new_page()
    tab.goto("/login")
    tab.get_by_label("Email").fill(BEA)
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.get_by_role("heading", name="Bulk School")).to_be_visible()
    expect_sent(page, "2 photos have arrived.")
    expect_done(page, enrolled=2)


def test_sending_stops_and_the_batch_is_paused_without_leaving_the_page(
    bea: Staff, new_page: NewPage, faces: list[Path], tmp_path: Path
) -> None:
    page = new_page(bea)
    page.goto("/enrol")
    drop(page, folders_of(tmp_path, "STOP", faces[:3]))
    expect(page.get_by_role("button", name=ENROL)).to_be_enabled()
    cut_after(page, requests=0)
    start_enrolling(page, "Enrol 3 photos")
    page.get_by_role("button", name="Stop sending").click()
    expect(page.get_by_role("heading", name="Sending is stopped")).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("[data-batch-status=paused]")).to_be_visible()
    page.unroute("**/enrol/*/photos")
    page.get_by_role("button", name="Go on sending").click()
    expect_words(page, "The batch is paused. Sending goes on by itself")
    page.get_by_role("button", name="Go on", exact=True).click()
    expect_sent(page, "3 photos have arrived.")
    expect_done(page, enrolled=3)


def test_a_batch_that_is_cancelled_takes_nothing_more(
    bea: Staff, new_page: NewPage, faces: list[Path], tmp_path: Path
) -> None:
    page = new_page(bea)
    page.goto("/enrol")
    drop(page, folders_of(tmp_path, "CANCEL", faces[:2]))
    expect(page.get_by_role("button", name=ENROL)).to_be_enabled()
    cut_after(page, requests=0)
    start_enrolling(page, "Enrol 2 photos")
    page.get_by_role("button", name="Cancel the batch").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the batch").click()
    expect(page.locator("[data-batch-status=cancelled]")).to_be_visible()
    page.unroute("**/enrol/*/photos")
    expect(page.get_by_role("heading", name="Sending has ended")).to_be_visible()
    expect(page.locator("[data-sending-words]")).to_have_text("The batch was cancelled. Start a new one.")


def test_what_is_not_accepted_is_listed_with_its_reason(
    bea: Staff, new_page: NewPage, faces: list[Path], tmp_path: Path, axe: str
) -> None:
    folder = folders_of(tmp_path, "WRONG", faces[:1])
    (folder / "WRONG-001").mkdir()
    (folder / "WRONG-001" / "letter.jpg").write_text("Dear Sir or Madam")
    with (folder / "WRONG-001" / "film.jpg").open("wb") as film:
        film.truncate(26 * 1024**2)
    Image.new("RGB", (400, 300), (170, 160, 150)).save(folder / "WRONG-001" / "wall.jpg")
    page = new_page(bea)
    page.goto("/enrol")
    drop(page, folder)
    expect(page.get_by_role("button", name=ENROL)).to_be_enabled()
    assert look_at(page, axe) == []
    start_enrolling(page, "Enrol 4 photos")
    expect_sent(page, "2 photos have arrived.")
    problems = page.locator("[data-sending-problems]")
    expect(problems).to_contain_text("2 files were not accepted.")
    expect(problems.locator("li", has_text="letter.jpg")).to_contain_text("not a photo")
    expect(problems.locator("li", has_text="film.jpg")).to_contain_text("larger than 25 MiB")
    expect_done(page, enrolled=1, attention=3)
    assert look_at(page, axe) == []


def test_many_are_enrolled_without_javascript(
    bea: Staff, new_page: NewPage, faces: list[Path], tmp_path: Path
) -> None:
    photos = [shutil.copy(photo, tmp_path / f"PLAIN-{number}.jpg") for number, photo in enumerate(faces[:2])]
    page = new_page(bea, java_script_enabled=False)
    page.goto("/enrol")
    page.get_by_label("Its file name says").check()
    page.get_by_label("External IDs").check()
    page.get_by_label("Photos, or a ZIP of them").set_input_files(photos)
    page.get_by_role("button", name="Enrol", exact=True).click()
    expect(page).to_have_url(re.compile(r"/enrol/\d+$"))
    while page.locator("[data-batch-status=done]").count() == 0:
        with page.expect_navigation():
            page.get_by_role("link", name="Reload the page").click()
    expect_done(page, enrolled=2)
