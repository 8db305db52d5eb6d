"""The report of pairs: cell by cell, safe in spreadsheets, filtered, and as it was on another day."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import openpyxl
import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.audit.models import AuditEvent
from portal.cli import main
from portal.database import now, writing
from portal.duplicates import judging
from portal.installation.models import FaceModel
from portal.organizations.models import Organization
from portal.pairs.models import DuplicatePair, PairEvent, PairStatus
from portal.pairs.remeasuring import remeasure
from portal.people.models import Person
from tests.databases import on_both_databases
from tests.make.batches import add_batch
from tests.make.calibrations import add_calibration
from tests.make.face_models import THRESHOLD
from tests.make.pairs import add_pair, mark_stale
from tests.make.people import TESTER, add_person, add_photo
from tests.portal.conftest import Enrolled, Paired
from tests.visitor import Visitor

HEADER = [
    *("pair_id", "status", "score", "a_external_id", "a_name", "b_external_id", "b_name", "band"),
    *("same_photo", "found_at", "threshold", "face_model", "decided_at", "decided_by", "decided_score"),
    *("note", "a_person_id", "b_person_id", "a_batch_id", "b_batch_id"),
]

Report = list[dict[str, str]]


def report(visitor: Visitor, query: str = "status=all") -> Report:
    response = visitor.get(f"/duplicates.csv?{query}", buffered=True)
    assert response.status_code == 200, response.text
    assert response.mimetype == "text/csv"
    assert response.text.startswith("\ufeff")
    reader = csv.DictReader(io.StringIO(response.text.removeprefix("\ufeff")))
    rows = list(reader)
    assert reader.fieldnames == HEADER
    return rows


def pair_of(
    session: Session, clinic: Organization, one: str, other: str, score: float = 0.6, name: str = "Anna"
) -> DuplicatePair:
    photos = [
        add_photo(session, add_person(session, clinic, external_id, name)) for external_id in (one, other)
    ]
    return add_pair(session, photos[0], photos[1], score)


def ids(rows: Report) -> list[tuple[str, str]]:
    return [(row["a_external_id"], row["b_external_id"]) for row in rows]


def test_every_cell(clinic: Organization, bob: Visitor, session: Session) -> None:
    pair = pair_of(session, clinic, "A1", "B1", 0.6)
    judging.decide(session, TESTER, pair, PairStatus.DISTINCT, "Twins, says the mother.")
    batch = add_batch(session, clinic)
    session.execute(update(Person).where(Person.id == pair.a_id).values(batch_id=batch.id))
    session.commit()
    (row,) = report(bob)
    assert row.pop("found_at") == pair.found_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert pair.decided_at
    assert row.pop("decided_at") == pair.decided_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert row == {
        "pair_id": str(pair.id),
        "status": "distinct",
        "score": "0.600000",
        "a_external_id": "A1",
        "a_name": "Anna",
        "b_external_id": "B1",
        "b_name": "Anna",
        "band": "",
        "same_photo": "yes",
        "threshold": "0.400000",
        "face_model": "made-up",
        "decided_by": "test",
        "decided_score": "0.600000",
        "note": "Twins, says the mother.",
        "a_person_id": str(pair.a_id),
        "b_person_id": str(pair.b_id),
        "a_batch_id": str(batch.id),
        "b_batch_id": "",
    }


DANGEROUS = ("=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://x","y")', "'=1", 'Ünï;c,o"de', "=\n1")


def test_no_cell_is_a_formula_in_a_spreadsheet(
    clinic: Organization, bob: Visitor, session: Session, tmp_path: Path
) -> None:
    for number, name in enumerate(DANGEROUS):
        pair = pair_of(session, clinic, f"={number}", f"+{number}", 0.6, name.replace("\n", " "))
        judging.decide(session, TESTER, pair, PairStatus.DUPLICATE, name)
    text = bob.get("/duplicates.csv?status=all", buffered=True).text.removeprefix("\ufeff")
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in csv.reader(io.StringIO(text)):
        book.active.append(row)
    book.save(tmp_path / "pairs.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "pairs.xlsx").active
    assert sheet is not None
    cells = [cell for row in sheet.iter_rows() for cell in row]
    assert len(cells) == len(HEADER) * (len(DANGEROUS) + 1)
    assert [cell.value for cell in cells if cell.data_type == "f"] == []
    names = {cell.value for cell in cells}
    assert {"'=1+1", "''=1", 'Ünï;c,o"de', '\'=HYPERLINK("http://x","y")'} <= names


def test_the_same_filters_as_on_the_page(clinic: Organization, bob: Visitor, session: Session) -> None:
    weak = pair_of(session, clinic, "A1", "B1", 0.45)
    strong = pair_of(session, clinic, "A2", "B2", 0.8)
    decided = pair_of(session, clinic, "A3", "B3", 0.9)
    judging.decide(session, TESTER, decided, PairStatus.DUPLICATE)
    batch = add_batch(session, clinic)
    session.execute(update(Person).where(Person.id == strong.b_id).values(batch_id=batch.id))
    yesterday = now() - timedelta(days=1)
    session.execute(update(DuplicatePair).where(DuplicatePair.id == weak.id).values(found_at=yesterday))
    session.commit()
    today = now().date().isoformat()
    for query, expected in (
        ("status=all", {"A1", "A2", "A3"}),
        ("", {"A1", "A2"}),
        ("status=duplicate", {"A3"}),
        ("status=distinct", set()),
        ("score=0.5", {"A2"}),
        (f"found_from={today}", {"A2"}),
        (f"found_to={yesterday.date().isoformat()}", {"A1"}),
        (f"batch={batch.id}", {"A2"}),
    ):
        assert {one for one, _ in ids(report(bob, query))} == expected, query
        bob.get(f"/duplicates?{query}")
        assert {str(row["data-a"]) for row in bob.page.select("[data-pair]")} == expected, query


def test_as_it_was_at_the_end_of_a_day(clinic: Organization, bob: Visitor, session: Session) -> None:
    pair = pair_of(session, clinic, "A1", "B1", 0.6)
    later = pair_of(session, clinic, "A2", "B2", 0.7)
    judging.decide(session, TESTER, pair, PairStatus.DISTINCT, "Twins.")
    judging.undo_decision(session, clinic, TESTER, pair, pair.decided_at)
    judging.decide(session, TESTER, pair, PairStatus.DUPLICATE, "No: one.")
    first = datetime(2026, 3, 1, 12, tzinfo=UTC)
    events = session.scalars(
        select(PairEvent).where(PairEvent.pair_id == pair.id).order_by(PairEvent.id)
    ).all()
    for days, event in enumerate(events):
        event.at = first + timedelta(days=days)
    session.scalars(select(PairEvent).where(PairEvent.pair_id == later.id)).one().at = first + timedelta(
        days=9
    )
    session.commit()
    for day, expected in (
        ("2026-02-28", []),
        ("2026-03-01", [("A1", "open", "")]),
        ("2026-03-02", [("A1", "distinct", "Twins.")]),
        ("2026-03-03", [("A1", "open", "Twins.")]),
        ("2026-03-04", [("A1", "duplicate", "No: one.")]),
        ("2026-03-10", [("A1", "duplicate", "No: one."), ("A2", "open", "")]),
    ):
        rows = report(bob, f"status=all&at={day}")
        assert [(row["a_external_id"], row["status"], row["note"]) for row in rows] == expected, day
    assert ids(report(bob, "status=distinct&at=2026-03-02")) == [("A1", "B1")]
    assert ids(report(bob, "status=distinct&at=2026-03-04")) == []


def test_a_day_to_come_is_refused(bob: Visitor) -> None:
    tomorrow = (now() + timedelta(days=1)).date()
    assert bob.get(f"/duplicates.csv?at={tomorrow}").status_code == 422
    assert "today or an earlier day" in bob.page.get_text(" ")


def test_all_pairs_come_whatever_is_fetched_at_once(
    clinic: Organization, bob: Visitor, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.duplicates.report.FETCHED_AT_ONCE", 2)
    pairs = [pair_of(session, clinic, f"A{number}", f"B{number}") for number in range(5)]
    for query in ("status=all", f"status=all&at={now().date()}"):
        assert [row["pair_id"] for row in report(bob, query)] == [str(pair.id) for pair in pairs]


def test_only_who_may_and_only_ones_own(
    clinic: Organization,
    bob: Visitor,
    vera: Visitor,
    charlie: Visitor,
    session: Session,
    events: Callable[[str], list[AuditEvent]],
) -> None:
    pair_of(session, clinic, "A1", "B1")
    assert vera.get("/duplicates.csv").status_code == 403
    assert report(charlie) == []
    report(bob)
    assert [event.actor for event in events("pair.reported")] == [
        "charlie@school.example",
        "bob@clinic.example",
    ]


def test_the_command_prints_the_same(
    app: Flask, clinic: Organization, bob: Visitor, session: Session
) -> None:
    pair_of(session, clinic, "A1", "B1")
    wanted = bob.get("/duplicates.csv?status=all", buffered=True).text
    folder = str(app.config["PORTAL"].data_dir)
    printed = CliRunner().invoke(
        main, ["export-duplicates", "--organization", clinic.slug, "--data-dir", folder]
    )
    assert printed.exit_code == 0, printed.output
    assert printed.stdout.replace("\r\n", "\n") == wanted.replace("\r\n", "\n")


def test_a_pair_below_the_threshold_is_not_in_it(
    clinic: Organization, bob: Visitor, session: Session
) -> None:
    pair_of(session, clinic, "A1", "B1", THRESHOLD - 0.1)
    assert report(bob) == []


def test_the_word_is_empty_where_nothing_follows_from_the_score(
    clinic: Organization, bob: Visitor, session: Session, paired: Paired
) -> None:
    same_photo = pair_of(session, clinic, "A1", "B1", 1.0)
    strong, possible, gone = (
        paired(f"A{number}", f"B{number}", score) for number, score in ((2, 0.8), (3, 0.45), (4, 0.7))
    )
    judging.decide(session, TESTER, gone, PairStatus.DISTINCT)
    assert gone.face_b
    bob.post(f"/photos/{gone.face_b.photo_id}/remove")
    mark_stale(session, clinic)
    with writing(session):
        remeasure(session, clinic.id, {gone.id: None})
    for measured, words in ((False, ["uncalibrated", "uncalibrated"]), (True, ["strong", "possible"])):
        if measured:
            add_calibration(session, clinic)
        assert {row["pair_id"]: row["band"] for row in report(bob)} == {
            str(same_photo.id): "",
            str(strong.id): words[0],
            str(possible.id): words[1],
            str(gone.id): "",
        }
    # The words of today say nothing about the scores of a day.
    assert {row["band"] for row in report(bob, f"status=all&at={now().date()}")} == {""}
    for page in ("/duplicates", "/duplicates/print"):
        bob.get(f"{page}?status=distinct")
        (row,) = bob.page.select("[data-pair]")
        assert "no usable photo" in row.get_text(" ").lower()
        assert "unlikely" not in row.get_text(" ").lower()


def test_the_face_model_of_a_past_day_is_that_of_then(
    clinic: Organization, bob: Visitor, session: Session
) -> None:
    pair = pair_of(session, clinic, "A1", "B1")
    old = session.get_one(FaceModel, pair.face_model_id)
    kept = {
        column.key: getattr(old, column.key) for column in FaceModel.__table__.columns if column.key != "id"
    }
    with writing(session):
        newer = FaceModel(**{**kept, "fingerprint": "1" * 64, "name": "newer"})
        session.add(newer)
        session.flush()
        session.execute(update(DuplicatePair).values(face_model_id=newer.id))
    assert [row["face_model"] for row in report(bob)] == ["newer"]
    assert [row["face_model"] for row in report(bob, f"status=all&at={now().date()}")] == ["made-up"]


@on_both_databases
def test_what_was_decided_about_somebody_is_listed_once_when_they_are_merged(
    bob: Visitor, session: Session, enrolled: Enrolled
) -> None:
    rita, quinn, sam = (enrolled(name) for name in ("Rita", "Quinn", "Sam"))
    judging.decide(session, TESTER, add_pair(session, rita, sam, 0.5), PairStatus.DISTINCT, "Sisters.")
    pair = add_pair(session, rita, quinn, 0.8)
    bob.get(f"/duplicates/{pair.id}")

    def listed(status: str) -> set[tuple[str, str]]:
        """The pairs with a status, which page, print and both reports agree about."""
        query = f"status={status}"
        told = ids(report(bob, query))
        assert ids(report(bob, f"{query}&at={now().date()}")) == told
        for page in ("/duplicates", "/duplicates/print"):
            bob.get(f"{page}?{query}")
            rows = bob.page.select("[data-pair]")
            assert sorted((str(row["data-a"]), str(row["data-b"])) for row in rows) == sorted(told)
        assert len(told) == len(set(told))
        return set(told)

    assert listed("distinct") == {("Rita", "Sam")}
    bob.post(f"/duplicates/{pair.id}/merge", {"external_id_of": "b", "name_of": "b"})
    assert listed("distinct") == {("Quinn", "Sam")}
    assert listed("duplicate") == {("Rita", "Quinn")}
    assert listed("all") == {("Quinn", "Sam"), ("Rita", "Quinn")}
    bob.get(f"/duplicates/{pair.id}")
    (decided_at,) = bob.page.select("form[action$='/undo'] [name=decided_at]")
    bob.post(f"/duplicates/{pair.id}/undo", {"decided_at": str(decided_at["value"])})
    assert listed("distinct") == {("Rita", "Sam")}
    assert listed("all") == {("Rita", "Sam"), ("Rita", "Quinn")}
