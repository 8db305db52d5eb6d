"""What was decided about pairs goes with a person who is merged, and comes back when that is undone."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.database import now, writing
from portal.merging.merging import undo_merge
from portal.organizations.models import Organization
from portal.pairs.finding import FoundPair, record_found
from portal.pairs.groups import regroup
from portal.pairs.models import DuplicatePair, OddPhoto, PairEvent
from portal.people.models import Person
from portal.photos.models import Face
from tests.databases import on_both_databases
from tests.make.face_models import THRESHOLD, face_model
from tests.make.merges import merge
from tests.make.people import TESTER, add_person, add_photo

People = dict[str, Person]


@pytest.fixture
def people(session: Session, clinic: Organization) -> People:
    """Six people with a photo each."""
    made = {name: add_person(session, clinic, name, name) for name in "ABCDEF"}
    for number, person in enumerate(made.values()):
        add_photo(session, person, shade=number)
    return made


def face_of(session: Session, person: Person) -> int:
    return session.scalars(select(Face.id).where(Face.person_id == person.id).order_by(Face.id)).first() or 0


def find(session: Session, one: Person, other: Person, score: float) -> None:
    """Let a worker find a pair."""
    a, b = sorted((one, other), key=lambda person: person.id)
    with writing(session):
        pair = FoundPair(a.id, b.id, face_of(session, a), face_of(session, b), score)
        record_found(session, a.organization_id, [pair], THRESHOLD, face_model(session).id)


def pair_of(session: Session, one: Person, other: Person) -> DuplicatePair | None:
    ids = sorted((one.id, other.id))
    return session.scalar(
        select(DuplicatePair).where(DuplicatePair.a_id == ids[0], DuplicatePair.b_id == ids[1])
    )


def decide(session: Session, one: Person, other: Person, status: str, by: str = "vera") -> None:
    pair = pair_of(session, one, other)
    assert pair is not None
    with writing(session):
        pair.status, pair.decided_by, pair.note = status, by, "A reason."  # type: ignore[assignment]
        pair.decided_at, pair.decided_score = now(), pair.score
        regroup(session, pair.organization_id, (one.id, other.id))


def seen(session: Session, organization: Organization) -> dict[str, Any]:
    """The pairs of people who are no aliases: how they were decided, with which faces, and who asks first."""
    session.rollback()
    session.expire_all()
    found = {}
    for pair in session.scalars(select(DuplicatePair).order_by(DuplicatePair.id)):
        assert pair.a_id < pair.b_id
        assert pair.organization_id == organization.id
        asked_or_decided = pair.status != "open" or pair.score >= pair.threshold
        if asked_or_decided and pair.a.merged_into_id is None and pair.b.merged_into_id is None:
            name = f"{pair.a.name}{pair.b.name}"
            faces = pair.face_a_id, pair.face_b_id
            found[name] = (pair.status, pair.score, pair.decided_by, *faces, pair.leads)
    return found


@on_both_databases
def test_pairs_go_with_a_person_and_come_back(session: Session, clinic: Organization, people: People) -> None:
    a, b, c, d, e, f = people.values()
    # C is merged into B. What is known of both: of A both, of D, E and F only C.
    for one, other, score in ((a, b, 0.5), (a, c, 0.6), (b, c, 0.9), (c, d, 0.7), (c, e, 0.8), (c, f, 0.65)):
        find(session, one, other, score)
    for other in (a, e):
        decide(session, c, other, "distinct")
    decide(session, c, f, "duplicate")
    before = seen(session, clinic)
    faces = {name: face_of(session, person) for name, person in people.items()}
    last = session.scalar(select(func.max(PairEvent.id)))
    merged = merge(session, b, c)
    assert seen(session, clinic) == {
        # It was open, and A is not C, who is B.
        "AB": ("distinct", 0.5, "vera", faces["A"], faces["B"], False),
        "BD": ("open", 0.7, "", faces["C"], faces["D"], True),
        "BE": ("distinct", 0.8, "vera", faces["C"], faces["E"], False),
        "BF": ("duplicate", 0.65, "vera", faces["C"], faces["F"], False),
    }
    assert not session.scalars(select(DuplicatePair).where(DuplicatePair.stale)).all()
    carried = session.scalars(select(PairEvent).where(PairEvent.id > last)).all()
    # By whoever decided, and not by who merged.
    assert sorted((event.kind, event.status, event.actor) for event in carried) == [
        ("decided", "distinct", "vera"),
        ("decided", "distinct", "vera"),
        ("decided", "duplicate", "vera"),
        ("found", "open", "test"),
    ]
    undo_merge(session, clinic, TESTER, merged)
    assert seen(session, clinic) == before
    again = pair_of(session, a, b)
    assert again is not None
    assert (again.note, again.decided_at, again.decided_score, again.merge_id) == ("", None, None, None)


@on_both_databases
def test_the_survivors_own_decisions_stand(session: Session, clinic: Organization, people: People) -> None:
    a, b, c, d, e, _ = people.values()
    for one, other in ((b, a), (b, d), (b, e), (c, a), (c, d), (c, e)):
        find(session, one, other, 0.6)
    decide(session, b, a, "distinct", "bob")
    decide(session, b, d, "duplicate", "bob")
    decide(session, c, a, "duplicate")
    decide(session, c, d, "distinct")
    decide(session, c, e, "duplicate")
    before = seen(session, clinic)
    merged = merge(session, b, c)
    after = seen(session, clinic)
    assert {name: row[:3] for name, row in after.items()} == {
        "AB": ("distinct", 0.6, "bob"),
        "BD": ("duplicate", 0.6, "bob"),
        "BE": ("open", 0.6, ""),
    }
    undo_merge(session, clinic, TESTER, merged)
    assert seen(session, clinic) == before


def test_what_somebody_decided_after_the_merge_is_not_taken_back(
    session: Session, clinic: Organization, people: People
) -> None:
    a, b, c, *_ = people.values()
    find(session, a, b, 0.5)
    find(session, a, c, 0.6)
    decide(session, a, c, "distinct")
    merged = merge(session, b, c)
    decide(session, a, b, "distinct", "bob")
    undo_merge(session, clinic, TESTER, merged)
    assert {name: row[:3] for name, row in seen(session, clinic).items()} == {
        "AB": ("distinct", 0.5, "bob"),
        "AC": ("distinct", 0.6, "vera"),
    }


def test_pairs_pass_through_merge_after_merge_and_back(
    session: Session, clinic: Organization, people: People
) -> None:
    a, b, c, d, e, _ = people.values()
    find(session, d, e, 0.7)
    find(session, a, c, 0.6)
    decide(session, a, c, "distinct")
    find(session, a, e, 0.55)
    steps, merges = [seen(session, clinic)], []
    # E's pair with A becomes that of B; C then decides it; D brings what E's was.
    for survivor, absorbed in ((b, e), (b, c), (b, d)):
        merges.append(merge(session, survivor, absorbed))
        steps.append(seen(session, clinic))
    assert {name: row[:2] for name, row in steps[-1].items()} == {"AB": ("distinct", 0.55)}
    while merges:
        assert seen(session, clinic) == steps.pop()
        undo_merge(session, clinic, TESTER, merges.pop())
    assert seen(session, clinic) == steps.pop()


@on_both_databases
def test_a_photo_unlike_the_others_is_one_of_whoever_has_it(
    session: Session, clinic: Organization, people: People
) -> None:
    a, b, *_ = people.values()
    photo = session.get_one(Face, face_of(session, b)).photo_id
    with writing(session):
        odd = {"organization_id": clinic.id, "person_id": b.id, "score": 0.1, "threshold": THRESHOLD}
        session.add(OddPhoto(photo_id=photo, **odd))
    merged = merge(session, a, b)
    assert session.scalars(select(OddPhoto.person_id)).all() == [a.id]
    undo_merge(session, clinic, TESTER, merged)
    assert session.scalars(select(OddPhoto.person_id)).all() == [b.id]


def test_a_score_that_rests_on_a_face_that_went_elsewhere_is_measured_again(
    session: Session, clinic: Organization, people: People
) -> None:
    a, b, c, *_ = people.values()
    add_photo(session, b, shade=2)  # the very photo that C has
    find(session, a, c, 0.6)
    merged = merge(session, b, c)
    hidden = pair_of(session, a, b)
    assert hidden is not None
    assert hidden.stale  # C's copy is not in the gallery
    undo_merge(session, clinic, TESTER, merged)
    d, e = people["D"], people["E"]
    face = face_of(session, d)
    merged = merge(session, b, d)
    with writing(session):
        pair = FoundPair(b.id, e.id, face, face_of(session, e), 0.8)
        record_found(session, clinic.id, [pair], THRESHOLD, face_model(session).id)
    assert seen(session, clinic)["BE"][1:4] == (0.8, "", face)
    undo_merge(session, clinic, TESTER, merged)
    kept = pair_of(session, b, e)
    assert kept is not None
    assert kept.stale
