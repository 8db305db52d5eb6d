"""The queue of pairs, as staff see, filter and report it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from portal.audit.models import AuditEvent
from portal.database import now, writing
from portal.duplicates import handing_out, judging, pairs
from portal.organizations.models import Organization
from portal.pairs.locking import lock_pairs
from portal.pairs.models import DuplicatePair, PairEvent, PairStatus
from portal.pairs.remeasuring import remeasure
from portal.people.models import Person
from portal.work.models import WorkState
from tests.databases import on_both_databases
from tests.make.merges import merge
from tests.make.pairs import add_pair, mark_stale
from tests.make.people import TESTER, add_person, add_photo
from tests.make.photos import mate
from tests.portal.conftest import Enrolled, Paired
from tests.run.workers import Worker
from tests.visitor import Visitor, enrol

Events = Callable[[str], list[AuditEvent]]


def shown(visitor: Visitor, url: str = "/duplicates") -> list[tuple[str, str, str]]:
    """External ids and status of the pairs on a page, in its order."""
    assert visitor.get(url).status_code == 200
    return [
        (str(row["data-a"]), str(row["data-b"]), str(row["data-status"]))
        for row in visitor.page.select("[data-pair]")
    ]


def report(visitor: Visitor, query: str = "") -> list[dict[str, str]]:
    with visitor.get(f"/duplicates.csv{query}", buffered=True) as response:
        assert response.mimetype == "text/csv"
        return list(csv.DictReader(io.StringIO(response.data.decode("utf-8-sig"))))


@on_both_databases
def test_a_person_enrolled_twice_is_found_and_shown(
    worker: Worker, bob: Visitor, charlie: Visitor, lfw: Path
) -> None:
    first = enrol(bob, "Al Sharpton", "S-1", mate(lfw, "Al_Sharpton", 1))
    enrol(bob, "Amelia Vega", "V-1", mate(lfw, "Amelia_Vega", 1))
    enrol(bob, "A. Sharpton", "S-2", mate(lfw, "Al_Sharpton", 2))
    worker.work()
    assert shown(bob) == [("S-1", "S-2", "open")]
    (row,) = bob.page.select("[data-pair]")
    assert 0.4 < float(str(row["data-score"])) < 1
    assert "%" not in bob.text
    bob.get(f"/duplicates/{row['data-pair']}")
    assert "Al Sharpton" in bob.text
    # Each of the two, aligned to the same place: the transforms differ as the photos do.
    transforms = [one["transform"] for one in bob.page.select("[data-compare] image")]
    assert len(set(map(str, transforms))) == 2
    bob.get(f"/people/{first}")
    assert "May be enrolled twice" in bob.text
    assert bob.page.select("[data-pair][data-b='S-2']")
    bob.get("/")
    assert "Pairs to decide" in bob.text
    assert shown(charlie) == []
    assert charlie.get(f"/duplicates/{row['data-pair']}").status_code == 404


def test_the_strongest_come_first_and_a_group_is_one_entry(
    bob: Visitor, session: Session, enrolled: Enrolled, paired: Paired
) -> None:
    anna, anne, annie = (enrolled(name) for name in ("Anna", "Anne", "Annie"))
    add_pair(session, anna, anne, 0.5)
    add_pair(session, anne, annie, 0.7)
    paired("Carl", "Karl", 0.6)
    assert shown(bob) == [
        ("Anne", "Annie", "open"),
        ("Anna", "Anne", "open"),
        ("Carl", "Karl", "open"),
    ]
    entries = bob.page.select(".pair-entry")
    assert [len(entry.select("[data-pair]")) for entry in entries] == [2, 1]
    assert "2 linked pairs" in entries[0].get_text(" ", strip=True)
    # The menu counts what there is to do: a group is one question.
    assert bob.one(".nav__count").get_text(strip=True).endswith("2")


def test_the_very_same_photo_is_said_to_be_that(bob: Visitor, session: Session, clinic: Organization) -> None:
    one, other = (add_photo(session, add_person(session, clinic, name, name), shade=5) for name in ("A", "B"))
    pair = add_pair(session, one, other, score=1.0)
    bob.get("/duplicates")
    assert "The very same photo" in bob.text
    bob.get(f"/duplicates/{pair.id}")
    assert "Both have the very same photo (same file)." in bob.text
    assert not bob.page.select(".score-bar")


def test_somebody_in_many_pairs_is_pointed_out(bob: Visitor, session: Session, enrolled: Enrolled) -> None:
    blurred = enrolled("Blurred")
    pairs = [add_pair(session, blurred, enrolled(f"P{number}")) for number in range(4)]
    bob.get("/duplicates")
    assert "resembles many" not in bob.text
    add_pair(session, blurred, enrolled("P4"))
    bob.get("/duplicates")
    assert "Blurred (Blurred) is in 5 open pairs: a poor photo, or a face that resembles many." in bob.text
    bob.get(f"/duplicates/{pairs[0].id}")
    assert "In 5 open pairs" in bob.text


def test_filters_let_the_same_pairs_through_on_the_page_and_in_the_report(
    bob: Visitor, session: Session, clinic: Organization, paired: Paired
) -> None:
    strong, weak, decided = (
        paired("A1", "A2", 0.8),
        paired("B1", "B2", 0.5),
        paired("C1", "C2", 0.7),
    )
    judging.decide(session, TESTER, decided, PairStatus.DISTINCT, "=cmd()")
    with writing(session):
        session.execute(update(Person).where(Person.id == weak.b_id).values(batch_id=7))
        session.execute(
            update(DuplicatePair).where(DuplicatePair.id == strong.id).values(found_at=now() - timedelta(9))
        )
    today = now().date().isoformat()
    for query, expected in (
        ("", ["A1", "B1"]),
        ("?status=open", ["A1", "B1"]),
        ("?status=distinct", ["C1"]),
        ("?status=duplicate", []),
        ("?status=all", ["A1", "C1", "B1"]),
        ("?score=0.6", ["A1"]),
        ("?batch=7", ["B1"]),
        (f"?found_from={today}", ["B1"]),
        (f"?found_to={today}&score=0.6&status=all", ["A1", "C1"]),
    ):
        assert [a for a, _, _ in shown(bob, f"/duplicates{query}")] == expected, query
        assert sorted(row["a_external_id"] for row in report(bob, query)) == sorted(expected), query
        assert [a for a, _, _ in shown(bob, f"/duplicates/print{query}")] == expected, query
    (row,) = report(bob, "?status=distinct")
    assert row["note"] == "'=cmd()"
    assert (row["decided_by"], row["status"], row["decided_score"]) == ("test", "distinct", "0.700000")


def test_a_filter_that_makes_no_sense_is_refused_in_words(bob: Visitor, paired: Paired) -> None:
    paired("A1", "A2")
    for query, words in (
        ("score=2", "A score is a number from −1 to 1."),
        ("score=nan", "A score is a number from −1 to 1."),
        ("found_from=2026-05-02&found_to=2026-05-01", "The last day is before the first."),
        ("batch=0", "Enter the number of a batch."),
        ("status=others", "Not a valid choice"),
    ):
        for page in ("/duplicates", "/duplicates.csv", "/duplicates/print"):
            assert bob.get(f"{page}?{query}").status_code == 422, page
            assert words in bob.text, query
    assert bob.get("/duplicates?cursor=broken").status_code == 302


def test_the_list_goes_on_page_by_page(bob: Visitor, paired: Paired) -> None:
    for number in range(23):
        paired(f"A{number}", f"B{number}", 0.5 + number / 100)
    first = shown(bob)
    second = shown(bob, bob.link("a[rel=next]"))
    assert [a for a, _, _ in first + second] == [f"A{number}" for number in reversed(range(23))]


def test_a_report_can_be_made_again_as_it_was_on_a_day(
    bob: Visitor, session: Session, paired: Paired, events: Events
) -> None:
    pair = paired("A1", "A2")
    yesterday = now() - timedelta(days=1)
    with writing(session):
        session.execute(update(PairEvent).values(at=yesterday))
        session.execute(update(DuplicatePair).values(found_at=yesterday))
    judging.decide(session, TESTER, pair, PairStatus.DISTINCT)
    day = yesterday.date().isoformat()
    assert [row["status"] for row in report(bob, f"?status=all&at={day}")] == ["open"]
    assert [row["status"] for row in report(bob, "?status=all")] == ["distinct"]
    assert report(bob, f"?status=all&at={(yesterday - timedelta(days=1)).date()}") == []
    assert bob.get(f"/duplicates.csv?at={(now() + timedelta(days=1)).date()}").status_code == 422
    assert "today or an earlier day" in bob.text
    assert [event.details.get("at") for event in events("pair.reported")] == [
        day,
        None,
        (yesterday - timedelta(days=1)).date().isoformat(),
    ]
    with bob.get("/duplicates.csv", buffered=True) as response:
        assert f"duplicates-alpha-clinic-{now().date()}.csv" in response.headers["Content-Disposition"]


def test_the_printed_report_says_what_it_is(vera: Visitor, paired: Paired) -> None:
    paired("A1", "A2")
    vera.get("/duplicates/print?score=0.5")
    for words in ("Alpha Clinic", "vera@clinic.example", "score at least 0.500", "Threshold", "made-up"):
        assert words in vera.text


def test_an_empty_queue_says_why(
    bob: Visitor, session: Session, clinic: Organization, enrolled: Enrolled, paired: Paired
) -> None:
    bob.get("/duplicates")
    assert "Nobody is enrolled yet." in bob.text
    enrolled("Anna")
    bob.get("/duplicates")
    assert "No duplicates found" in bob.text
    assert bob.page.select("main a[href='/duplicates/scans']")
    judging.decide(session, TESTER, paired("A1", "A2"), PairStatus.DISTINCT)
    bob.get("/duplicates")
    assert "Every pair is decided" in bob.text
    bob.get("/duplicates?batch=9")
    assert "No pair matches" in bob.text


def test_new_people_that_are_compared_now_are_said_so_until_they_are(
    bob: Visitor, session: Session, clinic: Organization, enrolled: Enrolled
) -> None:
    def compared(**values: object) -> None:
        with writing(session):
            mine = lock_pairs(session, clinic.id)
            for column, value in values.items():
                setattr(mine, column, value)

    enrolled("Anna")
    bob.get("/duplicates")
    (polled,) = bob.page.select("[hx-trigger]")
    bob.get("/duplicates/status")
    assert str(bob.page.select_one("#comparing")) == str(polled)
    compared(compared_version=1)
    bob.get("/duplicates/status")
    assert not bob.page.select("[hx-trigger]")
    assert "Everybody has been compared with everyone else." in bob.text
    bob.get("/duplicates")
    assert not bob.page.select("[hx-trigger]")
    compared(compared_version=0, state=WorkState.FAILED)
    bob.get("/duplicates")
    assert "New people are not being compared with the others." in bob.text
    assert not bob.page.select("[hx-trigger]")
    bob.post("/duplicates/compare-again")
    bob.get("/duplicates")
    assert "Recently enrolled people are being compared" in bob.text


def test_a_viewer_looks_and_takes_nothing_away(vera: Visitor, paired: Paired) -> None:
    pair = paired("A1", "A2")
    assert shown(vera) == [("A1", "A2", "open")]
    assert not vera.page.select("a[href^='/duplicates.csv']")
    vera.get(f"/duplicates/{pair.id}")
    assert not vera.page.select("main form[method=post]")
    assert not vera.page.select("[data-reserve]")


@on_both_databases
def test_every_group_shows_its_strongest_pairs_however_big_another_one_is(
    bob: Visitor, session: Session, enrolled: Enrolled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handing_out, "PAIRS_OF_GROUP_SHOWN", 2)
    crowd = enrolled("Crowd")
    for number in range(7):
        add_pair(session, crowd, enrolled(f"P{number}"), 0.8 + number / 100)
    anna, anne, annie = (enrolled(name) for name in ("Anna", "Anne", "Annie"))
    add_pair(session, anna, anne, 0.6)
    add_pair(session, anne, annie, 0.5)
    bob.get("/duplicates")
    big, small = bob.page.select(".pair-entry")
    assert [row["data-b"] for row in big.select("[data-pair]")] == ["P6", "P5", "P4"]
    assert [row["data-b"] for row in small.select("[data-pair]")] == ["Anne", "Annie"]
    assert "7 linked pairs" in big.get_text(" ", strip=True)
    assert "And 4 more of this group, which are not shown here." in big.get_text(" ", strip=True)
    assert "2 linked pairs" in small.get_text(" ", strip=True)
    assert "more of this group" not in small.get_text(" ", strip=True)


def test_the_page_of_a_person_has_what_was_marked_too_and_says_how_many_more_there_are(
    bob: Visitor, session: Session, clinic: Organization, enrolled: Enrolled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "PAIRS_A_PAGE", 4)
    anna = enrolled("Anna")
    _, marked, distinct, merged, *others = (
        add_pair(session, anna, enrolled(f"P{number}"), 0.9 - number / 100) for number in range(9)
    )
    judging.decide(session, TESTER, marked, PairStatus.DUPLICATE)
    judging.decide(session, TESTER, distinct, PairStatus.DISTINCT)
    merge(session, merged.a, merged.b)
    url = f"/people/{anna.person_id}"
    assert shown(bob, url) == [
        ("Anna", "P0", "open"),
        ("Anna", "P1", "duplicate"),
        ("Anna", "P4", "open"),
        ("Anna", "P5", "open"),
    ]
    assert "Same person" in bob.page.select("[data-pair]")[1].get_text()
    assert "And 3 more, which are less alike." in bob.text
    for pair in others[2:]:
        judging.decide(session, TESTER, pair, PairStatus.DISTINCT)
    assert len(shown(bob, url)) == 4
    assert "which are less alike" not in bob.text


def test_two_with_the_very_same_photo_who_were_merged_are_said_to_be_that(
    bob: Visitor, session: Session, clinic: Organization
) -> None:
    one, other = (add_photo(session, add_person(session, clinic, name, name), shade=5) for name in ("A", "B"))
    pair = add_pair(session, one, other, score=1.0)
    bob.get(f"/duplicates/{pair.id}")
    bob.post(f"/duplicates/{pair.id}/merge", {"external_id_of": "a", "name_of": "a"})
    # The photo is one photo of A now, and the pass finds none of B.
    mark_stale(session, clinic)
    with writing(session):
        remeasure(session, pair.organization_id, {pair.id: None})
    bob.get("/duplicates?status=duplicate")
    (row,) = bob.page.select("[data-pair]")
    assert "Merged" in row.get_text(" ")
    assert "1.000" not in row.get_text(" ")
    bob.get(f"/duplicates/{pair.id}")
    assert "the photos are with the person who was kept" in bob.text
