"""Photos from a folder, a ZIP or a manifest on this machine: what is taken, what is left, what is said."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.batches.importing import RECEIVED_AT_ONCE, find_photos, find_source, import_source
from portal.batches.list_lines import ManifestError
from portal.batches.models import Batch, KnownPeople
from portal.batches.naming import Grouping, Label
from portal.batches.opening import BatchError
from portal.organizations.models import Organization
from portal.photos.reasons import MAX_PHOTO_BYTES
from portal.storage import photo_store
from tests.make.batches import finish, zipped
from tests.make.people import TESTER
from tests.make.photos import mate, picture
from tests.read.batches import assert_sound, fates, people
from tests.run.workers import Worker

Hand = Callable[..., int]


@pytest.fixture
def hand_over(session: Session, clinic: Organization) -> Hand:
    """Import a path into the clinic; returns the number of the batch."""

    def hand(path: Path, **chosen: Any) -> int:
        options = {
            "grouping": None,
            "label": None,
            "known": KnownPeople.ADD,
            "tell": lambda total, done: None,
        }
        source = find_source(path)
        batch = import_source(
            session, clinic, TESTER, source, find_photos(source), photo_store(), **{**options, **chosen}
        )
        return batch.id

    return hand


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder that is imported."""
    path = tmp_path / "photos"
    path.mkdir()
    return path


@pytest.fixture(scope="session")
def ana(lfw: Path) -> list[bytes]:
    """Three photos of one person."""
    return [mate(lfw, "Ahmed_Chalabi", number) for number in (1, 2, 3)]


@pytest.fixture(scope="session")
def ben(lfw: Path) -> bytes:
    """A photo of another one."""
    return mate(lfw, "Aaron_Tippin")


