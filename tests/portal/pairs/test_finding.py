"""What workers find is written down as it is, and what became of it since is kept in view."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.calibration.choosing import Purpose, choose_threshold
from portal.database import now, writing
from portal.duplicates import judging, pairs
from portal.merging.merging import undo_merge
from portal.organizations.models import Organization
from portal.organizations.services import create_organization
from portal.pairs import remeasuring, scans
from portal.pairs.finding import FoundPair
from portal.pairs.models import DuplicatePair, DuplicateScan, PairStatus
from portal.pairs.odd_photos import Likeness, list_odd, odd_photos_of, record_likeness
from portal.photos.gallery import join_gallery, leave_gallery
from portal.photos.models import Photo
from portal.removal.services import remove_photo
from portal.storage import photo_store
from portal.work.models import WorkState
from tests.databases import on_both_databases, on_postgresql
from tests.make.face_models import THRESHOLD, face_model
from tests.make.merges import merge
from tests.make.pairs import add_odd_photo, add_pair, mark_stale
from tests.make.people import TESTER, add_photo
from tests.portal.conftest import Enrolled
from tests.read.pairs import pair_of, queue

Copies = tuple[Photo, Photo, Photo, Photo]


@pytest.fixture
def home(session: Session, clinic: Organization) -> Organization:
    """The clinic, as the test's session has it."""
    return session.get_one(Organization, clinic.id)


def found(one: Photo, other: Photo, score: float) -> FoundPair:
    (a_id, face_a), (b_id, face_b) = sorted(
        (photo.person_id, photo.main_face_id or 0) for photo in (one, other)
    )
    return FoundPair(a_id, b_id, face_a, face_b, score)


def remove(session: Session, home: Organization, photo: Photo) -> None:
    remove_photo(session, home, TESTER, photo, photo_store())
    mark_stale(session, home)


def remeasure(session: Session, pair: DuplicatePair, best: FoundPair | None) -> DuplicatePair:
    with writing(session):
        remeasuring.remeasure(session, pair.organization_id, {pair.id: best})
    return pair_of(session, pair.a_id, pair.b_id)


@pytest.mark.parametrize(("score", "status"), [(0.5, "distinct"), (0.95, "open")])
def test_a_pair_that_is_measured_again_and_much_more_alike_is_another_question(
    session: Session, home: Organization, enrolled: Enrolled, score: float, status: str
) -> None:
    anna, anne = enrolled("Anna"), enrolled("Anne")
    better = add_photo(session, anne.person, shade=99)
    pair = add_pair(session, anna, anne, 0.45)
    judging.decide(session, TESTER, pair, PairStatus.DISTINCT)
    remove(session, home, anne)
    again = remeasure(session, pair, found(anna, better, score))
    assert (again.status, again.score, again.stale) == (status, score, False)
    assert queue(session, home) == ([pair.id] if status == "open" else [])


def test_new_faces_alone_do_not_measure_a_pair_whose_best_face_is_gone(
    session: Session, home: Organization, enrolled: Enrolled
) -> None:
    anna, anne = enrolled("Anna"), enrolled("Anne")
    older, newer = (add_photo(session, anna.person, shade=shade) for shade in (98, 99))
    pair = add_pair(session, anna, anne, 0.9)
    remove(session, home, anna)
    add_pair(session, newer, anne, 0.95)
    left_alone = pair_of(session, pair.a_id, pair.b_id)
    assert (left_alone.score, left_alone.stale) == (0.9, True)
    again = remeasure(session, pair, found(older, anne, 0.67))
    assert (again.score, again.stale) == (0.67, False)
    assert {again.face_a_id, again.face_b_id} == {older.main_face_id, anne.main_face_id}


def test_a_pair_that_goes_with_a_person_is_measured_again_if_it_was_to_be(
    session: Session, home: Organization, enrolled: Enrolled
) -> None:
    anna, anne, cleo = (enrolled(name) for name in ("Anna", "Anne", "Cleo"))
    add_photo(session, cleo.person, shade=99)
    add_pair(session, anne, cleo, 0.9)
    remove(session, home, cleo)
    merge(session, anna.person, anne.person)
    assert pair_of(session, anna.person_id, cleo.person_id).stale


