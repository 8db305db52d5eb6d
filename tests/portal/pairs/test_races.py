"""Members and workers at the same group in the same moment: none is refused, and the groups are right."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update
from sqlalchemy.orm import Session

from portal.batches import services as batches
from portal.batches.models import Batch, ItemState
from portal.calibration.choosing import Purpose, choose_threshold
from portal.database import writing
from portal.duplicates import judging
from portal.extensions import db
from portal.organizations.models import Organization
from portal.pairs import finding, scans
from portal.pairs.finding import FoundPair, record_found
from portal.pairs.models import DuplicatePair, PairStatus
from portal.people.models import Person
from portal.photos.gallery import leave_gallery
from portal.photos.models import Photo
from portal.removal.services import delete_person, remove_photo
from portal.removal.undoing import undo_some
from portal.storage import photo_store
from tests.databases import on_postgresql
from tests.make.batches import add_batch
from tests.make.face_models import THRESHOLD, face_model
from tests.make.pairs import add_pair, mark_stale
from tests.make.people import TESTER
from tests.portal.conftest import Enrolled
from tests.read.pairs import assert_grouped, pair_of
from tests.run.postgres import someone_waits_for_a_lock
from tests.waiting import wait_until

Photos = dict[str, Photo]
Act = Callable[[Session, Photos], Any]
Beside = Callable[[Any, str, Act], list[Future[Any]]]


@pytest.fixture
def people(enrolled: Enrolled) -> Photos:
    """Four people, by the first letters of their names."""
    return {name: enrolled(name) for name in "ABCD"}


@pytest.fixture
def beside(app: Flask, session: Session, people: Photos, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let someone else act in the middle of a function: when it has done its work, before the commit.

    Goes on when the other one waits for a lock, or is through.
    """
    engine = db.engine
    with ThreadPoolExecutor(1) as pool:

        def meet(module: Any, name: str, act: Act) -> list[Future[Any]]:
            genuine = getattr(module, name)
            others: list[Future[Any]] = []

            def elsewhere() -> None:
                with app.app_context():
                    act(db.session(), people)

            def and_be_met(*arguments: Any, **options: Any) -> Any:
                answer = genuine(*arguments, **options)
                if not others:
                    others.append(pool.submit(elsewhere))
                    wait_until(lambda: someone_waits_for_a_lock(engine) or others[0].done(), "the other one")
                return answer

            monkeypatch.setattr(module, name, and_be_met)
            return others

        yield meet


def pair_in(session: Session, people: Photos, names: str) -> DuplicatePair:
    return pair_of(session, *(people[name].person_id for name in names))


def home(session: Session, people: Photos) -> Organization:
    return session.get_one(Organization, people["A"].organization_id)


def found(people: Photos, names: str, score: float) -> FoundPair:
    one, other = (people[name] for name in names)
    return FoundPair(one.person_id, other.person_id, one.main_face_id or 0, other.main_face_id or 0, score)


def find(session: Session, people: Photos, names: str, score: float) -> None:
    """Let a worker find a pair."""
    with writing(session):
        organization_id = people["A"].organization_id
        record_found(
            session, organization_id, [found(people, names, score)], THRESHOLD, face_model(session).id
        )


def decide_other(session: Session, people: Photos) -> None:
    judging.decide(session, TESTER, pair_in(session, people, "BC"), PairStatus.DISTINCT)


def leave_other_open(session: Session, people: Photos) -> None:
    judging.leave_open(session, TESTER, pair_in(session, people, "BC"), "Ask the mother.")


def look_at_other(session: Session, people: Photos) -> None:
    pair = pair_in(session, people, "BC")
    judging.reserve(session, TESTER, pair)
    judging.release(session, TESTER, pair)


def take_other_back(session: Session, people: Photos) -> None:
    pair = pair_in(session, people, "BD")
    judging.undo_decision(session, home(session, people), TESTER, pair, pair.decided_at)


def find_another(session: Session, people: Photos) -> None:
    find(session, people, "BD", 0.8)


def raise_threshold(session: Session, people: Photos) -> None:
    choose_threshold(session, home(session, people), TESTER, Purpose.DUPLICATES, 0.65)


def delete_somebody(session: Session, people: Photos) -> None:
    person = session.get_one(Person, people["C"].person_id)
    delete_person(session, home(session, people), TESTER, person, photo_store())


def remove_a_photo(session: Session, people: Photos) -> None:
    photo = session.get_one(Photo, people["B"].id)
    remove_photo(session, home(session, people), TESTER, photo, photo_store())


def undo_a_batch(session: Session, people: Photos) -> None:
    batch = session.get_one(Batch, 1)
    batches.undo(session, TESTER, batch, photo_store())
    undo_some(session, batch.id, photo_store())


@on_postgresql
@pytest.mark.parametrize(
    ("act", "score"),
    [
        (decide_other, 0.6),
        (leave_other_open, 0.6),
        (look_at_other, 0.6),
        (take_other_back, 0.75),
        (find_another, 0.75),
        (raise_threshold, 0.6),
        (delete_somebody, 0.6),
        (remove_a_photo, 0.6),
        (undo_a_batch, 0.6),
    ],
)
def test_a_pair_is_decided_while_somebody_else_is_at_its_group(
    session: Session, people: Photos, beside: Beside, act: Act, score: float
) -> None:
    """A-B is decided, of A-B, B-C and C-D; with a score of 0.75 it led them, with one of 0.6 B-C did."""
    photos = list(people.values())
    for number, other_score in ((2, 0.5), (1, 0.7)):
        add_pair(session, photos[number], photos[number + 1], other_score)
    pair = add_pair(session, people["A"], people["B"], score)
    if act is take_other_back:
        other = add_pair(session, people["B"], people["D"], 0.8)
        judging.decide(session, TESTER, other, PairStatus.DISTINCT)
    if act is undo_a_batch:
        item = {"path": "C/1.jpg", "state": ItemState.ENROLLED, "photo_id": people["C"].id}
        batch = add_batch(session, home(session, people), item)
        with writing(session):
            person = Person.id == people["C"].person_id
            session.execute(update(Person).where(person).values(batch_id=batch.id))
    others = beside(judging, "_lock_open", act)
    judging.decide(session, TESTER, pair, PairStatus.DISTINCT)
    others[0].result()
    assert pair_in(session, people, "AB").status == PairStatus.DISTINCT
    assert_grouped(session, pair.organization_id)


@on_postgresql
def test_the_threshold_is_lowered_while_a_photo_is_removed(
    session: Session, people: Photos, beside: Beside
) -> None:
    for names, score in (("BC", 0.7), ("AB", 0.6)):
        add_pair(session, people[names[0]], people[names[1]], score)
    others = beside(scans, "regroup", remove_a_photo)
    choose_threshold(session, home(session, people), TESTER, Purpose.DUPLICATES, 0.3)
    others[0].result()
    mark_stale(session, home(session, people))
    assert pair_in(session, people, "AB").stale


@on_postgresql
def test_a_face_that_leaves_while_its_pair_is_written_is_not_relied_on(
    session: Session, people: Photos, beside: Beside
) -> None:
    """Another face of the photo was chosen, or the photo is hidden by a merge."""

    def leave(own: Session, people: Photos) -> None:
        with writing(own):
            leave_gallery(own, people["A"].organization_id, [people["A"].main_face_id or 0])

    others = beside(finding, "regroup", leave)
    find(session, people, "AB", 0.9)
    others[0].result()
    mark_stale(session, home(session, people))
    written = pair_in(session, people, "AB")
    assert (written.score, written.stale) == (0.9, True)
