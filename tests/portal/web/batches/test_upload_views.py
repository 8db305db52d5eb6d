"""The protocol that the page's script speaks: everything arrives once, whatever breaks off on the way."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.batches.models import BatchItem
from portal.organizations.models import Organization
from portal.photos.reasons import MAX_PHOTO_BYTES
from tests.make.batches import (
    all_announced,
    announce,
    drop,
    drop_on,
    finish,
    give_manifest,
    send,
    start,
    zipped,
)
from tests.make.people import add_person
from tests.make.photos import picture
from tests.read.batches import assert_sound, counted, fates, people, progress
from tests.run.workers import Worker, sweep
from tests.visitor import Visitor

Files = Callable[[], list[Path]]

TWO = {"A1/one.jpg": picture(1), "B1/two.jpg": picture(2)}


def shown(html: str) -> str:
    return " ".join(BeautifulSoup(html, "html.parser").get_text(" ").split())


def reading(visitor: Visitor, **fields: Any) -> str:
    response = visitor.call("/enrol/reading", data=fields)
    assert response.status_code == 200
    return response.text


def test_names_are_read_as_they_suggest_and_as_staff_say(
    bob: Visitor, session: Session, clinic: Organization
) -> None:
    add_person(session, clinic, "Anna Arendt")
    paths = '["Anna Arendt/1.jpg", "Anna Arendt/2.jpg", "Ben Bauer/1.jpg", ".DS_Store", "loose.jpg"]'
    guessed = reading(bob, paths=paths, total="5")
    assert "1 of the 2 read so far" in shown(guessed)
    assert "loose.jpg lies in no folder." in shown(guessed)
    assert "DS_Store" not in guessed
    assert 'id="read-grouping-folder" name="grouping" value="folder" checked' in guessed
    chosen = reading(bob, paths=paths, grouping="file", label="external_id", known="skip")
    assert 'id="read-grouping-file" name="grouping" value="file" checked' in chosen
    assert 'id="read-known-skip" name="known" value="skip" checked' in chosen
    assert "The portal took this from the names" not in chosen


def test_what_is_not_clear_is_asked_before_anything_is_sent(bob: Visitor) -> None:
    asked = reading(bob, paths='["4A/1.jpg", "4A/2.jpg", "4B/1.jpg"]')
    assert "data-undecided" in asked
    assert "Say who is on these photos." in shown(asked)
    assert BeautifulSoup(asked, "html.parser").select("input[name=grouping][checked]") == []
    said = reading(bob, paths='["4A/1.jpg", "4A/2.jpg", "4B/1.jpg"]', grouping="both")
    assert "data-undecided" not in said
    assert "4B 1" in shown(said)


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        ('["12345_Smith_Anna.jpg", "12346_Jones_Bo.jpg"]', "12345 Smith Anna 12345_Smith_Anna.jpg"),
        ('["4A/Anna.jpg", "4B/Anna.jpg"]', "The same name is in several folders"),
        ('["31001.jpg", "31001_2.jpg"]', "Another file has this name without the number at its end."),
        ('["31001.jpg", "31001 (2).jpg"]', "31001 31001 31001.jpg, 31001 (2).jpg"),
    ],
)
def test_the_preview_shows_what_will_be_enrolled_and_what_is_held_up(
    bob: Visitor, paths: str, words: str
) -> None:
    assert words in shown(reading(bob, paths=paths))


def test_a_manifest_is_read_from_its_beginning(bob: Visitor) -> None:
    rows = "".join(f"E{number},Someone,{number}.jpg\n" for number in range(5000))
    head = ("external_id,name,photo,floor\n,Nobody,x.jpg\n" + rows).encode()[: 64 * 1024]
    read = shown(reading(bob, manifest=(io.BytesIO(head), "list.csv")))
    assert "There is no external ID." in read
    assert "E0 Someone 0.jpg" in read


def test_columns_that_are_not_clear_are_asked_with_samples(bob: Visitor) -> None:
    content = b"Number,ID,Name,Photo\n1,KX77,Anna Ask,a.jpg\n2,KX78,Bo Berg,b.jpg\n"
    asked = reading(bob, manifest=(io.BytesIO(content), "list.csv"))
    assert "data-undecided" in asked
    assert "Several columns could be the external ID." in shown(asked)
    assert "KX77 · KX78" in shown(asked)
    assert "The first rows of what would be enrolled" not in shown(asked)
    columns = "not_used,external_id,name,photo"
    chosen = reading(bob, columns=columns, manifest=(io.BytesIO(content), "list.csv"))
    assert "data-undecided" not in chosen
    assert "It is not clear" not in shown(chosen)
    assert "KX77 Anna Ask a.jpg" in shown(chosen)
    again = reading(bob, columns="not_used,name,name,photo", manifest=(io.BytesIO(content), "list.csv"))
    assert "Choose one column as name, not several." in shown(again)
    sent = {"columns": "nonsense", "manifest": (io.BytesIO(content), "list.csv")}
    assert bob.call("/enrol/reading", data=sent).status_code == 400


def test_a_spreadsheet_is_read_whole_and_what_is_held_up_is_shown_first(bob: Visitor, cases: Path) -> None:
    content = (cases / "list_is_xlsx" / "staff list.xlsx").read_bytes()
    read = shown(reading(bob, manifest=(io.BytesIO(content), "staff list.xlsx")))
    assert "E7001 Anna Lind 7001.jpg" in read
    broken = bob.call("/enrol/reading", data={"manifest": (io.BytesIO(content[:1000]), "a.xlsx")})
    assert broken.status_code == 422
    assert "The spreadsheet can't be read" in broken.get_json()["error"]
    damaged = b"external_id,name,photo\nA,Anna,a.jpg\n2.02312E+11,Bo,b.jpg\na,Ann,c.jpg\n"
    read = shown(reading(bob, manifest=(io.BytesIO(damaged), "list.csv")))
    assert "Excel has shortened the external ID to 2.02312E+11" in read
    assert "but for capital letters (A)" in read


def test_what_was_chosen_for_the_columns_is_what_is_enrolled(bob: Visitor, session: Session) -> None:
    batch = start(bob, grouping="auto", label="auto")
    content = b"Number,ID,Name,Photo\n1,KX77,Anna Ask,D:\\class\\a.jpg\n"
    sent = {
        "columns": "not_used,external_id,name,photo",
        "folder": "upload",
        "manifest": (io.BytesIO(content), "list.csv"),
    }
    assert bob.call(f"/enrol/{batch}/manifest", data=sent).get_json() == {"rows": 1}
    # The list lay beside the photo, whatever the folder was called where it was written.
    (item,) = announce(bob, batch, {"upload/a.jpg": picture(1)})
    assert item["state"] == "expected"
    rows = session.scalars(select(BatchItem).where(BatchItem.batch_id == batch)).all()
    assert [(row.external_id, row.name) for row in rows] == [("KX77", "Anna Ask")]


@pytest.mark.parametrize(
    "paths", ["no json", "{}", "[1]", "[" * 100_000], ids=["text", "object", "number", "deep"]
)
def test_a_reading_of_nonsense_is_refused(bob: Visitor, paths: str) -> None:
    assert bob.call("/enrol/reading", data={"paths": paths}).status_code == 400


def test_what_is_dropped_is_announced_sent_and_enrolled(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    batch = start(bob)
    assert progress(bob, batch)["status"] == "receiving"
    said = announce(bob, batch, {**TWO, "loose.jpg": picture(3)})
    assert [item["state"] for item in said] == ["expected", "expected", "attention"]
    assert said[2]["problem"].startswith("The photo is not in a person's folder.")
    all_announced(bob, batch)
    receipts = send(bob, batch, [(said[0]["id"], TWO["A1/one.jpg"]), (said[1]["id"], TWO["B1/two.jpg"])])
    assert [(receipt["state"], receipt["problem"]) for receipt in receipts] == [("received", None)] * 2
    assert counted(bob, batch) == {"received": 2, "attention": 1}
    finish(worker)
    assert fates(session, batch) == {
        "A1/one.jpg": "attention no_face",
        "B1/two.jpg": "attention no_face",
        "loose.jpg": "attention no_folder",
    }
    assert progress(bob, batch)["status"] == "done"
    assert_sound(session, {batch: 3})


def test_what_has_arrived_is_not_wanted_again(worker: Worker, bob: Visitor, session: Session) -> None:
    batch = start(bob)
    first, second = announce(bob, batch, TWO)
    send(bob, batch, [(first["id"], TWO["A1/one.jpg"])])
    # The page is closed here, and the same files are dropped on the batch later.
    again = announce(bob, batch, TWO)
    assert [item["id"] for item in again] == [first["id"], second["id"]]
    assert [item["state"] for item in again] == ["received", "expected"]
    assert again[0]["sha256"] == hashlib.sha256(TWO["A1/one.jpg"]).hexdigest()
    drop_on(bob, batch, TWO)
    finish(worker)
    assert drop_on(bob, batch, TWO)[0]["state"] == "attention"
    assert_sound(session, {batch: 2})


def test_another_photo_of_a_path_is_a_photo_of_its_own(
    worker: Worker, bob: Visitor, session: Session, files: Files
) -> None:
    batch = start(bob)
    (item, _) = announce(bob, batch, TWO)
    send(bob, batch, [(item["id"], picture(1))])
    (same,) = send(bob, batch, [(item["id"], picture(1))])
    assert same["id"] == item["id"]
    (other,) = send(bob, batch, [(item["id"], picture(7))])
    (again,) = send(bob, batch, [(item["id"], picture(7))])
    assert item["id"] != other["id"] == again["id"]
    assert len(files()) == 2
    drop_on(bob, batch, TWO)
    finish(worker)
    assert people(session) == {"A1": 2, "B1": 1}
    assert_sound(session, {batch: 3})


def test_another_photo_of_a_path_is_taken_when_all_is_done(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    batch = drop(bob, TWO)
    finish(worker)
    said = announce(bob, batch, TWO)
    sweep(worker.app)  # nothing has come yet, and the batch is closed again
    send(bob, batch, [(said[0]["id"], picture(7))])
    finish(worker)
    assert people(session) == {"A1": 2, "B1": 1}
    assert counted(bob, batch) == {"attention": 3}
    assert_sound(session, {batch: 3})


def test_of_two_photos_for_a_row_of_the_manifest_the_second_is_told(
    worker: Worker, bob: Visitor, session: Session, files: Files
) -> None:
    batch = start(bob, grouping="auto", label="auto")
    give_manifest(bob, batch, "id,name,photo\nA1,Anna,one.jpg\n")
    (item,) = announce(bob, batch, {"one.jpg": picture(1)})
    send(bob, batch, [(item["id"], picture(1))])
    for _ in range(2):
        (other,) = send(bob, batch, [(item["id"], picture(7))])
        assert other["problem"].startswith("Two files match the name in the manifest.")
    assert len(files()) == 1
    all_announced(bob, batch)
    finish(worker)
    assert people(session) == {"A1": 1}
    assert_sound(session, {batch: 2})


def test_what_is_no_photo_is_told_and_not_kept(bob: Visitor, session: Session, files: Files) -> None:
    contents = {
        "A1/text.jpg": b"dear all",
        "A1/pages.pdf": b"%PDF-1.7 and so on",
        "A1/zip.jpg": zipped(TWO),
        "A1/empty.jpg": b"",
        "A1/large.jpg": picture(1) + bytes(MAX_PHOTO_BYTES),
        "A1/jpeg.txt": picture(2),
    }
    batch = start(bob)
    said = announce(bob, batch, contents)
    assert said[4]["problem"].startswith("The file is larger than 25 MiB.")
    # Whatever it was announced as, it is looked at when it comes.
    assert said[4]["state"] == "attention"
    send(bob, batch, [(item["id"], content) for item, content in zip(said, contents.values(), strict=True)])
    assert fates(session, batch) == {
        "A1/text.jpg": "attention not_an_image",
        "A1/pages.pdf": "attention pdf",
        "A1/zip.jpg": "attention not_an_image",
        "A1/empty.jpg": "attention empty",
        "A1/large.jpg": "attention too_large",
        "A1/jpeg.txt": "received",
    }
    assert len(files()) == 1
    assert_sound(session, {batch: 6})


def test_a_file_that_turns_out_too_large_is_told(bob: Visitor, session: Session, files: Files) -> None:
    batch = start(bob)
    first, second = announce(bob, batch, TWO)
    large = picture(1) + bytes(MAX_PHOTO_BYTES + 1 - len(picture(1)))
    receipts = send(bob, batch, [(first["id"], large), (second["id"], picture(2))])
    assert [receipt["state"] for receipt in receipts] == ["attention", "received"]
    assert receipts[0]["problem"].startswith("The file is larger than 25 MiB.")
    exactly = picture(1) + bytes(MAX_PHOTO_BYTES - len(picture(1)))
    again = announce(bob, batch, {"A1/one.jpg": exactly})
    assert again[0]["state"] == "expected"
    assert send(bob, batch, [(first["id"], exactly)])[0]["state"] == "received"
    assert_sound(session, {batch: 2})


def broken_form(items: list[dict[str, Any]]) -> bytes:
    """A whole photo for the first item, and the half of one for the second."""
    heads = [f'--x\r\nContent-Disposition: form-data; name="{i["id"]}"; filename="x"\r\n\r\n' for i in items]
    return heads[0].encode() + picture(1) + b"\r\n" + heads[1].encode() + picture(2)[:200]


def test_photos_that_broke_off_leave_nothing_and_are_sent_again(
    bob: Visitor, session: Session, files: Files
) -> None:
    batch = start(bob)
    said = announce(bob, batch, TWO)
    whole = "multipart/form-data; boundary=x"
    response = bob.call(f"/enrol/{batch}/photos", data=broken_form(said), content_type=whole)
    assert response.status_code == 400
    assert files() == []
    assert counted(bob, batch) == {"expected": 2}
    drop_on(bob, batch, TWO)
    assert counted(bob, batch) == {"received": 2}
    assert_sound(session, {batch: 2})


def test_a_part_that_is_for_no_item_leaves_nothing(bob: Visitor, session: Session, files: Files) -> None:
    batch = start(bob)
    (first, _) = announce(bob, batch, TWO)
    data = {str(first["id"]): (io.BytesIO(picture(1)), "x"), "no number": (io.BytesIO(picture(2)), "x")}
    assert bob.call(f"/enrol/{batch}/photos", data=data).status_code == 400
    assert files() == []
    other = start(bob)
    assert send(bob, other, [(first["id"], picture(1)), (10**9, picture(2))]) == []
    assert files() == []
    assert_sound(session, {batch: 2, other: 0})


@pytest.mark.parametrize("decision", ["pause", "cancel", "undo"])
def test_a_batch_that_takes_nothing_says_so_to_the_script(
    bob: Visitor, session: Session, files: Files, decision: str
) -> None:
    batch = start(bob)
    (first, _) = announce(bob, batch, TWO)
    archive = bob.call(f"/enrol/{batch}/archives", data={"name": "a.zip", "size": "10"}).get_json()["id"]
    bob.post(f"/enrol/{batch}/{decision}")
    asked: list[tuple[str, dict[str, Any]]] = [
        ("files", {"json": {"files": [{"path": "C1/x.jpg", "size": 1}]}}),
        ("announced", {}),
        ("photos", {"data": {str(first["id"]): (io.BytesIO(picture(1)), "x")}}),
        ("manifest", {"data": {"manifest": (io.BytesIO(b"id,name,photo\nA,A,a.jpg\n"), "m.csv")}}),
        ("archives", {"data": {"name": "b.zip", "size": "10"}}),
        (f"archives/{archive}?offset=0", {"data": b"12345"}),
    ]
    status = {"pause": "paused", "cancel": "cancelled", "undo": "undone"}[decision]
    for address, options in asked:
        response = bob.call(f"/enrol/{batch}/{address}", **options)
        assert (address, response.status_code) == (address, 409)
        assert response.get_json()["status"] == status
        assert decision in response.get_json()["error"] or "undone" in response.get_json()["error"]
    assert files() == []
    assert_sound(session, {batch: 2})


@pytest.mark.parametrize(
    "listed",
    [
        {"files": [{"path": "A/1.jpg"}]},
        {"files": [{"path": "A/1.jpg", "size": -1}]},
        {"files": [{"path": "A/1.jpg", "size": 10**30}]},
        {"files": [{"path": "A/1.jpg", "size": "1"}]},
        {"files": [{"path": "//", "size": 1}]},
        {"files": ["A/1.jpg"]},
        {"files": {}},
        ["A/1.jpg"],
    ],
)
def test_a_list_of_files_that_makes_no_sense_is_refused(
    bob: Visitor, session: Session, listed: object
) -> None:
    batch = start(bob)
    assert bob.call(f"/enrol/{batch}/files", json=listed).status_code == 400
    assert_sound(session, {batch: 0})


def test_a_list_of_files_has_an_end(bob: Visitor, session: Session) -> None:
    batch = start(bob)
    listed = [{"path": f"A{number}/1.jpg", "size": 1} for number in range(501)]
    assert bob.call(f"/enrol/{batch}/files", json={"files": listed}).status_code == 413
    assert bob.call(f"/enrol/{batch}/files", json={"files": listed[:500]}).status_code == 200
    assert_sound(session, {batch: 500})


def test_a_number_that_is_no_items_is_refused(bob: Visitor, files: Files) -> None:
    batch = start(bob)
    announce(bob, batch, TWO)
    data = {"9" * 30: (io.BytesIO(picture(1)), "x")}
    response = bob.call(f"/enrol/{batch}/photos", data=data)
    assert response.status_code in {200, 400}
    assert files() == []


@pytest.mark.parametrize("disposition", ['form-data; filename="x"', 'form-data; name=""; filename="x"'])
def test_a_photo_that_says_not_whose_it_is_is_refused(
    bob: Visitor, session: Session, files: Files, disposition: str
) -> None:
    batch = start(bob)
    (first, _) = announce(bob, batch, TWO)
    sound = f'form-data; name="{first["id"]}"; filename="x"'
    body = b"".join(
        f"--x\r\nContent-Disposition: {one}\r\n\r\n".encode() + TWO["A1/one.jpg"] + b"\r\n"
        for one in (sound, disposition)
    )
    kind = "multipart/form-data; boundary=x"
    response = bob.call(f"/enrol/{batch}/photos", data=body + b"--x--\r\n", content_type=kind)
    assert response.status_code == 400
    assert files() == []
    assert_sound(session, {batch: 2})


@pytest.mark.parametrize("place", ["before", "behind"])
def test_what_is_between_photos_has_an_end(bob: Visitor, session: Session, files: Files, place: str) -> None:
    batch = start(bob)
    (first, _) = announce(bob, batch, TWO)
    head = f'--x\r\nContent-Disposition: form-data; name="{first["id"]}"; filename="x"\r\n\r\n'
    photo, filler = head.encode() + TWO["A1/one.jpg"] + b"\r\n", b"x" * (2 * 1024**2)
    body = filler + b"\r\n" + photo + b"--x--\r\n" if place == "before" else photo + b"--x--\r\n" + filler
    kind = "multipart/form-data; boundary=x"
    response = bob.call(f"/enrol/{batch}/photos", data=body, content_type=kind)
    assert response.status_code == 413
    assert files() == []
    assert_sound(session, {batch: 2})


def test_a_full_disk_is_told_to_the_script_and_nothing_is_lost(
    worker: Worker, bob: Visitor, session: Session, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = start(bob)
    said = announce(bob, batch, TWO)
    archive = bob.call(f"/enrol/{batch}/archives", data={"name": "a.zip", "size": "10"}).get_json()["id"]
    address = f"/enrol/{batch}/archives/{archive}"
    bob.call(f"{address}?offset=0", data=b"12345")
    before = files()
    with monkeypatch.context() as full:
        full.setattr("portal.storage.RESERVE_BYTES", 1 << 62)
        photos = {str(item["id"]): (io.BytesIO(picture(1)), "x") for item in said}
        for refused in (
            bob.call(f"/enrol/{batch}/photos", data=photos),
            bob.call(f"{address}?offset=5", data=b"67890"),
        ):
            assert refused.status_code == 507
            assert "The portal's disk is full." in refused.get_json()["error"]
        assert files() == before
        assert counted(bob, batch) == {"expected": 2}
    drop_on(bob, batch, TWO)
    bob.post(f"/enrol/{batch}/finish")
    finish(worker)
    assert people(session) == {"A1": 1, "B1": 1}
    assert_sound(session, {batch: 2})


def test_names_can_be_anything(worker: Worker, bob: Visitor, session: Session) -> None:
    contents = {
        "A1\\one.jpg": picture(1),
        "./B1//two.jpg": picture(2),
        "C\u0301le\u0301/three\0\ud800.jpg": picture(3),
        "x" * 600 + "/four.jpg": picture(4),
        "D1/" + "y" * 600 + ".jpg": picture(5),
    }
    batch = start(bob)
    listed = [{"path": path, "size": len(content)} for path, content in contents.items()]
    said = bob.call(f"/enrol/{batch}/files", json={"files": listed}).get_json()["files"]
    assert [item["state"] for item in said] == ["expected"] * 3 + ["attention", "expected"]
    send(bob, batch, [(i["id"], c) for i, c in zip(said, contents.values(), strict=True) if not i["problem"]])
    finish(worker)
    assert list(fates(session, batch))[:3] == ["A1/one.jpg", "B1/two.jpg", "Ćlé/three.jpg"]
    assert_sound(session, {batch: 5})


def test_a_manifest_comes_before_the_files(bob: Visitor, session: Session) -> None:
    manifest = "id,name,photo\nA1,Anna,one.jpg\nB1,Ben,two.jpg\n"
    batch = start(bob, grouping="auto", label="auto")
    refused = bob.call(f"/enrol/{batch}/files", json={"files": [{"path": "one.jpg", "size": 1}]})
    assert refused.status_code == 422
    assert give_manifest(bob, batch, manifest) == 2
    sent = {"manifest": (io.BytesIO(manifest.encode()), "m.csv")}
    again = bob.call(f"/enrol/{batch}/manifest", data=sent)
    assert again.status_code == 422
    assert "already has a manifest" in again.get_json()["error"]
    assert_sound(session, {batch: 2})
    named = drop(bob, TWO)
    sent = {"manifest": (io.BytesIO(manifest.encode()), "m.csv")}
    late = bob.call(f"/enrol/{named}/manifest", data=sent)
    assert late.status_code == 422
    assert "has to come before the photos" in late.get_json()["error"]
    assert_sound(session, {named: 2})


def test_a_manifest_that_is_wrong_in_the_end_can_be_sent_corrected(
    bob: Visitor, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.batches.announcing.AT_ONCE", 2)
    rows = "id,name,photo\n" + "".join(f"A{number},Anna,{number}.jpg\n" for number in range(5))
    batch = start(bob, grouping="auto", label="auto")
    sent = {"manifest": (io.BytesIO((rows + 'B1,"Ben,x.jpg\n').encode()), "m.csv")}
    refused = bob.call(f"/enrol/{batch}/manifest", data=sent)
    assert refused.status_code == 422
    assert "quotation mark" in refused.get_json()["error"]
    assert give_manifest(bob, batch, rows) == 5
    assert_sound(session, {batch: 5})


@pytest.mark.parametrize("address", ["manifest", "photos", "archives/1?offset=0", "files"])
def test_a_script_without_the_token_is_refused(
    app: Flask, bob: Visitor, session: Session, files: Files, address: str
) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    batch = start(bob)
    bob.call(f"/enrol/{batch}/archives", data={"name": "a.zip", "size": "10"})
    for headers in ({"X-CSRFToken": ""}, {"X-CSRFToken": "made up"}):
        response = bob.call(f"/enrol/{batch}/{address}", headers=headers, data=b"x" * 5)
        assert response.status_code == 400
    assert files() == []
    assert_sound(session, {batch: 0})