def test_a_photo_is_unlike_others_only_while_there_are_others(
    session: Session, home: Organization, enrolled: Enrolled
) -> None:
    anna = enrolled("Anna")
    wrong = add_photo(session, anna.person, shade=99)
    for photo in (anna, wrong):
        add_odd_photo(session, photo)
    assert {odd.photo_id for odd in list_odd(session, home).items} == {anna.id, wrong.id}
    remove(session, home, wrong)
    assert list_odd(session, home).items == []
    assert odd_photos_of(session, [anna.person_id]) == {}


def test_photos_of_two_people_are_not_unlike_each_other_any_more(
    session: Session, home: Organization, enrolled: Enrolled
) -> None:
    anna, anne = enrolled("Anna"), enrolled("Anne")
    merged = merge(session, anna.person, anne.person)
    session.refresh(anne)
    for photo in (anna, anne):
        add_odd_photo(session, photo)
    assert len(list_odd(session, home).items) == 2
    undo_merge(session, home, TESTER, merged)
    assert list_odd(session, home).items == []


@on_postgresql
def test_more_faces_are_looked_at_in_one_go_than_a_statement_has_parameters(
    session: Session, home: Organization, enrolled: Enrolled
) -> None:
    photo = enrolled("Anna")
    add_photo(session, photo.person, shade=99)
    gone = [Likeness(10**9 + number, photo.person_id, 0.1) for number in range(2**16)]
    with writing(session):
        mine = Likeness(photo.main_face_id or 0, photo.person_id, 0.1)
        record_likeness(session, home.id, [*gone, mine], THRESHOLD)
    assert [odd.photo_id for odd in list_odd(session, home).items] == [photo.id]


