"""What a batch will hold: every row and every file has its place, whichever comes first or twice."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session

from portal.batches.manifest import ManifestRow, read_manifest
from portal.batches.manifest_rows import add_manifest
from portal.batches.models import Batch
from portal.batches.opening import BatchError
from portal.organizations.models import Organization
from tests.databases import on_both_databases
from tests.make.batches import all_announced, announce, drop, drop_on, finish, give_manifest, start
from tests.make.photos import picture
from tests.read.batches import all_fates, assert_sound, counted, fates, items_of, people, progress
from tests.run.workers import Worker
from tests.visitor import Visitor

HEADER = "external_id,name,photo\n"


@on_both_databases
def test_a_photo_is_found_by_the_end_of_its_path(worker: Worker, bob: Visitor, session: Session) -> None:
    manifest = (
        HEADER + "A1,Anna,ONE.jpg\nB1,Ben,b/two.jpg\nC1,Carla,all\\c\\three.jpg\nD1,Dora,caf\u00e9.jpg\n"
    )
    files = {
        "drop/one.JPG": picture(1),
        "drop/a/b/two.jpg": picture(2),
        "drop/b/other.jpg": picture(3),
        "all/c/three.jpg": picture(4),
        "cafe\u0301.jpg": picture(5),
    }
    batch = drop(bob, files, manifest)
    assert counted(bob, batch) == {"received": 4, "attention": 1}
    assert fates(session, batch)["drop/b/other.jpg"] == "attention not_in_manifest"
    finish(worker)
    assert people(session) == {"A1": 1, "B1": 1, "C1": 1, "D1": 1}
    assert_sound(session, {batch: 5})


def test_the_longest_end_that_is_named_counts(worker: Worker, bob: Visitor, session: Session) -> None:
    manifest = HEADER + "A1,Anna,1.jpg\nB1,Ben,ben/1.jpg\n"
    batch = drop(bob, {"all/ben/1.jpg": picture(1), "all/1.jpg": picture(2)}, manifest)
    assert {item.external_id: item.dropped_path for item in items_of(session, batch)} == {
        "A1": "all/1.jpg",
        "B1": "all/ben/1.jpg",
    }
    assert_sound(session, {batch: 2})


@pytest.mark.parametrize("at_once", [True, False], ids=["told at once", "told one by one"])
def test_of_two_files_that_fit_neither_is_taken(
    worker: Worker, bob: Visitor, session: Session, at_once: bool
) -> None:
    files = {"x/1.jpg": picture(1), "y/1.jpg": picture(2), "2.jpg": picture(3)}
    batch = start(bob, grouping="auto", label="auto")
    give_manifest(bob, batch, HEADER + "A1,Anna,1.jpg\nB1,Ben,2.jpg\n")
    for part in [files] if at_once else [{path: content} for path, content in files.items()]:
        announce(bob, batch, part)
    drop_on(bob, batch, files)
    finish(worker)
    assert fates(session, batch) == {
        "1.jpg": "attention two_files",
        "y/1.jpg": "attention two_files",
        "2.jpg": "attention no_face",
    }
    assert people(session) == {"B1": 1}
    # Dropped again they are the same files, and no more of them.
    drop_on(bob, batch, files)
    assert_sound(session, {batch: 3})


def test_a_photo_that_two_rows_name_goes_to_the_first(worker: Worker, bob: Visitor, session: Session) -> None:
    manifest = HEADER + "A1,Anna,1.jpg\nB1,Ben,1.jpg\nA1,Anna,1.JPG\nB1,Ben,2.jpg\n"
    batch = drop(bob, {"1.jpg": picture(1), "2.jpg": picture(2)}, manifest)
    assert [fate for _, fate in all_fates(session, batch)] == [
        "received",
        "attention photo_of_another",
        "already_there",
        "received",
    ]
    finish(worker)
    assert people(session) == {"A1": 1, "B1": 1}
    assert_sound(session, {batch: 4})


def test_a_row_with_a_mistake_does_not_take_a_photo_from_a_sound_one(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    manifest = HEADER + ",Nobody,1.jpg\nA1,Anna,1.jpg\n"
    batch = drop(bob, {"1.jpg": picture(1)}, manifest)
    assert [fate for _, fate in all_fates(session, batch)] == ["attention no_external_id", "received"]
    finish(worker)
    assert people(session) == {"A1": 1}
    assert_sound(session, {batch: 2})


@on_both_databases
def test_rows_with_mistakes_are_told_and_their_photos_wait(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    manifest = HEADER + (
        ",Nobody,1.jpg\n"
        f"{'x' * 101},Long,2.jpg\n"
        f"C1,{'y' * 201},3.jpg\n"
        "D1,Dora,\n"
        "E1,,5.jpg\n"
        "F1,Frida,6.jpg\n"
        "\x07G1,Gerd,7.jpg\n"
    )
    batch = drop(bob, {f"{number}.jpg": picture(number) for number in (1, 2, 3, 5, 7)}, manifest)
    finish(worker)
    assert [fate.split()[-1] for _, fate in all_fates(session, batch)] == [
        "no_external_id",
        "bad_external_id",
        "bad_name",
        "no_photo",
        "no_name",
        "photo_not_found",
        "bad_external_id",
    ]
    long = items_of(session, batch)[1]
    assert "The external ID has 101 characters; 100 are allowed." in long.detail
    assert people(session) == {}
    assert_sound(session, {batch: 7})


def test_several_photos_in_a_row_are_several_items(worker: Worker, bob: Visitor, session: Session) -> None:
    manifest = "id,name,photo1,photo2,photo3\nA1,Anna,1.jpg,2.jpg,\nB1,Ben,3.jpg,,4.jpg\n"
    batch = drop(bob, {f"{number}.jpg": picture(number) for number in range(1, 5)}, manifest)
    finish(worker)
    assert people(session) == {"A1": 2, "B1": 2}
    assert_sound(session, {batch: 4})


def test_a_photo_that_was_missing_can_be_dropped_later(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    batch = drop(bob, {"1.jpg": picture(1)}, HEADER + "A1,Anna,1.jpg\nB1,Ben,2.jpg\n")
    finish(worker)
    assert progress(bob, batch)["status"] == "done"
    assert fates(session, batch)["2.jpg"] == "attention photo_not_found"
    drop_on(bob, batch, {"1.jpg": picture(1), "2.jpg": picture(2)})
    assert counted(bob, batch) == {"attention": 1, "received": 1}
    finish(worker)
    assert people(session) == {"A1": 1, "B1": 1}
    assert_sound(session, {batch: 2})


def test_what_is_refused_later_is_counted_too(worker: Worker, bob: Visitor, session: Session) -> None:
    batch = drop(bob, {"A1/1.jpg": picture(1)})
    finish(worker)
    assert progress(bob, batch)["status"] == "done"
    drop_on(bob, batch, {"loose.jpg": picture(2)})
    assert counted(bob, batch) == {"attention": 2}
    finish(worker)
    assert_sound(session, {batch: 2})
    named = drop(bob, {"1.jpg": picture(1)}, HEADER + "A1,Anna,1.jpg\n")
    finish(worker)
    drop_on(bob, named, {"stranger.jpg": picture(2)})
    assert progress(bob, named)["total"] == "2"
    assert_sound(session, {named: 2})


def test_what_was_given_up_is_wanted_when_it_is_dropped_again(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    files = {"A1/1.jpg": picture(1), "B1/1.jpg": picture(2)}
    batch = start(bob)
    announce(bob, batch, files)
    all_announced(bob, batch)
    bob.post(f"/enrol/{batch}/finish")
    assert fates(session, batch) == dict.fromkeys(files, "attention not_arrived")
    finish(worker)
    drop_on(bob, batch, files)
    finish(worker)
    assert people(session) == {"A1": 1, "B1": 1}
    assert_sound(session, {batch: 2})


def test_another_size_is_looked_at_anew(bob: Visitor, session: Session) -> None:
    batch = start(bob)
    large = [{"path": "A1/1.jpg", "size": 26 * 1024**2}]
    for _ in range(2):
        (said,) = bob.call(f"/enrol/{batch}/files", json={"files": large}).get_json()["files"]
        assert (said["state"], said["problem"][:31]) == ("attention", "The file is larger than 25 MiB.")
    assert announce(bob, batch, {"A1/1.jpg": picture(1)})[0]["state"] == "expected"
    assert_sound(session, {batch: 1})


def test_a_large_manifest_is_taken_in_parts(
    bob: Visitor, session: Session, clinic: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.batches.announcing.AT_ONCE", 3)
    rows = [f"A{number},Anna,{number % 7}.jpg\n" for number in range(10)]
    batch = start(bob, grouping="auto", label="auto")
    assert give_manifest(bob, batch, HEADER + "".join(rows)) == 10
    # A photo that an earlier part gave to someone stays with them.
    assert counted(bob, batch) == {"expected": 7, "attention": 3}
    assert_sound(session, {batch: 10})


def test_of_two_manifests_that_are_read_at_the_same_time_the_later_one_counts(
    bob: Visitor, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page was opened a second time, and dropped the same things, while the first was at it."""
    monkeypatch.setattr("portal.batches.announcing.AT_ONCE", 2)
    manifest = HEADER + "".join(f"A{number},Anna,{number}.jpg\n" for number in range(7))
    batch = start(bob, grouping="auto", label="auto")

    def rows_while_it_comes_again() -> Iterator[ManifestRow]:
        for number, row in enumerate(read_manifest(io.BytesIO(manifest.encode()))):
            if number == 3:
                assert give_manifest(bob, batch, manifest) == 7
            yield row

    with pytest.raises(BatchError, match="came a second time while it was being read"):
        add_manifest(session, session.get_one(Batch, batch), rows_while_it_comes_again())
    assert [path for path, _ in all_fates(session, batch)] == [f"{number}.jpg" for number in range(7)]
    assert counted(bob, batch) == {"expected": 7}
    assert_sound(session, {batch: 7})


