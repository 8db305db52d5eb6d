"""The page of a pair: who gets which, what is decided, and how it is taken back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.accounts.models import Role
from portal.audit.models import AuditEvent
from portal.database import now, writing
from portal.duplicates import judging
from portal.extensions import db
from portal.organizations.models import Organization
from portal.pairs.finding import FoundPair, record_found
from portal.pairs.models import DuplicatePair, PairStatus
from portal.pairs.remeasuring import remeasure
from portal.people.models import Person
from tests.databases import on_both_databases
from tests.make.calibrations import add_calibration
from tests.make.face_models import THRESHOLD, face_model
from tests.make.pairs import add_odd_photo, add_pair, mark_stale
from tests.make.people import TESTER, add_photo
from tests.portal.conftest import Enrolled, Paired
from tests.visitor import Visitor, member, one_in

Events = Callable[[str], list[AuditEvent]]


@pytest.fixture
def dan(app: Flask, clinic: Organization) -> Visitor:
    """Another operator of the clinic."""
    return member(app, "dan@clinic.example", clinic, Role.OPERATOR)


def at_next(visitor: Visitor, query: str = "") -> str | None:
    """The first of the pair that a member is led to; None where there is none for them."""
    visitor.get(f"/duplicates/next{query}", follow_redirects=True)
    page = visitor.page.select_one("[data-pair-page]")
    return str(page["data-a"]) if page else None


def send(visitor: Visitor, pair: DuplicatePair, act: str, **form: str) -> str | None:
    """Send a form of the pair's page; the first of the pair that comes next."""
    visitor.post(f"/duplicates/{pair.id}/{act}", form, follow=True)
    page = visitor.page.select_one("[data-pair-page]")
    return str(page["data-a"]) if page else None


def stored(app: Flask, pair: DuplicatePair) -> DuplicatePair:
    with app.app_context():
        return db.session.get_one(DuplicatePair, pair.id)


def names(app: Flask) -> dict[str, int | None]:
    """External ids, and into whom someone was merged."""
    with app.app_context():
        people = db.session.scalars(select(Person))
        return {person.external_id: person.merged_into_id for person in people}


@on_both_databases
def test_two_members_do_not_get_the_same_pair(bob: Visitor, dan: Visitor, paired: Paired) -> None:
    strong = paired("A1", "A2", 0.8)
    paired("B1", "B2", 0.7)
    assert at_next(bob) == "A1"
    assert at_next(dan) == "B1"
    assert at_next(bob) == "A1"
    # Whoever opens it by its address may look, and is told why they can't decide.
    dan.get(f"/duplicates/{strong.id}")
    assert "bob@clinic.example is looking at this pair." in dan.text
    assert not dan.page.select("[name=decision]")
    assert dan.post(f"/duplicates/{strong.id}/decision", {"decision": "distinct"}).status_code == 422
    assert dan.call(f"/duplicates/{strong.id}/reserve").status_code == 409
    assert bob.call(f"/duplicates/{strong.id}/reserve").status_code == 204
    bob.call(f"/duplicates/{strong.id}/release")
    assert dan.call(f"/duplicates/{strong.id}/reserve").status_code == 204
    assert at_next(bob) is None
    assert "2 open pairs are being looked at by others" in bob.text


def test_a_pair_that_is_opened_from_the_list_is_kept_too(bob: Visitor, dan: Visitor, paired: Paired) -> None:
    pair = paired("A1", "A2")
    bob.get(f"/duplicates/{pair.id}")
    assert at_next(dan) is None
    assert bob.post(f"/duplicates/{pair.id}/decision", {"decision": "distinct"}).status_code == 302


def test_who_leaves_without_a_word_holds_a_pair_for_a_while_only(
    bob: Visitor, dan: Visitor, session: Session, paired: Paired
) -> None:
    paired("A1", "A2")
    assert at_next(bob) == "A1"
    assert at_next(dan) is None
    with writing(session):
        session.execute(update(DuplicatePair).values(reserved_until=now() - timedelta(seconds=1)))
    assert at_next(dan) == "A1"


