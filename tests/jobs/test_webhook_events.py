"""Each kind of event is written by the act itself, with ids and states and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.database import writing
from portal.duplicates import judging
from portal.merging.merging import merges_of, undo_merge
from portal.organizations.models import Organization
from portal.pairs.models import DuplicatePair, DuplicateScan, PairStatus
from portal.pairs.scans import cancel_scan, start_scan
from portal.people.models import Person
from portal.photos.models import Photo
from portal.photos.services import retry_photo
from portal.removal.services import remove_photo
from portal.search.models import Search
from portal.storage import photo_store
from portal.webhooks.models import Event
from portal.work.claims import MAX_ATTEMPTS
from portal.work.models import WorkState
from tests.databases import on_both_databases
from tests.make.batches import drop, finish
from tests.make.pairs import add_pair
from tests.make.people import TESTER, add_person, add_photo
from tests.make.photos import mate, picture
from tests.make.webhooks import Endpoint, add_endpoint, written
from tests.portal.conftest import Enrolled, enrolled  # noqa: F401
from tests.run.workers import Worker, sweep
from tests.visitor import Visitor, enrol, file, search

STATES = {"done", "failed", "cancelled", "undone", "open", "duplicate", "distinct", "no_face", "set_aside"}


@pytest.fixture
def endpoint(session: Session, clinic: Organization) -> Endpoint:
    """One that hears of everything in the clinic."""
    return add_endpoint(session, clinic)


@pytest.fixture
def news(session: Session, endpoint: Endpoint) -> Callable[[], list[tuple[str, dict[str, Any]]]]:
    """What was written since it was asked the last time: with nothing in it but ids and states."""
    seen = [0]

    def new() -> list[tuple[str, dict[str, Any]]]:
        found = written(session)
        for _, data in found:
            for name, value in data.items():
                ids = value if isinstance(value, list) else [value]
                assert name.endswith(("_id", "_ids")) or value in STATES, (name, value)
                assert all(one is None or isinstance(one, int) or one in STATES for one in ids)
        fresh, seen[0] = found[seen[0] :], len(found)
        session.rollback()
        return fresh

    return new


News = Callable[[], list[tuple[str, dict[str, Any]]]]


@on_both_databases
def test_a_person_is_enrolled_when_the_last_photo_is_done(
    worker: Worker, bob: Visitor, session: Session, clinic: Organization, lfw: Path, news: News
) -> None:
    anna = enrol(bob, "Anna", "A1", mate(lfw, "Anna_Kournikova", 1), picture(1))
    assert news() == []
    worker.work()
    session.rollback()
    failed = session.scalars(select(Photo).where(Photo.state == WorkState.FAILED)).one()
    nobody = enrol(bob, "Nobody", "N1", picture(2))
    worker.work()
    session.rollback()
    useless = session.scalars(select(Photo).where(Photo.person_id == nobody)).one()
    assert news() == [
        ("photo.failed", {"photo_id": failed.id, "person_id": anna, "reason": "no_face"}),
        ("person.enrolled", {"person_id": anna, "state": "done"}),
        ("photo.failed", {"photo_id": useless.id, "person_id": nobody, "reason": "no_face"}),
        ("person.enrolled", {"person_id": nobody, "state": "failed"}),
    ]
    # Once: not again when photos are added, or tried again.
    bob.post(f"/people/{anna}/photos", {"photos": [file(mate(lfw, "Anna_Kournikova", 2))]})
    retry_photo(session, clinic, TESTER, failed)
    worker.work()
    assert [kind for kind, _ in news() if kind != "duplicate.found"] == ["photo.failed"]


def test_the_last_photo_may_be_set_aside_or_removed(
    app: Flask,
    new_worker: Callable[[], Worker],
    bob: Visitor,
    session: Session,
    clinic: Organization,
    lfw: Path,
    news: News,
) -> None:
    enrol(bob, "Anna", "A1", mate(lfw, "Anna_Kournikova", 1))
    enrol(bob, "Bert", "B1", mate(lfw, "Anna_Kournikova", 2), picture(3))
    new_worker()
    anna, bert = session.scalars(select(Person).order_by(Person.id)).all()
    with writing(session):
        of_anna, of_bert = (
            session.scalars(select(Photo).where(Photo.person_id == person.id).order_by(Photo.id)).all()
            for person in (anna, bert)
        )
        of_anna[0].state, of_anna[0].claimed_by = WorkState.RUNNING, "host:1:lost"
        of_anna[0].attempts = MAX_ATTEMPTS
        of_bert[0].state = WorkState.DONE
    remove_photo(session, clinic, TESTER, of_bert[1], photo_store())
    assert news() == []
    sweep(app)
    assert news() == [
        ("photo.failed", {"photo_id": of_anna[0].id, "person_id": anna.id, "reason": "set_aside"}),
        ("person.enrolled", {"person_id": anna.id, "state": "failed"}),
        ("person.enrolled", {"person_id": bert.id, "state": "done"}),
    ]


def test_batches_searches_and_scans_end(
    app: Flask,
    worker: Worker,
    bob: Visitor,
    session: Session,
    clinic: Organization,
    lfw: Path,
    news: News,
) -> None:
    batch = drop(bob, {"A1/1.jpg": mate(lfw, "Anna_Kournikova", 1), "B1/1.jpg": picture(1)})
    finish(worker)
    happened = news()
    assert sorted(kind for kind, _ in happened) == [
        *("batch.done", "person.enrolled", "person.enrolled", "photo.failed")
    ]
    assert happened[-1] == ("batch.done", {"batch_id": batch, "state": "done"})
    bob.post(f"/enrol/{batch}/undo")
    finish(worker)
    assert news() == [("batch.done", {"batch_id": batch, "state": "undone"})]

    found, useless = search(bob, mate(lfw, "Anna_Kournikova", 2)), search(bob, picture(5))
    worker.work()
    aside = search(bob, picture(6))
    with writing(session):
        session.execute(
            update(Search)
            .where(Search.id == aside)
            .values(state=WorkState.RUNNING, claimed_by="host:1:lost", attempts=MAX_ATTEMPTS)
        )
    sweep(app)
    assert news() == [
        ("search.done", {"search_id": found, "state": "done"}),
        ("search.done", {"search_id": useless, "state": "failed"}),
        ("search.done", {"search_id": aside, "state": "failed"}),
    ]

    through = start_scan(session, clinic, TESTER).id
    worker.work()
    cancelled = start_scan(session, clinic, TESTER)
    cancel_scan(session, TESTER, cancelled)
    aside = start_scan(session, clinic, TESTER).id
    with writing(session):
        session.execute(
            update(DuplicateScan)
            .where(DuplicateScan.id == aside)
            .values(state=WorkState.RUNNING, claimed_by="host:1:lost", attempts=MAX_ATTEMPTS)
        )
    sweep(app)
    assert news() == [
        ("scan.done", {"scan_id": through, "state": "done"}),
        ("scan.done", {"scan_id": cancelled.id, "state": "cancelled"}),
        ("scan.done", {"scan_id": aside, "state": "failed"}),
    ]


def test_workers_find_duplicates(
    worker: Worker, bob: Visitor, session: Session, lfw: Path, news: News
) -> None:
    one = enrol(bob, "Anna", "A1", mate(lfw, "Anna_Kournikova", 1))
    two = enrol(bob, "Anne", "A2", mate(lfw, "Anna_Kournikova", 2))
    enrol(bob, "Other", "B1", picture(4))
    worker.work()
    pair = session.scalars(select(DuplicatePair)).one()
    assert [data for kind, data in news() if kind == "duplicate.found"] == [
        {"pair_id": pair.id, "person_ids": [one, two]}
    ]


def test_members_decide_merge_and_undo(
    session: Session,
    clinic: Organization,
    enrolled: Enrolled,  # noqa: F811
    news: News,
) -> None:
    of_a, of_b, of_c = (enrolled(name) for name in "ABC")
    a, b, c = of_a.person, of_b.person, of_c.person
    first, second = add_pair(session, of_a, of_b), add_pair(session, of_b, of_c)
    below = add_pair(session, of_a, of_c, score=0.01)
    assert news() == [
        ("duplicate.found", {"pair_id": first.id, "person_ids": [a.id, b.id]}),
        ("duplicate.found", {"pair_id": second.id, "person_ids": [b.id, c.id]}),
    ]
    judging.decide(session, TESTER, second, PairStatus.DISTINCT)
    judging.undo_decision(session, clinic, TESTER, second, second.decided_at)
    of_second = {"pair_id": second.id, "person_ids": [b.id, c.id], "merged_into_id": None}
    assert news() == [
        ("duplicate.decided", {**of_second, "status": "distinct"}),
        ("duplicate.decided", {**of_second, "status": "open"}),
        # It needs a decision again.
        ("duplicate.found", {"pair_id": second.id, "person_ids": [b.id, c.id]}),
    ]
    judging.decide_and_merge(
        session, clinic, TESTER, first, survivor=a, absorbed=b, name=a.name, external_id=a.external_id
    )
    of_first = {"pair_id": first.id, "person_ids": [a.id, b.id]}
    assert ("duplicate.decided", {**of_first, "status": "duplicate", "merged_into_id": a.id}) in news()
    (merge,) = merges_of(session, clinic, a)
    undo_merge(session, clinic, TESTER, merge)
    assert ("duplicate.decided", {**of_first, "status": "open", "merged_into_id": None}) in news()
    found = [data["pair_id"] for kind, data in written(session) if kind == "duplicate.found"]
    assert below.id not in found


def test_nothing_is_written_for_whom_nobody_listens(
    worker: Worker, charlie: Visitor, session: Session, school: Organization, lfw: Path, news: News
) -> None:
    person = add_person(session, school, "X1")
    add_photo(session, person)
    enrol(charlie, "Anna", "A1", mate(lfw, "Anna_Kournikova", 1), picture(1))
    search(charlie, picture(2))
    worker.work()
    assert news() == []


def test_every_kind_is_tried_here() -> None:
    source = Path(__file__).read_text()
    assert [event for event in Event if f'"{event.value}"' not in source] == []
