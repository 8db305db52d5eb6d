"""Duplicate pairs and scans over the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from portal import paging
from portal.audit.models import AuditEvent
from portal.database import writing
from portal.organizations.models import Organization
from portal.pairs.models import DuplicatePair
from portal.people.models import Person
from tests.databases import on_both_databases
from tests.make.calibrations import add_calibration
from tests.portal.api.test_people import Events
from tests.portal.conftest import Paired
from tests.program import Program


def decide(registry: Program, pair_id: int, decision: str, **fields: Any) -> Any:
    return registry.send("POST", f"/duplicates/{pair_id}/decision", json={"decision": decision, **fields})


def listed(registry: Program, **query: Any) -> list[int]:
    answer = registry.get("/duplicates", **query)
    assert answer.status_code == 200, answer.text
    return [pair["id"] for pair in answer.get_json()["items"]]


@on_both_databases
def test_pairs_are_listed_by_score_and_filtered(registry: Program, paired: Paired) -> None:
    weak, strong = paired("A", "B", 0.5), paired("C", "D", 0.7)
    assert listed(registry) == listed(registry, status="open") == [strong.id, weak.id]
    assert listed(registry, min_score=0.6) == [strong.id]
    first = registry.get("/duplicates", limit=1).get_json()
    assert listed(registry, limit=1, cursor=first["next_cursor"]) == [weak.id]
    other_list = registry.get("/duplicates", limit=1, status="open", cursor=first["next_cursor"])
    assert other_list.status_code == 400
    (pair,) = (one for one in registry.get("/duplicates").get_json()["items"] if one["id"] == weak.id)
    assert (pair["a"]["external_id"], pair["b"]["external_id"], pair["score"]) == ("A", "B", 0.5)
    assert (pair["status"], pair["needs_decision"], pair["band"]) == ("open", True, None)


def test_a_score_from_which_nothing_follows_has_no_band(
    registry: Program, paired: Paired, session: Session, clinic: Organization
) -> None:
    pair = paired("A", "B", 0.9)
    add_calibration(session, clinic)
    assert registry.get(f"/duplicates/{pair.id}").get_json()["band"] == "strong"
    with writing(session):
        session.execute(update(DuplicatePair).values(same_photo=True))
    assert registry.get(f"/duplicates/{pair.id}").get_json()["band"] is None


@on_both_databases
def test_a_pair_is_decided_once_and_opened_again(registry: Program, paired: Paired, events: Events) -> None:
    pair = paired("A", "B")
    decided = decide(registry, pair.id, "distinct", note="Sisters.").get_json()
    assert (decided["pair"]["status"], decided["pair"]["note"]) == ("distinct", "Sisters.")
    assert (decided["pair"]["decided_by"], decided["remarks"]) == ("key Registry", [])
    assert listed(registry, status="open") == []
    assert listed(registry, status="distinct") == [pair.id]
    again = decide(registry, pair.id, "duplicate")
    assert (again.status_code, "already been decided" in again.text) == (409, True)
    assert decide(registry, pair.id, "undo").get_json()["pair"]["status"] == "open"
    assert decide(registry, pair.id, "undo").status_code == 409
    found: list[AuditEvent] = events("pair.decided") + events("pair.undone")
    assert [event.actor for event in found] == ["key Registry"] * 2


@on_both_databases
def test_two_people_become_one_and_two_again(registry: Program, paired: Paired, session: Session) -> None:
    pair = paired("A", "B")
    a, b = pair.a_id, pair.b_id
    merged = decide(registry, pair.id, "merge", survivor_id=b, name_of=a).get_json()["pair"]
    assert (merged["status"], merged["a"]["merged_into_id"]) == ("duplicate", b)
    survivor = registry.get(f"/people/{b}").get_json()
    assert (survivor["external_id"], survivor["name"], len(survivor["photos"])) == ("B", "A", 2)
    gone = registry.get(f"/people/{a}")
    assert (gone.status_code, str(b) in gone.get_json()["detail"]) == (404, True)
    assert decide(registry, pair.id, "undo").status_code == 200
    session.expire_all()
    assert {(person.id, person.name) for person in session.query(Person)} == {(a, "A"), (b, "B")}
    assert len(registry.get(f"/people/{a}").get_json()["photos"]) == 1


def test_a_decision_that_makes_no_sense_changes_nothing(registry: Program, paired: Paired) -> None:
    pair, other = paired("A", "B"), paired("C", "D")
    for fields, field in (
        ({"decision": "merge"}, "survivor_id"),
        ({"decision": "merge", "survivor_id": other.a_id}, "survivor_id"),
        ({"decision": "merge", "survivor_id": pair.a_id, "name_of": other.a_id}, "name_of"),
        ({"decision": "distinct", "survivor_id": pair.a_id}, "survivor_id"),
        ({"decision": "distinct", "note": "\0"}, "note"),
        ({"decision": "open"}, "decision"),
        ({}, "decision"),
    ):
        answer = registry.send("POST", f"/duplicates/{pair.id}/decision", json=fields)
        assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, field)
    assert listed(registry, status="open") == listed(registry)


def test_a_pair_whose_person_was_deleted_is_not_there(registry: Program, paired: Paired) -> None:
    pair = paired("A", "B")
    registry.send("DELETE", f"/people/{pair.a_id}")
    assert decide(registry, pair.id, "merge", survivor_id=pair.b_id).status_code == 404
    assert registry.get(f"/people/{pair.b_id}").status_code == 200


@on_both_databases
def test_a_feed_has_what_changed_in_the_order_in_which_it_did(
    registry: Program, paired: Paired, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "SETTLED", timedelta(0))
    first, second = paired("A", "B", 0.5), paired("C", "D", 0.7)
    before = (first.found_at - timedelta(seconds=1)).isoformat()
    assert listed(registry, updated_after=before) == [first.id, second.id]
    decide(registry, first.id, "distinct")
    page = registry.get("/duplicates", updated_after=before, limit=1).get_json()
    assert [pair["id"] for pair in page["items"]] == [second.id]
    rest = registry.get("/duplicates", updated_after=before, limit=1, cursor=page["next_cursor"]).get_json()
    assert [(pair["id"], pair["status"]) for pair in rest["items"]] == [(first.id, "distinct")]
    assert listed(registry, updated_after=second.updated_at.isoformat()) == [first.id]


@pytest.mark.parametrize("moment", ["yesterday", "2026-11-28T12:00:00", "0000-01-01T00:00:00Z"])
def test_a_moment_that_is_none_is_told(moment: str, registry: Program) -> None:
    answer = registry.get("/duplicates", updated_after=moment)
    assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, "updated_after")


def test_one_scan_is_started_at_a_time_and_cancelled(registry: Program, paired: Paired) -> None:
    paired("A", "B")
    started = registry.send("POST", "/duplicate-scans")
    assert (started.status_code, started.get_json()["status"]) == (202, "queued")
    address = started.headers["Location"].removeprefix("/api/v1")
    assert registry.get(address).get_json() == started.get_json()
    assert registry.send("POST", "/duplicate-scans").status_code == 409
    cancelled = registry.send("POST", f"{address}/cancel").get_json()
    assert (cancelled["status"], cancelled["cancelled"]) == ("done", True)
    assert registry.send("POST", f"{address}/cancel").status_code == 409
    assert registry.get("/duplicate-scans").get_json()["items"] == [cancelled]


def test_a_body_is_taken_as_the_contract_says_or_refused(
    registry: Program, paired: Paired, events: Events
) -> None:
    pair = paired("A", "B")
    for number in (str(pair.a_id), f"{pair.a_id}.0", float(pair.a_id), True):
        answer = decide(registry, pair.id, "merge", survivor_id=number)
        assert answer.status_code == 422, number
        assert answer.get_json()["errors"][0]["field"] == "survivor_id"
    noted = decide(registry, pair.id, "undo", note="A mistake.")
    assert (noted.status_code, noted.get_json()["errors"][0]["field"]) == (422, "note")
    bodies: list[dict[str, Any]] = [{"json": {"threshold": 0.1}}, {"json": {}}, {"data": b"threshold=1"}]
    for body in bodies:
        answer = registry.send("POST", "/duplicate-scans", **body)
        assert (answer.status_code, "takes no body" in answer.get_json()["detail"]) == (400, True)
        named = registry.send("POST", "/duplicate-scans", headers={"Idempotency-Key": "one"}, **body)
        assert named.status_code == 400
    assert events("duplicates.scan_started") == []
    assert registry.send("POST", "/duplicate-scans", content_type="application/json").status_code == 202
    assert decide(registry, pair.id, "merge", survivor_id=pair.a_id).status_code == 200