def test_a_group_is_one_members(bob: Visitor, dan: Visitor, session: Session, enrolled: Enrolled) -> None:
    anna, anne, annie = (enrolled(name) for name in ("Anna", "Anne", "Annie"))
    add_pair(session, anna, anne, 0.8)
    add_pair(session, anne, annie, 0.7)
    assert at_next(bob) == "Anna"
    assert "The rest of the group" in bob.text
    assert at_next(dan) is None


def test_next_and_previous_walk_the_queue(bob: Visitor, paired: Paired) -> None:
    a, b, c = paired("A1", "A2", 0.8), paired("B1", "B2", 0.7), paired("C1", "C2", 0.6)
    assert at_next(bob) == "A1"
    assert at_next(bob, f"?after={a.id}") == "B1"
    assert at_next(bob, f"?after={b.id}") == "C1"
    assert at_next(bob, f"?before={c.id}") == "B1"
    assert at_next(bob, f"?before={a.id}") == "A1"
    assert "This is the first pair of the queue." in bob.text
    assert at_next(bob, f"?after={c.id}") is None
    assert "That was the last pair of the queue." in bob.text
    assert at_next(bob, f"?after={10**30}") == "A1"


@pytest.mark.parametrize(
    ("decision", "words"), [("distinct", "different people"), ("duplicate", "one person")]
)
def test_a_decision_leads_on_and_can_be_undone_from_there(
    app: Flask, bob: Visitor, paired: Paired, events: Events, decision: str, words: str
) -> None:
    pair, _ = paired("A1", "A2", 0.8), paired("B1", "B2", 0.7)
    assert send(bob, pair, "decision", decision=decision, note="The same scar.") == "B1"
    assert f"A1 (A1) and A2 (A2): {words}." in bob.text
    decided = stored(app, pair)
    assert (decided.status, decided.decided_by, decided.note) == (
        decision,
        "bob@clinic.example",
        "The same scar.",
    )
    assert [event.details["status"] for event in events("pair.decided")] == [decision]
    assert "A2" in names(app), "only marked: nobody is merged"
    assert names(app)["A2"] is None
    undo = bob.one("form[action$='/undo']")
    hidden = one_in(undo, "[name=decided_at]")
    bob.post(str(undo["action"]), {"decided_at": str(hidden["value"])}, follow=True)
    assert "this pair is open again" in bob.text
    assert stored(app, pair).status == PairStatus.OPEN
    assert bob.page.select("[name=decision]")


def test_after_the_last_decision_the_list_has_the_way_back(bob: Visitor, paired: Paired) -> None:
    pair = paired("A1", "A2")
    assert send(bob, pair, "decision", decision="distinct") is None
    assert "Every pair is decided" in bob.text
    assert bob.page.select(f"form[action='/duplicates/{pair.id}/undo']")


@on_both_databases
def test_who_keeps_the_external_id_takes_the_other_in(
    app: Flask, bob: Visitor, session: Session, paired: Paired
) -> None:
    pair = paired("A1", "A2")
    with writing(session):
        session.execute(update(Person).where(Person.id == pair.b_id).values(name="Anna Right"))
    send(bob, pair, "merge", external_id_of="a", name_of="b", note="Same passport.")
    assert "They are merged." in bob.text
    assert names(app) == {"A1": None, "A2": pair.a_id}
    assert stored(app, pair).status == PairStatus.DUPLICATE
    bob.get(f"/people/{pair.a_id}")
    assert bob.one("h1").get_text() == "Anna Right"
    assert len(bob.page.select("[data-photo]")) == 2
    bob.get(f"/duplicates/{pair.id}")
    assert "Anna Right" in bob.text
    assert "Same passport." in bob.text
    decided_at = stored(app, pair).decided_at
    assert decided_at is not None
    send(bob, pair, "undo", decided_at=decided_at.isoformat())
    assert names(app) == {"A1": None, "A2": None}
    assert stored(app, pair).status == PairStatus.OPEN
    assert bob.page.select("[name=decision]")
    bob.get(f"/people/{pair.a_id}")
    assert bob.one("h1").get_text() == "A1"


