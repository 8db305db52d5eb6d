"""Scans and odd photos, as staff start, watch and judge them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.audit.models import AuditEvent
from portal.database import writing
from portal.organizations.models import Organization
from portal.pairs.models import DuplicateScan
from portal.pairs.scans import claim_scan, end_scan
from portal.work.models import WorkState
from tests.databases import on_both_databases
from tests.make.merges import merge
from tests.make.pairs import add_odd_photo, add_pair
from tests.make.people import add_person, add_photo
from tests.make.photos import mate
from tests.portal.conftest import Enrolled
from tests.run.workers import Worker
from tests.visitor import Visitor, enrol

Events = Callable[[str], list[AuditEvent]]


def ended(visitor: Visitor) -> list[str]:
    """What the page says of the comparisons that have ended, latest first."""
    visitor.get("/duplicates/scans")
    return [row.get_text(" ", strip=True) for row in visitor.page.select("[data-scan]")]


def test_all_people_are_compared_on_demand(worker: Worker, bob: Visitor, vera: Visitor, lfw: Path) -> None:
    enrol(bob, "Al Sharpton", "S-1", mate(lfw, "Al_Sharpton", 1))
    enrol(bob, "A. Sharpton", "S-2", mate(lfw, "Al_Sharpton", 2), mate(lfw, "Al_Sharpton", 3))
    worker.work()
    bob.post("/duplicates/scans", follow=True)
    assert "All people are being compared with each other." in bob.text
    (polled,) = bob.page.select("[hx-trigger]")
    assert polled["data-scan-status"] == "queued"
    bob.get("/duplicates/scans/progress")
    (part,) = bob.page.select("#scans")
    for field in (*part.select("[name=csrf_token]"), *polled.select("[name=csrf_token]")):
        field.decompose()  # it holds the time
    assert str(part) == str(polled)
    bob.post("/duplicates/scans", follow=True)
    assert "already under way" in bob.text
    worker.work()
    (line,) = ended(vera)
    assert not vera.page.select("[hx-trigger]")
    assert "bob@clinic.example" in line
    # Two people with three faces; two comparisons of faces of different people, and one pair, known before.
    assert line.split()[-5:] == ["2", "3", "2", "1", "0"]


def test_a_comparison_is_cancelled(bob: Visitor, enrolled: Enrolled) -> None:
    enrolled("Anna")
    bob.post("/duplicates/scans", follow=True)
    cancel = bob.page.select_one("form[action$='/cancel']")
    assert cancel is not None
    bob.post(str(cancel["action"]), follow=True)
    assert "The scan is cancelled." in bob.text
    assert "cancelled" in ended(bob)[0]
    bob.post(str(cancel["action"]), follow=True)
    assert "This scan has already ended." in bob.text


def test_one_that_was_set_aside_can_go_on(bob: Visitor, session: Session, enrolled: Enrolled) -> None:
    enrolled("Anna")
    bob.post("/duplicates/scans")
    with writing(session):
        session.execute(update(DuplicateScan).values(state=WorkState.FAILED))
    assert "It stopped its worker three times." in ended(bob)[0]
    retry = bob.page.select_one("form[action$='/retry']")
    assert retry is not None
    bob.post(str(retry["action"]), follow=True)
    assert bob.page.select("[data-scan-status=queued]")


def test_nobody_is_compared_before_there_is_a_face_model(bob: Visitor) -> None:
    bob.get("/duplicates/scans")
    assert bob.page.select("button[disabled]")
    bob.post("/duplicates/scans", follow=True)
    assert "There is nobody to compare yet" in bob.text


def test_admins_choose_the_hour_of_the_nightly_comparison(
    alice: Visitor, bob: Visitor, events: Events
) -> None:
    alice.post("/duplicates/scans/schedule", {"hour": "3"}, follow=True)
    assert "every night, from 03:00 UTC" in alice.text
    assert alice.page.select("option[value='3'][selected]")
    bob.get("/duplicates/scans")
    assert "every night, from 03:00 UTC" in bob.text
    assert not bob.page.select("#hour")
    alice.post("/duplicates/scans/schedule", {"hour": "never"}, follow=True)
    assert not alice.page.select("#hour option[selected]")
    for hour in ("24", "-1", "", "noon"):
        alice.post("/duplicates/scans/schedule", {"hour": hour}, follow=True)
        assert "The hour is a number from 0 to 23." in alice.text
    assert [event.details["scan_hour"] for event in events("organization.settings_changed")] == [
        [None, 3],
        [3, None],
    ]


def test_a_photo_unlike_the_others_is_shown_until_somebody_says_it_is_right(
    bob: Visitor, session: Session, clinic: Organization, events: Events
) -> None:
    anna = add_person(session, clinic, "A1", "Anna")
    photos = [add_photo(session, anna, shade=shade) for shade in (1, 2)]
    add_odd_photo(session, photos[1], 0.123)
    bob.get("/duplicates/photos")
    (row,) = bob.page.select("[data-odd]")
    assert (row["data-odd"], row["data-score"]) == (str(photos[1].id), "0.123000")
    assert len(row.select(".odd__others svg")) == 1
    bob.get(f"/people/{anna.id}")
    (mark,) = bob.page.select("[data-odd]")
    assert "Does not look like the other photos of this person." in mark.get_text(" ", strip=True)
    bob.post(f"/duplicates/photos/{photos[1].id}/right", follow=True)
    assert "The photo stays with Anna" in bob.text
    assert "No photo stands out" in bob.text
    bob.get(f"/people/{anna.id}")
    assert not bob.page.select("[data-odd]")
    assert [event.subject_id for event in events("photo.checked")] == [anna.id]
    assert bob.post(f"/duplicates/photos/{photos[0].id}/right").status_code == 404


def test_one_that_is_cancelled_while_it_is_made_is_shown_as_that(
    bob: Visitor, session: Session, enrolled: Enrolled
) -> None:
    enrolled("Anna")
    bob.post("/duplicates/scans", follow=True)
    cancel = bob.page.select_one("form[action$='/cancel']")
    assert cancel is not None
    scan = claim_scan(session, "worker", session.scalars(select(DuplicateScan.id)).one())
    assert scan is not None
    bob.post(str(cancel["action"]), follow=True)
    assert "The scan is cancelled." in bob.text
    assert "No scan has been run yet." not in bob.text
    (line,) = ended(bob)
    assert "cancelled" in line
    # Another one may be started meanwhile.
    bob.post("/duplicates/scans", follow=True)
    assert bob.page.select("[data-scan-status=queued]")
    assert len(ended(bob)) == 1
    with writing(session):
        end_scan(session, "worker", scan)
    assert "cancelled" in ended(bob)[0]


@on_both_databases
def test_pairs_of_people_who_were_merged_are_not_counted(
    bob: Visitor, session: Session, enrolled: Enrolled
) -> None:
    anna, anne, cleo, dora = (enrolled(name) for name in ("Anna", "Anne", "Cleo", "Dora"))
    same = add_pair(session, anna, anne, 0.8)
    for one, other in ((anne, cleo), (cleo, dora)):
        add_pair(session, one, other)
    merge(session, same.a, same.b)
    bob.post("/duplicates/scans")
    scan = claim_scan(session, "worker", session.scalars(select(DuplicateScan.id)).one())
    assert scan is not None
    with writing(session):
        end_scan(session, "worker", scan)
    # Anna has the pair with Cleo now that Anne had.
    assert ended(bob)[0].split()[-2:] == ["2", "0"]
