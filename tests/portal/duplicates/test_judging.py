"""What staff decide about pairs, whatever else happens to the two people, the group and the thresholds."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.accounts.members import change_role, remove_member
from portal.accounts.models import Membership, Role
from portal.audit.services import Actor
from portal.batches import services as batches
from portal.batches.models import Decision, ItemState
from portal.calibration.bands import UNCALIBRATED
from portal.calibration.choosing import Purpose, choose_threshold
from portal.database import now, writing
from portal.duplicates import handing_out, judging, pairs, report
from portal.merging.merging import undo_merge
from portal.organizations.models import Organization
from portal.pairs.models import DuplicatePair, PairEvent, PairStatus
from portal.people.models import Person
from portal.photos.models import Photo
from portal.removal.services import delete_person
from portal.removal.undoing import undo_some
from portal.storage import photo_store
from tests.databases import on_both_databases
from tests.make.batches import add_batch
from tests.make.merges import merge, merge_people
from tests.make.pairs import add_pair
from tests.make.people import TESTER, add_photo
from tests.portal.conftest import Enrolled, Paired
from tests.read.pairs import assert_grouped, pair_of, queue
from tests.visitor import Visitor

Report = list[dict[str, str]]
# The shade of a photo that two people have.
COPY = 90


@pytest.fixture
def home(session: Session, clinic: Organization) -> Organization:
    """The clinic, as the test's session has it."""
    return session.get_one(Organization, clinic.id)


def actor(visitor: Visitor) -> Actor:
    return Actor(visitor.user.id, visitor.user.email)


def as_it_is(session: Session, pair: DuplicatePair) -> DuplicatePair:
    return pair_of(session, pair.a_id, pair.b_id)


def lines(session: Session, home: Organization, *, today: bool, wanted: pairs.Filter) -> Report:
    """The rows of the report of now, or of the one as it is at the end of today."""
    at = report.end_of_day(now().date()) if today else None
    text = "".join(report.report_lines(session, home, wanted, UNCALIBRATED, at))
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    # The history has the threshold that was in force when something last happened to the pair, and no band.
    return [{key: cell for key, cell in row.items() if key not in ("threshold", "band")} for row in rows]


def take_back(session: Session, home: Organization, pair: DuplicatePair) -> list[str]:
    return judging.undo_decision(session, home, TESTER, pair, pair.decided_at)


@on_both_databases
def test_who_is_deleted_leaves_the_rest_of_their_group_in_the_queue(
    session: Session, home: Organization, enrolled: Enrolled
) -> None:
    anna, anne, annie, ann = (enrolled(name) for name in ("Anna", "Anne", "Annie", "Ann"))
    add_pair(session, anna, anne, 0.9)
    others = [add_pair(session, anne, annie, 0.6).id, add_pair(session, anna, ann, 0.5).id]
    delete_person(session, home, TESTER, anna.person, photo_store())
    assert queue(session, home) == others[:1]
    assert pairs.count_groups(session, home, 99) == 1
    assert_grouped(session, home.id)


def test_a_batch_that_is_undone_leaves_the_rest_of_a_group_in_the_queue(
    session: Session, home: Organization, enrolled: Enrolled
) -> None:
    anna, anne, annie = (enrolled(name) for name in ("Anna", "Anne", "Annie"))
    item = {"path": "Anna/1.jpg", "state": ItemState.ENROLLED, "person_id": anna.person_id}
    batch = add_batch(session, home, {**item, "photo_id": anna.id}, decision=Decision.GO_ON)
    with writing(session):
        session.execute(update(Person).where(Person.id == anna.person_id).values(batch_id=batch.id))
    add_pair(session, anna, anne, 0.9)
    other = add_pair(session, anne, annie, 0.6).id
    batches.undo(session, TESTER, batch, photo_store())
    assert not undo_some(session, batch.id, photo_store())
    assert session.scalar(select(Photo.id).where(Photo.id == anna.id)) is None
    assert queue(session, home) == [other]
    assert_grouped(session, home.id)


@on_both_databases
@pytest.mark.parametrize("by_the_pair", [True, False])
def test_a_merge_that_is_undone_is_a_question_again(
    session: Session, home: Organization, paired: Paired, by_the_pair: bool
) -> None:
    pair = paired("Anna", "Anne")
    merged = judging.decide_and_merge(
        *(session, home, TESTER, pair),
        survivor=pair.a,
        absorbed=pair.b,
        name=pair.a.name,
        external_id=pair.a.external_id,
        note="The same date of birth.",
    )
    assert as_it_is(session, pair).status == PairStatus.DUPLICATE
    assert queue(session, home) == []
    if by_the_pair:
        take_back(session, home, pair)
    else:
        undo_merge(session, home, TESTER, merged)
    assert queue(session, home) == [pair.id]
    again = as_it_is(session, pair)
    assert (again.status, again.decided_by, again.decided_at) == (PairStatus.OPEN, "", None)
    assert [event.kind for event in pairs.history_of(session, pair)] == ["undone", "decided", "found"]