def lay(folder: Path, files: dict[str, bytes]) -> None:
    """Put files into a folder, by their paths in it."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def batches(session: Session) -> int:
    session.rollback()
    return session.scalar(select(func.count()).select_from(Batch)) or 0


def test_a_folder_with_a_folder_for_each_person(
    session: Session, hand_over: Hand, worker: Worker, folder: Path, ana: list[bytes], ben: bytes
) -> None:
    lay(folder, {"Ana_Lima/1.jpg": ana[0], "Ana_Lima/2.jpg": ana[1], "more/Ben_Okafor/a.jpg": ben})
    batch = hand_over(folder)
    finish(worker)
    assert people(session) == {"Ana_Lima": 2, "Ben_Okafor": 1}
    assert set(fates(session, batch).values()) == {"enrolled"}
    row = session.get_one(Batch, batch)
    assert row.source == f"from {folder}"
    assert (row.created_by, row.grouping, row.label) == (TESTER.name, "folder", "name")
    assert_sound(session, {batch: 3})


def test_a_folder_with_a_file_for_each_person(
    session: Session, hand_over: Hand, worker: Worker, folder: Path, ana: list[bytes], ben: bytes
) -> None:
    lay(folder, {"A-1.jpg": ana[0], "B-2.jpg": ben})
    batch = hand_over(folder)
    finish(worker)
    assert people(session) == {"A-1": 1, "B-2": 1}
    row = session.get_one(Batch, batch)
    assert (row.grouping, row.label) == ("file", "external_id")


def test_how_names_are_read_can_be_chosen(
    session: Session, hand_over: Hand, worker: Worker, folder: Path, ana: list[bytes], ben: bytes
) -> None:
    lay(folder, {"2026/A-1.jpg": ana[0], "2027/B-2.jpg": ben})
    batch = hand_over(folder, grouping=Grouping.FILE)
    finish(worker)
    assert people(session) == {"A-1": 1, "B-2": 1}
    other = hand_over(folder, grouping=Grouping.FOLDER, label=Label.EXTERNAL_ID)
    finish(worker)
    assert people(session) == {"2026": 1, "2027": 1, "A-1": 1, "B-2": 1}
    assert_sound(session, {batch: 2, other: 2})


def test_a_zip(
    session: Session, hand_over: Hand, worker: Worker, tmp_path: Path, ana: list[bytes], ben: bytes
) -> None:
    archive = tmp_path / "people.ZIP"
    archive.write_bytes(zipped({"Ana/1.jpg": ana[0], "Ana/2.jpg": ana[1], "Ben/1.jpg": ben, ".hidden": b"x"}))
    batch = hand_over(archive)
    finish(worker)
    assert people(session) == {"Ana": 2, "Ben": 1}
    assert session.get_one(Batch, batch).left_out == 1
    assert list(photo_store().archives(time.time() + 60)) == []
    assert_sound(session, {batch: 3})
    again = hand_over(archive)
    finish(worker)
    assert set(fates(session, again).values()) == {"already_there"}
    assert_sound(session, {batch: 3, again: 3})


def test_a_manifest_takes_the_photos_that_it_names_and_no_others(
    session: Session, hand_over: Hand, worker: Worker, folder: Path, ana: list[bytes], ben: bytes
) -> None:
    lay(folder, {"a.jpg": ana[0], "deeper/b.jpg": ben, "of nobody.jpg": ana[2]})
    (folder / "list.csv").write_text(
        "id,name,photo\nA-1,Ana Lima,a.jpg\nB-2,Ben,deeper/b.jpg\nC-3,Cy,c.jpg\n"
    )
    batch = hand_over(folder / "list.csv")
    finish(worker)
    assert people(session) == {"A-1": 1, "B-2": 1}
    assert fates(session, batch) == {
        "a.jpg": "enrolled",
        "deeper/b.jpg": "enrolled",
        "c.jpg": "attention photo_not_found",
    }
    assert_sound(session, {batch: 3})


def test_a_manifest_names_nothing_outside_of_its_folder(
    session: Session, hand_over: Hand, worker: Worker, folder: Path, ana: list[bytes], ben: bytes
) -> None:
    lay(folder.parent, {"outside.jpg": ben})
    lay(folder, {"a.jpg": ana[0], "sub/.keep": b""})
    outside = folder.parent / "outside.jpg"
    rows = ["A-1,Ana,a.jpg", "B-2,Ben,../outside.jpg", "C-3,Cy,sub/../../outside.jpg", f"D-4,Di,{outside}"]
    (folder / "list.csv").write_text("\n".join(["id,name,photo", *rows]))
    batch = hand_over(folder / "list.csv")
    finish(worker)
    assert people(session) == {"A-1": 1}
    assert sorted(fates(session, batch).values()) == ["attention photo_not_found"] * 3 + ["enrolled"]
    assert_sound(session, {batch: 4})


@pytest.mark.parametrize("name", ["list.csv", "People.CSV"])
def test_a_manifest_in_the_folder_says_who_is_on_its_photos(
    name: str,
    session: Session,
    hand_over: Hand,
    worker: Worker,
    folder: Path,
    ana: list[bytes],
    ben: bytes,
) -> None:
    lay(folder, {"Some folder/a.jpg": ana[0], "Other folder/b.jpg": ben, f"._{name}": b"of macOS"})
    (folder / name).write_text("id;name;photo\nA-1;Ana;a.jpg\n")
    batch = hand_over(folder)
    finish(worker)
    assert people(session) == {"A-1": 1}
    assert fates(session, batch) == {
        "a.jpg": "enrolled",
        "Other folder/b.jpg": "attention not_in_manifest",
    }
    assert session.get_one(Batch, batch).left_out == 1
    assert_sound(session, {batch: 2})


def test_hidden_files_of_the_system_are_left_out_and_counted(
    session: Session, hand_over: Hand, folder: Path
) -> None:
    hidden = [".DS_Store", "Ana/Thumbs.db", "__MACOSX/Ana/._1.jpg", ".trash/2.jpg", "Ana/desktop.ini"]
    lay(folder, {"Ana/1.jpg": picture(1), "Ben/1.jpg": picture(2), **dict.fromkeys(hidden, b"x")})
    batch = hand_over(folder)
    assert fates(session, batch) == {"Ana/1.jpg": "received", "Ben/1.jpg": "received"}
    assert session.get_one(Batch, batch).left_out == len(hidden)


@pytest.mark.skipif(sys.platform != "linux", reason="the file that not even root can read is Linux's")
def test_what_cannot_be_read_needs_attention_and_the_others_go_on(
    session: Session, hand_over: Hand, worker: Worker, folder: Path, ana: list[bytes], ben: bytes
) -> None:
    lay(folder, {"Ana/1.jpg": ana[0], "Ana/page.pdf": b"%PDF-1.4", "Ben/1.jpg": ben})
    (folder / "Ana/gone.jpg").symlink_to("nowhere")
    (folder / "Ana/unreadable.jpg").symlink_to("/proc/self/mem")
    os.mkfifo(folder / "Ana/pipe.jpg")
    with (folder / "Ana/large.jpg").open("wb") as large:
        large.truncate(MAX_PHOTO_BYTES + 1)
    batch = hand_over(folder, grouping=Grouping.FOLDER)
    finish(worker)
    assert fates(session, batch) == {
        "Ana/1.jpg": "enrolled",
        "Ana/gone.jpg": "attention not_arrived",
        "Ana/large.jpg": "attention too_large",
        "Ana/page.pdf": "attention pdf",
        "Ana/pipe.jpg": "attention not_arrived",
        "Ana/unreadable.jpg": "attention not_arrived",
        "Ben/1.jpg": "enrolled",
    }
    assert_sound(session, {batch: 7})

    # Put right, and imported again.
    (folder / "Ana/gone.jpg").unlink()
    lay(folder, {"Ana/gone.jpg": ana[1]})
    again = hand_over(folder, grouping=Grouping.FOLDER)
    finish(worker)
    assert people(session) == {"Ana": 2, "Ben": 1}
    assert fates(session, again)["Ana/gone.jpg"] == "added"
    assert_sound(session, {batch: 7, again: 7})


def test_a_store_that_does_not_work_is_not_the_fault_of_the_photos(
    session: Session, hand_over: Hand, folder: Path
) -> None:
    lay(folder, {"Ana/1.jpg": picture(1), "Ben/1.jpg": picture(2)})
    incoming = photo_store().folder / "incoming"
    incoming.parent.mkdir(parents=True, exist_ok=True)
    incoming.write_bytes(b"")
    with pytest.raises(OSError, match="incoming"):
        hand_over(folder)
    incoming.unlink()
    batch = hand_over(folder)
    assert batches(session) == 1
    assert fates(session, batch) == {"Ana/1.jpg": "received", "Ben/1.jpg": "received"}


def test_names_that_differ_in_their_case_only_are_different_photos(
    session: Session, hand_over: Hand, worker: Worker, folder: Path, ana: list[bytes], ben: bytes
) -> None:
    lay(folder, {"Ana/a.jpg": ana[0], "Ana/A.JPG": ana[1], "Ben/a.jpg": ben})
    if len(list((folder / "Ana").iterdir())) == 1:
        pytest.skip("this disk does not tell the two names apart")
    batch = hand_over(folder)
    finish(worker)
    assert people(session) == {"Ana": 2, "Ben": 1}
    assert_sound(session, {batch: 3})


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
def test_a_file_name_that_is_no_text_is_no_obstacle(session: Session, hand_over: Hand, folder: Path) -> None:
    lay(folder, {"Ana/1.jpg": picture(1), "Ben/1.jpg": picture(2)})
    for number, name in enumerate((b"Ana/caf\xe9.jpg", b"Ana/caf\xe8.jpg", b"Ana/two\nlines.jpg")):
        (folder / os.fsdecode(name)).write_bytes(picture(3 + number))
    batch = hand_over(folder)
    assert set(fates(session, batch).values()) == {"received"}
    assert_sound(session, {batch: 5})


def test_people_who_are_enrolled_can_be_left_as_they_are(
    session: Session, hand_over: Hand, worker: Worker, folder: Path, ana: list[bytes], ben: bytes
) -> None:
    lay(folder, {"Ana/1.jpg": ana[0], "Ana/2.jpg": ana[1]})
    first = hand_over(folder, grouping=Grouping.FOLDER)
    finish(worker)
    lay(folder, {"Ana/3.jpg": ana[2], "Ben/1.jpg": ben})
    second = hand_over(folder, grouping=Grouping.FOLDER, known=KnownPeople.SKIP)
    finish(worker)
    assert people(session) == {"Ana": 2, "Ben": 1}
    assert fates(session, second) == {
        "Ana/1.jpg": "already_there left_as_it_is",
        "Ana/2.jpg": "already_there left_as_it_is",
        "Ana/3.jpg": "already_there left_as_it_is",
        "Ben/1.jpg": "enrolled",
    }
    third = hand_over(folder, grouping=Grouping.FOLDER)
    finish(worker)
    assert people(session) == {"Ana": 3, "Ben": 1}
    assert fates(session, third) == {
        "Ana/1.jpg": "already_there",
        "Ana/2.jpg": "already_there",
        "Ana/3.jpg": "added",
        "Ben/1.jpg": "already_there",
    }
    assert_sound(session, {first: 2, second: 4, third: 4})


def test_an_import_that_was_broken_off_goes_on_and_reads_nothing_twice(
    session: Session, hand_over: Hand, folder: Path
) -> None:
    count = RECEIVED_AT_ONCE + 5
    lay(folder, {f"P-{number}.jpg": picture(number) for number in range(count)})

    def break_off(total: int, done: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hand_over(folder, tell=break_off)
    told: list[tuple[int, int]] = []
    batch = hand_over(folder, tell=lambda total, done: told.append((total, done)))
    assert told == [(count, RECEIVED_AT_ONCE), (count, count)]
    assert batches(session) == 1
    assert set(fates(session, batch).values()) == {"received"}
    assert_sound(session, {batch: count})


def test_an_import_that_goes_on_reads_names_as_it_began(
    session: Session, hand_over: Hand, folder: Path
) -> None:
    """Else some of the photos would be enrolled under names of another kind."""
    count = RECEIVED_AT_ONCE + 2
    lay(folder, {f"{number % 3}/P-{number}.jpg": picture(number) for number in range(count)})

    def break_off(total: int, done: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hand_over(folder, grouping=Grouping.FILE, tell=break_off)
    for chosen in ({"grouping": Grouping.FOLDER}, {"grouping": Grouping.FILE, "label": Label.NAME}):
        with pytest.raises(BatchError, match="is not finished, and reads names by file and external_id"):
            hand_over(folder, tell=break_off, **chosen)
    assert batches(session) == 1
    batch = hand_over(folder)
    assert batches(session) == 1
    assert set(fates(session, batch).values()) == {"received"}
    assert_sound(session, {batch: count})


@pytest.mark.parametrize("chosen", [{"grouping": Grouping.FILE}, {"label": Label.EXTERNAL_ID}])
def test_the_same_command_goes_on(
    session: Session, hand_over: Hand, folder: Path, chosen: dict[str, Any]
) -> None:
    lay(folder, {f"P-{number}.jpg": picture(number) for number in range(RECEIVED_AT_ONCE + 2)})

    def break_off(total: int, done: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hand_over(folder, tell=break_off, **chosen)
    hand_over(folder, **chosen)
    assert batches(session) == 1


def test_a_manifest_that_was_broken_off_goes_on(session: Session, hand_over: Hand, folder: Path) -> None:
    lay(folder, {"a.jpg": picture(1), "b.jpg": picture(2), "of nobody.jpg": picture(3)})
    (folder / "list.csv").write_text("id,name,photo\nA-1,Ana,a.jpg\nB-2,Ben,b.jpg\n")

    def break_off(total: int, done: int) -> None:
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            hand_over(folder, tell=break_off)
    batch = hand_over(folder)
    assert batches(session) == 1
    assert fates(session, batch) == {
        "a.jpg": "received",
        "b.jpg": "received",
        "of nobody.jpg": "attention not_in_manifest",
    }
    assert_sound(session, {batch: 3})


def test_nothing_to_import_is_told(session: Session, hand_over: Hand, folder: Path) -> None:
    with pytest.raises(BatchError, match=f"^{folder}/none does not exist"):
        hand_over(folder / "none")
    lay(folder, {"notes.md": b"x", ".hidden.jpg": b"x"})
    with pytest.raises(BatchError, match="neither a folder nor a ZIP"):
        hand_over(folder / "notes.md")
    (folder / "notes.md").unlink()
    with pytest.raises(BatchError, match="There is no photo"):
        hand_over(folder)
    lay(folder, {"a.csv": b"id,name,photo\nA-1,Ana,a.jpg\n"})
    with pytest.raises(BatchError, match="There is no photo"):
        hand_over(folder / "a.csv")
    lay(folder, {"a.jpg": picture(1), "b.csv": b""})
    with pytest.raises(BatchError, match="holds 2 lists"):
        hand_over(folder)
    with pytest.raises(ManifestError, match="The manifest is empty"):
        hand_over(folder / "b.csv")
    assert batches(session) == 0
    assert fates(session, hand_over(folder / "a.csv")) == {"a.jpg": "received"}


def test_a_manifest_with_a_fault_at_its_end_begins_nothing(
    session: Session, hand_over: Hand, folder: Path
) -> None:
    lay(folder, {"a.jpg": picture(1), "list.csv": b'id,name,photo\nA-1,Ana,a.jpg\nB-2,"Ben,b.jpg\n'})
    with pytest.raises(ManifestError, match="quotation mark"):
        hand_over(folder)
    assert batches(session) == 0


@pytest.mark.parametrize(
    ("case", "there"),
    [
        ("folder_synology", {"Anna Nas": 1, "Bo Nas": 1}),
        ("folder_one_person", {"Anna Lindqvist": 2}),
        ("zip_copies.zip", {"31001": 3}),
        ("zip_pattern.zip", {"12345": 1, "12346": 1}),
    ],
)
def test_folders_that_came_out_wrong(
    hand_over: Hand, worker: Worker, session: Session, cases: Path, case: str, there: dict[str, int]
) -> None:
    hand_over(cases / case)
    finish(worker)
    assert people(session) == there


def test_a_folder_that_may_be_a_class_is_asked_about_before_anything_is_begun(
    hand_over: Hand, folder: Path, session: Session
) -> None:
    (folder / "4A").mkdir()
    (folder / "4A" / "1.jpg").write_bytes(picture(1))
    with pytest.raises(BatchError, match="--grouping both"):
        hand_over(folder)
    assert session.scalar(select(func.count()).select_from(Batch)) == 0
    hand_over(folder, grouping=Grouping.BOTH)
    assert session.scalars(select(Batch.grouping)).all() == ["both"]