def test_what_can_not_be_decided_is_said_and_the_note_is_kept(
    app: Flask, bob: Visitor, session: Session, paired: Paired
) -> None:
    pair = paired("A1", "A2")
    long = "x" * (judging.NOTE_LENGTH + 1)
    assert (
        bob.post(f"/duplicates/{pair.id}/decision", {"decision": "distinct", "note": long}).status_code == 422
    )
    assert "2000 are allowed" in bob.text
    assert bob.one("#note").get_text().strip() == long
    assert stored(app, pair).status == PairStatus.OPEN
    bob.call(f"/duplicates/{pair.id}/release")
    judging.decide(session, TESTER, pair, PairStatus.DUPLICATE)
    form = {"external_id_of": "a", "name_of": "a", "note": "Typed."}
    assert bob.post(f"/duplicates/{pair.id}/merge", form).status_code == 422
    assert "This pair has already been decided, by test." in bob.text
    assert names(app)["A2"] is None
    assert bob.post(f"/duplicates/{pair.id}/decision", {"decision": "maybe"}).status_code == 400
    assert bob.post(f"/duplicates/{pair.id}/merge", {"external_id_of": "c"}).status_code == 400


def test_a_second_member_is_asked_and_nobody_else(
    bob: Visitor, dan: Visitor, alice: Visitor, charlie: Visitor, paired: Paired
) -> None:
    pair = paired("A1", "A2", 0.8)
    paired("B1", "B2", 0.9), paired("C1", "C2", 0.7)
    bob.get(f"/duplicates/{pair.id}")
    choices = [option.get_text() for option in bob.page.select("#asked option")]
    assert choices == ["Anyone else", "alice@clinic.example", "dan@clinic.example"]
    wrong = {"decision": "unsure", "asked_id": str(charlie.user.id)}
    assert bob.post(f"/duplicates/{pair.id}/decision", wrong).status_code == 422
    send(bob, pair, "decision", decision="unsure", note="Twins?", asked_id=str(dan.user.id))
    assert "A1 (A1) and A2 (A2) are left to dan@clinic.example." in bob.text
    # Who is asked gets it first, others and who asks not at all.
    assert at_next(alice) == "B1"
    assert at_next(bob) == "C1"
    assert at_next(dan) == "A1"
    assert "bob@clinic.example was not sure, and asks you." in dan.text
    assert "Twins?" in dan.text


def test_a_score_that_rose_clearly_asks_again_and_says_why(
    bob: Visitor, session: Session, enrolled: Enrolled
) -> None:
    anna, anne = enrolled("Anna"), enrolled("Anne")
    pair = add_pair(session, anna, anne, 0.45)
    judging.decide(session, TESTER, pair, PairStatus.DISTINCT)
    newer = add_photo(session, session.get_one(Person, anne.person_id), shade=90)
    assert anna.main_face_id
    assert newer.main_face_id
    better = FoundPair(anna.person_id, anne.person_id, anna.main_face_id, newer.main_face_id, 0.9)
    with writing(session):
        record_found(session, anna.organization_id, [better], THRESHOLD, face_model(session).id)
    assert at_next(bob) == "Anna"
    assert "test decided at a score of 0.450 that they are different people." in bob.text
    assert "The score has risen to 0.900" in bob.text


def test_other_photos_are_compared_without_a_script_too(
    bob: Visitor, session: Session, enrolled: Enrolled
) -> None:
    anna, anne = enrolled("Anna"), enrolled("Anne")
    other = add_photo(session, session.get_one(Person, anna.person_id), shade=91)
    pair = add_pair(session, anna, anne)
    add_odd_photo(session, anna)
    bob.get(f"/duplicates/{pair.id}")
    assert "This photo of Anna does not look like the other photos of this person." in bob.text
    pictures = [str(one["href"]) for one in bob.page.select("[data-compare] image")]
    assert pictures == [f"/photos/{photo.id}/preview" for photo in (anna, anne)]
    bob.get(bob.link("[data-choose=a]:not([aria-current])"))
    pictures = [str(one["href"]) for one in bob.page.select("[data-compare] image")]
    assert pictures == [f"/photos/{photo.id}/preview" for photo in (other, anne)]


