"""The pages of batches: where they are dropped, how far they are, what became of each photo."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from tests.make.batches import drop, finish, start
from tests.make.photos import mate, picture, six_people
from tests.read.batches import assert_sound, counted, people, progress
from tests.run.workers import Worker
from tests.visitor import Visitor

HEADER = "external_id,name,photo\n"


def listed(visitor: Visitor, address: str) -> list[str]:
    """The numbers of the items on a page of a batch."""
    assert visitor.get(address).status_code == 200
    return [str(row["data-item"]) for row in visitor.page.select("[data-item]")]


def link(visitor: Visitor, text: str) -> str | None:
    found = [a for a in visitor.page.select("a") if text in a.get_text()]
    return str(found[0]["href"]) if found else None


def report(visitor: Visitor, batch: int) -> str:
    response = visitor.get(f"/enrol/{batch}/attention.csv", buffered=True)
    assert response.mimetype == "text/csv"
    assert f'filename="batch-{batch}-attention.csv"' in response.headers["Content-Disposition"]
    return response.text


def test_without_a_batch_the_page_says_what_will_be_there(bob: Visitor) -> None:
    assert bob.get("/enrol").status_code == 200
    assert "No batches yet" in bob.text
    form = bob.page.select_one("form[data-bulk-form]")
    assert form is not None
    # Whoever reads the form as it comes knows token and choices before the first file.
    names = [field["name"] for field in form.select("input[name]")]
    assert names.index("csrf_token") < names.index("known") < names.index("photos")


def test_batches_are_listed_the_newest_first_page_by_page(
    worker: Worker, bob: Visitor, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.batches.services.BATCHES_A_PAGE", 2)
    batches = [drop(bob, {"A1/1.jpg": picture(number)}) for number in range(3)]
    worker.work()

    def numbers() -> list[int]:
        return [int(str(row["data-batch"])) for row in bob.page.select("[data-batch]")]

    bob.get("/enrol")
    assert numbers() == batches[:0:-1]
    row = bob.page.select("[data-batch]")[0]
    assert "Done" in row.get_text()
    assert "bob@clinic.example" in row.get_text()
    assert [cell.get_text() for cell in row.select(".table__number")] == ["1", "0", "1"]
    older = link(bob, "Next")
    assert older is not None
    bob.get(older)
    assert numbers() == batches[:1]
    assert bob.get("/enrol?cursor=nonsense").status_code == 302


def test_a_batchs_photos_are_listed_by_what_became_of_them(
    worker: Worker, bob: Visitor, session: Session, lfw: Path
) -> None:
    files = {
        "A1/1.jpg": mate(lfw, "Anna_Kournikova"),
        "A1/copy.jpg": mate(lfw, "Anna_Kournikova"),
        "S1/six.jpg": six_people(),
        "B1/1.jpg": picture(1),
        "B1/2.jpg": b"text",
        "loose.jpg": picture(2),
    }
    batch = drop(bob, files)
    finish(worker)
    assert counted(bob, batch) == {"enrolled": 2, "already-there": 1, "attention": 3}
    page = f"/enrol/{batch}"
    assert len(listed(bob, page)) == 3
    assert "No face was found in the photo." in bob.text
    assert "loose.jpg lies in no folder." in bob.text
    assert len(listed(bob, f"{page}?show=enrolled")) == 2
    assert len(listed(bob, f"{page}?show=already_there")) == 1
    assert len(listed(bob, f"{page}?show=attention&reason=no_face")) == 1
    assert "Only: No face was found in the photo." in bob.text
    assert len(listed(bob, f"{page}?show=enrolled&reason=several_faces")) == 1
    assert "Looks right" in bob.text
    assert listed(bob, f"{page}?show=added") == []
    assert len(listed(bob, f"{page}?show=nonsense&reason=nonsense")) == 3
    assert bob.get(f"{page}?cursor=nonsense").status_code == 302
    for reason in ("no_face", "several_faces", "not_an_image"):
        bob.get(page)
        assert bob.page.select(f'#progress a[href*="reason={reason}"]'), reason
    assert bob.get("/enrol/999").status_code == 404
    assert bob.get("/enrol/999/progress").status_code == 404
    assert_sound(session, {batch: 6})


def test_a_reason_that_there_is_not_is_not_found(bob: Visitor) -> None:
    batch = drop(bob, {"A1/1.jpg": picture(1)})
    for reason in ("x", "no_face%20", "NO_FACE", "a" * 1000):
        assert bob.get(f"/enrol/{batch}?show=attention&reason={reason}").status_code == 404, reason
    assert bob.get(f"/enrol/{batch}?show=attention&reason=too_many_photos").status_code == 200


def test_the_latest_photos_are_shown_though_nearly_all_are_there_already(
    worker: Worker, bob: Visitor, session: Session, lfw: Path
) -> None:
    photo = mate(lfw, "Anna_Kournikova")
    copies = {f"A1/{number:02}.jpg": photo for number in range(1, 40)}
    batch = drop(bob, {"A1/00.jpg": photo, **copies})
    finish(worker)
    assert counted(bob, batch) == {"enrolled": 1, "already-there": 39}
    bob.get(f"/enrol/{batch}/progress")
    assert len(bob.page.select(".batch__latest img")) == 1
    assert_sound(session, {batch: 40})


def test_many_photos_are_listed_page_by_page(
    worker: Worker, bob: Visitor, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.batches.services.ITEMS_A_PAGE", 3)
    files = {f"A{number}/1.jpg": b"text" if number % 2 else b"" for number in range(8)}
    batch = drop(bob, files)
    seen = listed(bob, f"/enrol/{batch}")
    pages = [seen[:]]
    while following := link(bob, "Next"):
        pages.append(listed(bob, following))
        seen += pages[-1]
    assert [len(page) for page in pages] == [3, 3, 2]
    assert len(set(seen)) == 8
    back = link(bob, "Previous")
    assert back is not None
    assert listed(bob, back) == pages[1]
    only = f"/enrol/{batch}?show=attention&reason=empty"
    assert len(listed(bob, only)) == 3
    following = link(bob, "Next")
    assert following is not None
    assert len(listed(bob, following)) == 1
    assert_sound(session, {batch: 8})


def test_the_page_and_its_poll_show_the_same_and_the_poll_stops(
    worker: Worker, bob: Visitor, session: Session, lfw: Path
) -> None:
    batch = drop(bob, {"A1/1.jpg": mate(lfw, "Anna_Kournikova"), "B1/1.jpg": picture(1)})

    def shown(url: str) -> str:
        bob.get(url)
        found = bob.page.select_one("#progress")
        assert found is not None
        for token in found.select("input[name=csrf_token]"):
            del token["value"]
        return str(found)

    assert progress(bob, batch)["moves"] == "yes"
    assert shown(f"/enrol/{batch}") == shown(f"/enrol/{batch}/progress")
    finish(worker)
    found = progress(bob, batch)
    assert (found["status"], found["moves"], found["enrolled"], found["attention"]) == (
        "done",
        "no",
        "1",
        "1",
    )
    assert shown(f"/enrol/{batch}") == shown(f"/enrol/{batch}/progress")
    assert len(bob.page.select(".batch__latest img")) == 1
    waiting = start(bob)
    bob.post(f"/enrol/{waiting}/pause")
    assert progress(bob, waiting)["moves"] == "no"
    bob.post(f"/enrol/{waiting}/cancel")
    assert progress(bob, waiting)["moves"] == "no"
    assert_sound(session, {batch: 2, waiting: 0})


def test_what_needs_attention_can_be_corrected_and_dropped_again(
    worker: Worker, bob: Visitor, session: Session, lfw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.batches.services.REPORTED_AT_ONCE", 2)
    photos = {f"p/{name}.jpg": mate(lfw, "Anna_Kournikova", 1) + bytes([n]) for n, name in enumerate("abcd")}
    manifest = (
        HEADER + 'A1,Anna,a.jpg\n,"Ben ""B"" Bauer",b.jpg\nC1,,p/c.jpg\nD1,Dora,\nE1,Emil,missing.jpg\n'
    )
    batch = drop(bob, photos, manifest)
    finish(worker)
    assert people(session) == {"A1": 1}
    text = report(bob, batch)
    assert text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert list(rows[0]) == ["external_id", "name", "photo", "problem", "what_to_do"]
    assert [(row["external_id"], row["name"], row["photo"]) for row in rows] == [
        ("", 'Ben "B" Bauer', "b.jpg"),
        ("C1", "", "p/c.jpg"),
        ("D1", "Dora", ""),
        ("E1", "Emil", "missing.jpg"),
        ("", "", "p/d.jpg"),
    ]
    assert rows[0]["problem"] == "There is no external ID."
    assert rows[0]["what_to_do"] == "Fill it in, and drop the corrected file again."
    rows[0]["external_id"], rows[1]["name"] = "B1", "Carla"
    rows[2]["photo"] = "d.jpg"
    corrected = io.StringIO("\ufeff", newline="")
    corrected.seek(1)
    writer = csv.DictWriter(corrected, list(rows[0]), delimiter=";")
    writer.writeheader()
    writer.writerows(rows[:4])
    again = drop(bob, photos, corrected.getvalue())
    finish(worker)
    assert people(session) == {"A1": 1, "B1": 1, "C1": 1, "D1": 1}
    # What was enrolled before is not named by the corrected list.
    assert counted(bob, again) == {"enrolled": 3, "attention": 2}
    assert_sound(session, {batch: 6, again: 5})


def test_names_that_a_spreadsheet_would_run_come_back_unharmed(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    photos = {"=cmd()/1.jpg": picture(1), "+1/@sum.jpg": picture(2), "'=x/1.jpg": picture(3)}
    batch = drop(bob, photos)
    finish(worker)
    assert people(session) == {"'=x": 1, "+1": 1, "=cmd()": 1}
    rows = list(csv.reader(io.StringIO(report(bob, batch))))[1:]
    assert [row[0] for row in rows] == ["'=cmd()", "'+1", "''=x"]
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]
    again = drop(bob, photos, report(bob, batch))
    finish(worker)
    assert people(session) == {"'=x": 1, "+1": 1, "=cmd()": 1}
    assert_sound(session, {batch: 3, again: 3})


def test_a_batch_that_waits_for_files_asks_for_them(worker: Worker, bob: Visitor, session: Session) -> None:
    batch = start(bob)
    bob.get(f"/enrol/{batch}")
    assert bob.page.select("[data-upload-batch]")
    bob.call(f"/enrol/{batch}/files", json={"files": [{"path": "A1/1.jpg", "size": 10}]})
    bob.get(f"/enrol/{batch}")
    assert "1 of 1 photos have not arrived yet." in bob.text
    assert "Do without them" in bob.text
    bob.post(f"/enrol/{batch}/finish")
    bob.get(f"/enrol/{batch}")
    assert not bob.page.select("[data-upload-batch]")
    assert "The photo never arrived." in bob.text
    assert_sound(session, {batch: 1})


def test_hostile_names_are_shown_and_not_run(bob: Visitor, session: Session) -> None:
    name = "<script>alert(1)</script>"
    batch = drop(bob, {f"{name}.jpg": b"text"}, HEADER + f'"{name}","{name}","{name}.jpg"\n')
    bob.get(f"/enrol/{batch}")
    assert name in bob.text
    assert not [script for script in bob.page.select("script") if "alert" in script.get_text()]
    assert bob.call("/enrol/reading", data={"paths": f'["{name}/1.jpg"]'}).text.count("<script>") == 0
    assert_sound(session, {batch: 1})
