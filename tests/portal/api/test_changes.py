"""The feed of people who changed: a program that follows it knows what the portal knows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from portal import paging
from portal.database import now, writing
from portal.people.models import Person
from tests.databases import on_both_databases
from tests.make.merges import merge
from tests.make.photos import mate, picture
from tests.portal.api.test_people import enrol
from tests.portal.conftest import Enrolled
from tests.program import Program
from tests.run.workers import Worker

LONG_AGO = "2000-01-01T00:00:00Z"


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes are listed at once: here no transaction is late."""
    monkeypatch.setattr(paging, "SETTLED", timedelta(0))


@pytest.fixture
def follow(registry: Program, session: Session, at_once: None) -> Callable[[], dict[str, Any]]:
    """Ask who changed since it was asked last; returns them by external ID."""
    since = [LONG_AGO]

    def ask() -> dict[str, Any]:
        session.rollback()
        answer = registry.get("/people", updated_after=since[0])
        since.append(datetime.now(UTC).isoformat())
        del since[0]
        return {person["external_id"]: person for person in answer.get_json()["items"]}

    return ask


@on_both_databases
def test_whatever_changes_a_person_is_a_change(
    worker: Worker,
    registry: Program,
    session: Session,
    lfw: Path,
    follow: Callable[[], dict[str, Any]],
) -> None:
    address = f"/people/{enrol(registry, 'anna', mate(lfw, 'Aaron_Tippin'))['id']}"
    other = enrol(registry, "berta", picture(1))["id"]
    assert list(follow()) == ["anna", "berta"]
    assert follow() == {}
    worker.work()
    assert follow().keys() == {"anna", "berta"}
    registry.send("PATCH", address, json={"name": "Anna B."})
    assert [person["name"] for person in follow().values()] == ["Anna B."]
    photos = registry.post_form(f"{address}/photos", {}, {"photos": [picture(2)]}).get_json()["photos"]
    assert list(follow()) == ["anna"]
    registry.send("DELETE", f"/photos/{photos[-1]['id']}")
    assert list(follow()) == ["anna"]
    anna = session.get_one(Person, int(address.rpartition("/")[2]))
    merge(session, anna, session.get_one(Person, other))
    found = follow()
    assert {name: person["merged_into_id"] for name, person in found.items()} == {
        "anna": None,
        "berta": anna.id,
    }
    # Who was merged away is in no other list.
    listed = registry.get("/people").get_json()["items"]
    assert [person["external_id"] for person in listed] == ["anna"]


@on_both_databases
def test_a_feed_has_pages_in_the_order_of_the_changes(
    registry: Program, enrolled: Enrolled, session: Session, at_once: None
) -> None:
    rows = [enrolled(name).person for name in ("Ada", "Ben", "Cleo", "Dora")]
    moment = now() - timedelta(minutes=5)
    with writing(session):
        # Two of them in the same moment.
        for person, seconds in zip(rows, (3, 1, 2, 2), strict=True):
            changed = moment + timedelta(seconds=seconds)
            session.execute(update(Person).where(Person.id == person.id).values(updated_at=changed))
    found, query = [], {"updated_after": LONG_AGO, "limit": 1}
    while True:
        page = registry.get("/people", **query).get_json()
        found += [person["name"] for person in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert found == ["Ben", "Cleo", "Dora", "Ada"]
    after = (moment + timedelta(seconds=2)).isoformat()
    page = registry.get("/people", updated_after=after).get_json()
    assert [person["name"] for person in page["items"]] == ["Ada"]
    # A cursor of one list is none of another.
    for other in ({"updated_after": after}, {}):
        assert registry.get("/people", cursor=query["cursor"], **other).status_code == 400


def test_the_last_moments_wait_for_transactions_that_are_late(
    registry: Program, enrolled: Enrolled, session: Session
) -> None:
    enrolled("Anna")
    assert registry.get("/people", updated_after=LONG_AGO).get_json()["items"] == []
    with writing(session):
        session.execute(update(Person).values(updated_at=now() - paging.SETTLED))
    assert len(registry.get("/people", updated_after=LONG_AGO).get_json()["items"]) == 1


@pytest.mark.parametrize(
    "moment",
    [
        *("yesterday", "0", "2026-01-01", "2026-01-01T00:00:00"),
        *("2026-02-30T00:00:00Z", "0001-01-01T00:00:00+14:00"),
    ],
)
def test_what_is_no_moment_is_told(moment: str, registry: Program) -> None:
    answer = registry.get("/people", updated_after=moment)
    assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, "updated_after")


def test_a_query_has_no_feed(registry: Program) -> None:
    assert registry.get("/people", query="a", updated_after=LONG_AGO).status_code == 422


def test_others_do_not_see_it(outsider: Program, enrolled: Enrolled, at_once: None) -> None:
    enrolled("Anna")
    assert outsider.get("/people", updated_after=LONG_AGO).get_json()["items"] == []