def test_who_was_merged_elsewhere_is_not_asked_about(
    bob: Visitor, session: Session, enrolled: Enrolled
) -> None:
    anna, anne, carl = (enrolled(name) for name in ("Anna", "Anne", "Carl"))
    pair, other = add_pair(session, anna, anne, 0.8), add_pair(session, anne, carl, 0.7)
    send(bob, pair, "merge", external_id_of="a", name_of="a")
    bob.get(f"/duplicates/{other.id}")
    assert "Anne (Anne) was merged into Anna (Anna)." in bob.text
    assert not bob.page.select("[name=decision]")
    # The one who took her in asks instead.
    assert at_next(bob) == "Anna"
    assert "Carl" in bob.text


def test_the_audit_names_the_pair_and_leads_to_it(alice: Visitor, session: Session, paired: Paired) -> None:
    pair = paired("A1", "A2")
    alice.get(f"/duplicates/{pair.id}")
    send(alice, pair, "decision", decision="distinct")
    alice.get("/audit?action=pair.decided")
    assert "Decided that the pair A1 and A2 are different people." in alice.text
    (link,) = alice.page.select(f"[data-event='pair.decided'] a[href='/duplicates/{pair.id}']")
    assert alice.get(str(link["href"])).status_code == 200
    alice.post(f"/people/{pair.a_id}/delete")
    alice.get("/audit?action=pair.decided")
    assert "the pair A1 and A2" in alice.text
    assert not alice.page.select("[data-event='pair.decided'] a")


def test_a_member_is_given_the_pair_that_they_are_asked_about_whoever_leads_its_group(
    bob: Visitor, dan: Visitor, alice: Visitor, session: Session, enrolled: Enrolled
) -> None:
    anna, anne, annie = (enrolled(name) for name in ("Anna", "Anne", "Annie"))
    leader = add_pair(session, anna, anne, 0.8)
    weaker = add_pair(session, anne, annie, 0.7)
    bob.get(f"/duplicates/{weaker.id}")
    send(bob, weaker, "decision", decision="unsure", asked_id=str(dan.user.id))
    bob.call(f"/duplicates/{leader.id}/release")
    assert at_next(dan) == "Anne"
    assert "bob@clinic.example was not sure, and asks you." in dan.text
    # As with all others, not while someone else looks at the group.
    dan.call(f"/duplicates/{weaker.id}/release")
    assert at_next(alice) == "Anna"
    assert at_next(dan) is None


def test_a_pair_that_can_not_be_compared_says_whether_it_will_be(
    bob: Visitor, session: Session, clinic: Organization, enrolled: Enrolled
) -> None:
    anna, anne = enrolled("Anna"), enrolled("Anne")
    add_photo(session, session.get_one(Person, anne.person_id), shade=90)
    pair = add_pair(session, anna, anne)
    bob.post(f"/photos/{anne.id}/remove")
    bob.get(f"/duplicates/{pair.id}")
    assert "One of the two most alike photos is gone: the pair is being compared again." in bob.text
    assert "no usable photo any more" not in bob.text
    bob.get("/duplicates")
    assert "Being compared again" in bob.text
    mark_stale(session, clinic)
    with writing(session):
        remeasure(session, pair.organization_id, {pair.id: None})
    bob.get(f"/duplicates/{pair.id}")
    assert "One of the two has no usable photo any more. Nothing can be compared." in bob.text


def test_what_a_score_means_is_said_as_it_is(
    bob: Visitor, session: Session, clinic: Organization, paired: Paired
) -> None:
    shown, kept = paired("A1", "A2", 0.8), paired("B1", "B2", THRESHOLD - 0.1)
    for pair, above in ((shown, True), (kept, False)):
        bob.get(f"/duplicates/{pair.id}")
        assert ("The score is above the threshold" in bob.text) == above
        assert "Scores have not been calibrated on your people" in bob.text
    add_calibration(session, clinic)
    bob.get(f"/duplicates/{shown.id}")
    assert "at most 1 person in 1,000 has a wrong pair with such a score (upper end of the range)" in (
        bob.text
    )