def test_a_manifest_that_is_overtaken_at_its_end_changes_nothing(
    bob: Visitor, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.batches.announcing.AT_ONCE", 2)
    manifest = HEADER + "".join(f"A{number},Anna,{number}.jpg\n" for number in range(4))
    batch = start(bob, grouping="auto", label="auto")

    def rows_before_it_comes_again() -> Iterator[ManifestRow]:
        yield from read_manifest(io.BytesIO(manifest.encode()))
        assert give_manifest(bob, batch, manifest) == 4

    with pytest.raises(BatchError, match="came a second time while it was being read"):
        add_manifest(session, session.get_one(Batch, batch), rows_before_it_comes_again())
    said = announce(bob, batch, {"0.jpg": picture(0)})
    assert [item["state"] for item in said] == ["expected"]
    assert_sound(session, {batch: 4})


def test_a_path_of_very_many_folders_is_found_by_its_end(bob: Visitor, session: Session) -> None:
    """Nobody has such folders; someone who means harm names them."""
    batch = start(bob, grouping="auto", label="auto")
    give_manifest(bob, batch, HEADER + "A1,Anna,1.jpg\n")
    deep = [{"path": "a/" * 32_000 + name, "size": 10} for name in ("1.jpg", "2.jpg", "x" * 1000)] * 2
    response = bob.call(f"/enrol/{batch}/files", json={"files": deep})
    assert response.status_code == 200
    said = response.get_json()["files"]
    assert [item["state"] for item in said[:3]] == ["expected", "attention", "attention"]
    assert len({item["id"] for item in said}) == 3
    named = start(bob)
    response = bob.call(f"/enrol/{named}/files", json={"files": deep})
    assert response.status_code == 200
    assert_sound(session, {batch: 3, named: 3})


def test_the_same_path_twice_in_a_list_is_one_photo(bob: Visitor, session: Session) -> None:
    batch = start(bob)
    listed = [{"path": path, "size": 10} for path in ("A1/1.jpg", "A1//1.jpg", "./A1/1.jpg")]
    said = bob.call(f"/enrol/{batch}/files", json={"files": listed}).get_json()["files"]
    assert len({item["id"] for item in said}) == 1
    assert_sound(session, {batch: 1})
    named = start(bob, grouping="auto", label="auto")
    give_manifest(bob, named, HEADER + "A1,Anna,one.jpg\n")
    said = bob.call(f"/enrol/{named}/files", json={"files": listed}).get_json()["files"]
    assert len({item["id"] for item in said}) == 1
    assert_sound(session, {named: 2})


@pytest.mark.parametrize(
    ("rows", "files", "fate"),
    [
        # The name with its own suffix comes first.
        ("A,q2.jpg", "x/q2.jpeg x/q2.jpg", {"q2.jpg": "expected", "x/q2.jpeg": "not_in_manifest"}),
        ("A,q2", "q2.jpg q2.png", {"q2": "two_files", "q2.png": "two_files"}),
        ("A,q2.png B,q2.jpg", "q2.jpg q2.png", {"q2.png": "expected", "q2.jpg": "expected"}),
        # Two rows with longer paths: the photo alone does not say which.
        (
            "A,4A/1.jpg B,4B/1.jpg",
            "1.jpg",
            {"4A/1.jpg": "expected", "4B/1.jpg": "expected", "1.jpg": "two_rows"},
        ),
        ("A,4A/1.jpg B,4B/1.jpg", "4B/1.jpg", {"4A/1.jpg": "expected", "4B/1.jpg": "expected"}),
        # Another class's pupil 1.
        ("A,D:/4A/1.jpg", "4B/1.jpg", {"D:/4A/1.jpg": "expected", "4B/1.jpg": "not_in_manifest"}),
        ("A,a.jpg;b.jpg", "B.JPEG a.jpg", {"a.jpg": "expected", "b.jpg": "expected"}),
    ],
)
def test_names_in_lists_that_more_than_one_file_or_row_fits(
    bob: Visitor, session: Session, rows: str, files: str, fate: dict[str, str]
) -> None:
    batch = start(bob, grouping="auto", label="auto")
    give_manifest(bob, batch, "\n".join(["id,photo", *rows.split()]))
    announce(bob, batch, dict.fromkeys(files.split(), b"x"))
    found = {path: fate.split()[-1] for path, fate in fates(session, batch).items()}
    assert found == fate
    # Said again, nothing changes.
    announce(bob, batch, dict.fromkeys(files.split(), b"x"))
    assert {path: fate.split()[-1] for path, fate in fates(session, batch).items()} == fate