@pytest.mark.parametrize(("chosen", "asked"), [(0.6, False), (0.5, True)])
def test_what_is_opened_again_is_judged_by_the_threshold_in_force(
    session: Session, home: Organization, paired: Paired, chosen: float, asked: bool
) -> None:
    pair = paired("Anna", "Anne", 0.55)
    judging.decide(session, TESTER, pair, PairStatus.DISTINCT)
    for threshold in (0.9, chosen):
        choose_threshold(session, home, TESTER, Purpose.DUPLICATES, threshold)
    take_back(session, home, as_it_is(session, pair))
    assert queue(session, home) == ([pair.id] if asked else [])


@pytest.mark.parametrize(
    "answer",
    [
        lambda session, bob, pair: judging.decide(session, bob, pair, PairStatus.DISTINCT),
        lambda session, bob, pair: judging.leave_open(session, bob, pair, "Ask the mother."),
    ],
    ids=["decide", "leave open"],
)
def test_who_was_merged_into_somebody_else_meanwhile_is_not_decided_about(
    session: Session, home: Organization, bob: Visitor, enrolled: Enrolled, answer: Callable[..., None]
) -> None:
    anna, anne, cleo = (enrolled(name) for name in ("Anna", "Anne", "Cleo"))
    pair = add_pair(session, anne, cleo)
    merge(session, anna.person, anne.person)
    with pytest.raises(judging.PairError, match="Anne was merged into someone else"):
        answer(session, actor(bob), pair)
    untouched = as_it_is(session, pair)
    assert (untouched.status, untouched.note) == (PairStatus.OPEN, "")
    (asked,) = queue(session, home)
    judging.decide(session, actor(bob), session.get_one(DuplicatePair, asked), PairStatus.DISTINCT)
    assert queue(session, home) == []


@pytest.mark.parametrize("leaves", [True, False])
def test_a_pair_for_which_somebody_was_asked_who_is_not_there_any_more_is_anybodys(
    session: Session,
    home: Organization,
    alice: Visitor,
    bob: Visitor,
    vera: Visitor,
    paired: Paired,
    leaves: bool,
) -> None:
    pair = paired("Anna", "Anne")
    judging.leave_open(session, actor(alice), pair, "Is this Anna?", bob.user)
    third = Actor(vera.user.id, vera.user.email)
    assert handing_out.next_pair(session, home, third) is None
    membership = session.scalars(select(Membership).where(Membership.user_id == bob.user.id)).one()
    if leaves:
        remove_member(session, home, actor(alice), membership)
    else:
        change_role(session, home, actor(alice), membership, Role.VIEWER)
    free = handing_out.next_pair(session, home, third)
    assert free is not None
    assert free.id == pair.id


@on_both_databases
def test_the_report_as_of_today_is_the_report_of_now(
    session: Session, home: Organization, enrolled: Enrolled
) -> None:
    anna, anne, cleo, dora, emma = (enrolled(name) for name in ("Anna", "Anne", "Cleo", "Dora", "Emma"))
    add_pair(session, anne, cleo, 0.6)
    add_pair(session, anna, dora, 0.45)
    add_pair(session, cleo, dora, 0.7)
    add_pair(session, dora, emma, 0.65)
    judging.decide(session, TESTER, pair_of(session, dora.person_id, emma.person_id), PairStatus.DISTINCT)

    def listed() -> set[str]:
        for wanted in (pairs.Filter(), pairs.Filter(PairStatus.DISTINCT), pairs.Filter(None)):
            of_now = lines(session, home, today=False, wanted=wanted)
            assert lines(session, home, today=True, wanted=wanted) == of_now
        return {f"{row['a_name']} {row['b_name']}" for row in of_now}

    before = {"Anne Cleo", "Anna Dora", "Cleo Dora", "Dora Emma"}
    assert listed() == before
    merged = merge(session, anna.person, anne.person)
    assert listed() == before - {"Anne Cleo"} | {"Anna Cleo"}
    choose_threshold(session, home, TESTER, Purpose.DUPLICATES, 0.5)
    assert listed() == {"Anna Cleo", "Cleo Dora", "Dora Emma"}
    choose_threshold(session, home, TESTER, Purpose.DUPLICATES, 0.45)
    assert listed() == {"Anna Cleo", "Anna Dora", "Cleo Dora", "Dora Emma"}
    undo_merge(session, home, TESTER, merged)
    assert listed() == before