def test_scans_of_the_night_start_though_a_member_was_faster_somewhere(
    session: Session, home: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    face_model(session)
    homes = [home, create_organization(session, TESTER, "Beta Clinic")]
    for organization in homes:
        scans.schedule_scans(session, organization, TESTER, now().hour)
    start = scans.start_scan
    started: list[DuplicateScan] = []

    def start_after_a_member(own: Session, organization: Organization, actor: Any) -> DuplicateScan:
        if not started:
            started.append(start(own, organization, TESTER))
        return start(own, organization, actor)

    monkeypatch.setattr(scans, "start_scan", start_after_a_member)
    scans.enqueue_due(session)
    made = session.execute(select(DuplicateScan.organization_id, DuplicateScan.started_by)).all()
    by_whom = {row.organization_id: row.started_by for row in made}
    assert sorted(by_whom.values()) == ["test", "timetable"]
    assert set(by_whom) == {organization.id for organization in homes}


@on_both_databases
def test_a_scan_that_is_under_way_looks_for_what_a_lower_threshold_asks_for(
    session: Session, home: Organization
) -> None:
    face_model(session)
    scan = scans.start_scan(session, home, TESTER)
    with writing(session):
        session.refresh(scan)
        scan.compared_face_id, scan.compared_faces = 7, 7
    for threshold in (0.35, 0.25):
        assert choose_threshold(session, home, TESTER, Purpose.DUPLICATES, threshold)
    (only,) = session.scalars(select(DuplicateScan).execution_options(populate_existing=True)).all()
    assert (only.threshold, only.compared_face_id, only.compared_faces) == (0.25, 0, 0)


def test_a_lower_threshold_does_not_rely_on_a_scan_that_is_being_cancelled(
    session: Session, home: Organization
) -> None:
    face_model(session)
    scan = scans.start_scan(session, home, TESTER)
    with writing(session):
        scan.state = WorkState.RUNNING
    scans.cancel_scan(session, TESTER, scan)
    choose_threshold(session, home, TESTER, Purpose.DUPLICATES, 0.2)
    under_way = scans.unfinished_scan(session, home)
    assert under_way is not None
    assert (under_way.threshold, under_way.cancelled) == (0.2, False)


@pytest.fixture
def copies(session: Session, enrolled: Enrolled) -> Copies:
    """An honest photo of Anna and of Anne, and one file that both have."""
    anna, anne = enrolled("Anna"), enrolled("Anne")
    copy_a, copy_b = (add_photo(session, one.person, shade=99) for one in (anna, anne))
    return anna, anne, copy_a, copy_b


def test_a_copy_that_comes_back_asks_nothing_anew(
    session: Session, home: Organization, copies: Copies
) -> None:
    anna, anne, copy_a, copy_b = copies
    pair = add_pair(session, copy_a, copy_b, 1.0)
    judging.decide(session, TESTER, pair, PairStatus.DISTINCT)
    remove(session, home, copy_a)
    assert remeasure(session, pair, found(anna, anne, 0.1)).status == PairStatus.DISTINCT
    again = add_pair(session, add_photo(session, anna.person, shade=99), copy_b, 1.0)
    assert (again.id, again.status, again.same_photo) == (pair.id, PairStatus.DISTINCT, True)


@on_both_databases
@pytest.mark.parametrize("at_once", [True, False])
def test_honest_photos_ask_anew_what_was_decided_on_the_very_same_photo(
    session: Session, home: Organization, copies: Copies, at_once: bool
) -> None:
    anna, anne, copy_a, copy_b = copies
    pair = add_pair(session, copy_a, copy_b, 1.0)
    judging.decide(session, TESTER, pair, PairStatus.DISTINCT)
    remove(session, home, copy_a)
    if not at_once:
        # Alike are only photos that come later.
        assert remeasure(session, pair, found(anna, anne, 0.1)).status == PairStatus.DISTINCT
        anna = add_photo(session, anna.person, shade=98)
        add_pair(session, anna, anne, 0.7)
    else:
        remeasure(session, pair, found(anna, anne, 0.7))
    assert queue(session, home) == [pair.id]
    # A copy of it does not hide the question.
    again = add_pair(session, add_photo(session, anna.person, shade=99), copy_b, 1.0)
    assert (again.status, queue(session, home)) == (PairStatus.OPEN, [pair.id])
    judging.decide(session, TESTER, again, PairStatus.DISTINCT)
    assert queue(session, home) == []


@on_both_databases
def test_a_pair_whose_score_falls_back_is_asked_no_more(
    session: Session, home: Organization, enrolled: Enrolled
) -> None:
    anna, anne = enrolled("Anna"), enrolled("Anne")
    pair = add_pair(session, anna, anne, 0.5)
    judging.decide(session, TESTER, pair, PairStatus.DISTINCT, "Sisters.")
    alike = add_photo(session, anne.person, shade=99)
    assert add_pair(session, anna, alike, 0.9).status == PairStatus.OPEN
    remove(session, home, alike)
    # Still clearly higher than when it was decided.
    assert remeasure(session, pair, found(anna, anne, 0.7)).status == PairStatus.OPEN
    with writing(session):
        leave_gallery(session, home.id, [anne.main_face_id or 0])
        join_gallery(session, home.id, [anne.main_face_id or 0])
    mark_stale(session, home)
    back = remeasure(session, pair, found(anna, anne, 0.5))
    assert (back.status, back.decided_by, back.note) == (PairStatus.DISTINCT, "test", "Sisters.")
    assert queue(session, home) == []
    last = pairs.history_of(session, back)[0]
    assert (last.kind, last.status) == ("rescored", PairStatus.DISTINCT)


def test_a_pair_whose_decision_was_taken_back_stays_open_when_its_score_falls(
    session: Session, home: Organization, enrolled: Enrolled
) -> None:
    anna, anne = enrolled("Anna"), enrolled("Anne")
    alike = add_photo(session, anne.person, shade=99)
    pair = add_pair(session, anna, alike, 0.9)
    judging.decide(session, TESTER, pair, PairStatus.DISTINCT)
    judging.undo_decision(session, home, TESTER, pair, pair.decided_at)
    remove(session, home, alike)
    assert remeasure(session, pair, found(anna, anne, 0.5)).status == PairStatus.OPEN