def test_a_note_stays_in_the_report_when_the_score_changes(
    session: Session, home: Organization, enrolled: Enrolled
) -> None:
    anna, anne = enrolled("Anna"), enrolled("Anne")
    judging.decide(session, TESTER, add_pair(session, anna, anne, 0.5), PairStatus.DISTINCT, "Sisters.")
    add_pair(session, anna, anne, 0.52)
    for today in (False, True):
        (row,) = lines(session, home, today=today, wanted=pairs.Filter(None))
        assert (row["score"], row["decided_score"], row["note"]) == ("0.520000", "0.500000", "Sisters.")


def test_undo_on_a_page_that_is_out_of_date_leaves_a_newer_decision(
    session: Session, alice: Visitor, bob: Visitor, paired: Paired
) -> None:
    address = f"/duplicates/{paired('Anna', 'Anne').id}"

    def undo(visitor: Visitor) -> dict[str, str]:
        """What the button sends that is on the visitor's page."""
        visitor.get(address)
        field = visitor.page.select_one(f"form[action='{address}/undo'] [name=decided_at]")
        assert field is not None
        return {"decided_at": str(field["value"])}

    alice.post(f"{address}/decision", {"decision": "duplicate"})
    old = undo(alice)
    bob.post(f"{address}/undo", undo(bob))
    bob.post(f"{address}/decision", {"decision": "distinct", "note": "Twins."})
    alice.post(f"{address}/undo", old, follow=True)
    assert "decided again, by bob@clinic.example" in alice.page.get_text(" ", strip=True)
    session.rollback()
    pair = session.scalars(select(DuplicatePair)).one()
    assert (pair.status, pair.decided_by, pair.note) == (PairStatus.DISTINCT, "bob@clinic.example", "Twins.")
    alice.post(f"{address}/undo", undo(alice))
    assert as_it_is(session, pair).status == PairStatus.OPEN


def test_what_was_said_of_a_pair_that_a_merge_made_stays_when_the_merge_is_undone(
    session: Session, home: Organization, enrolled: Enrolled, vera: Visitor
) -> None:
    anna, anne, cleo = (enrolled(name) for name in ("Anna", "Anne", "Cleo"))
    add_pair(session, anne, cleo)
    merged = merge(session, anna.person, anne.person)
    made = pair_of(session, anna.person_id, cleo.person_id)
    judging.decide(session, TESTER, made, PairStatus.DISTINCT, "Twins.")
    undo_merge(session, home, TESTER, merged)
    kept = as_it_is(session, made)
    assert (kept.status, kept.note, kept.decided_by) == (PairStatus.DISTINCT, "Twins.", "test")
    # With which photos, the next pass has to see.
    assert kept.stale
    events = session.scalars(select(PairEvent.kind).where(PairEvent.pair_id == made.id)).all()
    assert events == ["found", "decided", "rescored"]
    vera.get(f"/duplicates/{made.id}")
    told = vera.page.get_text(" ", strip=True)
    assert "test undid a merge, and the photos went back to their person." in told
    assert "no usable photo" not in told


@pytest.mark.parametrize(("score", "status"), [(0.75, "distinct"), (0.95, "open")])
def test_a_merge_answers_no_question_that_is_clearly_another(
    session: Session, home: Organization, enrolled: Enrolled, score: float, status: str
) -> None:
    anna, anne, cleo = (enrolled(name) for name in ("Anna", "Anne", "Cleo"))
    weak, strong = add_pair(session, anne, cleo, 0.7), add_pair(session, anna, cleo, score)
    judging.decide(session, TESTER, weak, PairStatus.DISTINCT)
    merge(session, anna.person, anne.person)
    assert as_it_is(session, strong).status == status
    assert queue(session, home) == ([strong.id] if status == "open" else [])


def test_two_who_were_merged_elsewhere_are_not_decided_on_a_page_that_is_still_open(
    session: Session, enrolled: Enrolled
) -> None:
    a, b = enrolled("A"), enrolled("B")
    pair = add_pair(session, a, b)
    merge(session, a.person, b.person)
    with pytest.raises(judging.PairError, match="B was merged into someone else"):
        judging.decide(session, TESTER, pair, PairStatus.DISTINCT)


@on_both_databases
def test_a_group_that_grows_leaves_a_pair_to_who_is_deciding_it(
    session: Session, home: Organization, alice: Visitor, bob: Visitor, vera: Visitor, enrolled: Enrolled
) -> None:
    anna, anne, cleo = (enrolled(name) for name in ("Anna", "Anne", "Cleo"))
    his = add_pair(session, anna, anne, 0.6)
    assert judging.reserve(session, actor(bob), his)
    hers = add_pair(session, anna, cleo, 0.9)
    given = handing_out.next_pair(session, home, actor(alice))
    assert given is not None
    assert given.id == hers.id
    assert judging.reserve(session, actor(alice), hers)
    # Each goes on with theirs, and lets go of nothing else.
    assert judging.reserve(session, actor(bob), as_it_is(session, his))
    judging.release(session, actor(bob), his)
    assert handing_out.next_pair(session, home, actor(vera)) is None
    assert judging.reserve(session, actor(bob), his)
    judging.decide(session, actor(bob), as_it_is(session, his), PairStatus.DISTINCT)
    assert handing_out.next_pair(session, home, actor(vera)) is None
    judging.decide(session, actor(alice), as_it_is(session, hers), PairStatus.DISTINCT)
    assert_grouped(session, home.id)


def test_a_group_whose_reader_is_gone_is_given_to_the_next_as_a_whole(
    session: Session, home: Organization, alice: Visitor, bob: Visitor, enrolled: Enrolled
) -> None:
    anna, anne, cleo = (enrolled(name) for name in ("Anna", "Anne", "Cleo"))
    strong, weak = add_pair(session, anna, anne, 0.8), add_pair(session, anne, cleo, 0.7)
    judging.reserve(session, actor(bob), strong)
    with writing(session):
        session.execute(update(DuplicatePair).values(reserved_until=now() - timedelta(seconds=1)))
    assert judging.reserve(session, actor(alice), strong)
    assert not judging.reserve(session, actor(bob), weak)


@pytest.fixture
def carried(
    session: Session, home: Organization, alice: Visitor, bob: Visitor, enrolled: Enrolled
) -> tuple[DuplicatePair, DuplicatePair]:
    """Bob's decision about Rose and Sara, and what became of it when Alice merged Rose into Quinn."""
    rose, sara, quinn = (enrolled(name) for name in ("Rose", "Sara", "Quinn"))
    pair = add_pair(session, rose, sara)
    judging.decide(session, actor(bob), pair, PairStatus.DISTINCT)
    kept = {"name": "Quinn", "external_id": "Quinn"}
    merge_people(session, home, actor(alice), quinn.person, rose.person, **kept)
    return as_it_is(session, pair), pair_of(session, quinn.person_id, sara.person_id)


def test_a_decision_about_somebody_who_was_merged_is_taken_back_where_it_holds(
    session: Session, bob: Visitor, carried: tuple[DuplicatePair, DuplicatePair], home: Organization
) -> None:
    old, new = carried
    assert old.decided_at
    decided_at = {"decided_at": old.decided_at.isoformat()}
    bob.post(f"/duplicates/{old.id}/undo", decided_at, follow=True)
    words = bob.page.get_text(" ", strip=True)
    assert "Rose was merged into Quinn (Quinn). Decide on the pair of Quinn instead" in words
    assert "open again" not in words
    assert [as_it_is(session, pair).status for pair in carried] == ["distinct", "distinct"]
    bob.post(f"/duplicates/{new.id}/undo", decided_at, follow=True)
    assert queue(session, home) == [new.id]


def test_a_decision_that_goes_with_a_merge_stays_that_of_who_decided(
    bob: Visitor, carried: tuple[DuplicatePair, DuplicatePair]
) -> None:
    bob.get(f"/duplicates/{carried[1].id}")
    history = bob.page.select_one("[aria-labelledby=history-title]")
    assert history is not None
    assert "bob@clinic.example decided: different people." in history.get_text(" ", strip=True)
    assert "alice@" not in history.get_text()


def test_a_decision_on_the_very_same_photo_answers_no_question_of_honest_ones(
    session: Session, home: Organization, enrolled: Enrolled
) -> None:
    anna, anne, cleo = (enrolled(name) for name in ("Anna", "Anne", "Cleo"))
    copy = add_photo(session, cleo.person, shade=COPY)
    misfiled, honest = add_photo(session, anne.person, shade=COPY), add_pair(session, anna, cleo)
    judging.decide(session, TESTER, add_pair(session, misfiled, copy, 1.0), PairStatus.DISTINCT)
    merge(session, anna.person, anne.person)
    assert queue(session, home) == [honest.id]


def test_what_a_merge_brought_goes_with_it_though_it_was_open_again(
    session: Session, home: Organization, enrolled: Enrolled
) -> None:
    anna, anne, cleo = (enrolled(name) for name in ("Anna", "Anne", "Cleo"))
    judging.decide(session, TESTER, add_pair(session, anne, cleo, 0.5), PairStatus.DISTINCT)
    add_pair(session, anne, cleo, 0.9)
    merged = merge(session, anna.person, anne.person)
    made = pair_of(session, anna.person_id, cleo.person_id)
    assert (made.status, made.decided_score) == (PairStatus.OPEN, 0.5)
    undo_merge(session, home, TESTER, merged)
    assert as_it_is(session, made).decided_score is None
