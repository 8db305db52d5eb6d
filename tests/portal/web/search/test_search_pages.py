"""Searches, as staff make them: who is most like the face in a photo, told honestly and kept for a while."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from portal.audit.models import AuditEvent
from portal.database import now, writing
from portal.organizations.models import Organization
from portal.photos.reasons import MAX_PHOTO_BYTES, WORDS, Reason
from portal.search import services
from portal.search.models import Candidate, ProbeFace, Search
from portal.web.search import views
from portal.work.models import WorkState
from tests.databases import on_both_databases
from tests.make.face_models import THRESHOLD
from tests.make.people import add_person, add_photo
from tests.make.photos import mate, picture, six_people
from tests.make.searches import add_search
from tests.portal.conftest import Answered
from tests.run.workers import Worker, sweep
from tests.visitor import Visitor, enrol, file, search

Files = Callable[[], list[Path]]
Events = Callable[[str], list[AuditEvent]]


def status(visitor: Visitor, search_id: int) -> str:
    visitor.get(f"/search/{search_id}")
    results = visitor.page.select_one("[data-search-status]")
    assert results is not None
    return str(results["data-search-status"])


def candidates(visitor: Visitor) -> list[tuple[str, float, bool]]:
    """External id, score and whether it is a match, in the order of the page that was opened last."""
    rows = visitor.page.select("[data-candidate]")
    assert [row["data-rank"] for row in rows] == [str(rank) for rank in range(1, len(rows) + 1)]
    return [
        (str(row["data-external-id"]), float(str(row["data-score"])), row["data-match"] == "true")
        for row in rows
    ]


def listed(visitor: Visitor) -> list[int]:
    visitor.get("/search")
    return [int(str(row["data-search"])) for row in visitor.page.select("[data-search]")]


@on_both_databases
def test_the_enrolled_person_comes_first(worker: Worker, bob: Visitor, vera: Visitor, lfw: Path) -> None:
    for name in ("Anna_Kournikova", "Al_Sharpton", "Amelia_Vega"):
        enrol(bob, name.replace("_", " "), name, mate(lfw, name, 1), mate(lfw, name, 2))
    worker.work()
    found = search(vera, mate(lfw, "Al_Sharpton", 3))
    assert status(vera, found) == "queued"
    assert vera.page.select("[hx-trigger]")
    worker.work()
    assert status(vera, found) == "done"
    assert not vera.page.select("[hx-trigger]")
    (best, score, match), *others = candidates(vera)
    assert (best, match) == ("Al_Sharpton", True)
    assert score > 0.46
    # One row a person, though each has two photos; the others are below the threshold and in order.
    assert sorted(name for name, _, _ in others) == ["Amelia_Vega", "Anna_Kournikova"]
    assert [score for _, score, _ in others] == sorted((score for _, score, _ in others), reverse=True)
    assert not any(match for _, _, match in others)
    assert "Compared with 3 people" in vera.text
    assert vera.page.select(".threshold-line")
    assert not vera.page.select("[data-no-match]")


def test_nobody_above_the_threshold_is_said_plainly(worker: Worker, bob: Visitor, lfw: Path) -> None:
    enrol(bob, "Anna", "A1", mate(lfw, "Anna_Kournikova"))
    worker.work()
    found = search(bob, mate(lfw, "Al_Sharpton"))
    worker.work()
    assert status(bob, found) == "done"
    assert [match for _, _, match in candidates(bob)] == [False]
    assert "No match above the threshold" in bob.text
    bob.get("/search")
    assert "No match above the threshold" in bob.text


def test_with_nobody_enrolled_there_is_nobody_to_compare_with(worker: Worker, bob: Visitor) -> None:
    found = search(bob, six_people())
    worker.work()
    assert status(bob, found) == "done"
    assert candidates(bob) == []
    assert "Nobody to compare with" in bob.text


def test_the_member_picks_which_face_to_search_for(
    worker: Worker, bob: Visitor, session: Session, events: Events
) -> None:
    enrol(bob, "Six", "S1", six_people())
    worker.work()
    found = search(bob, six_people())
    worker.work()
    status(bob, found)
    assert [match for _, _, match in candidates(bob)] == [True]
    buttons = bob.page.select("button[name=face_id]")
    assert len(buttons) == 6
    other = next(button["value"] for button in buttons if button["aria-pressed"] == "false")
    bob.post(f"/search/{found}/face", {"face_id": other})
    assert status(bob, found) == "queued"
    bob.post(f"/search/{found}/face", {"face_id": other})
    assert status(bob, found) == "queued"
    assert "This search is still running." in bob.text
    worker.work()
    assert status(bob, found) == "done"
    assert [match for _, _, match in candidates(bob)] == [False]
    (event,) = events("search.face_chosen")
    assert event.subject_id == found
    bob.post(f"/search/{found}/face", {"face_id": 10**9})
    status(bob, found)
    assert "This face is no longer in the photo." in bob.text


def test_a_search_done_again_meets_who_was_enrolled_since(
    worker: Worker, bob: Visitor, lfw: Path, events: Events
) -> None:
    found = search(bob, mate(lfw, "Anna_Kournikova", 1))
    worker.work()
    enrol(bob, "Anna", "A1", mate(lfw, "Anna_Kournikova", 2))
    worker.work()
    status(bob, found)
    assert candidates(bob) == []
    bob.post(f"/search/{found}/repeat")
    worker.work()
    assert status(bob, found) == "done"
    assert [name for name, _, _ in candidates(bob)] == ["A1"]
    assert [event.subject_id for event in events("search.repeated")] == [found]


@pytest.mark.parametrize(
    ("probe", "reason"),
    [
        (picture(1), Reason.NO_FACE),
        (b"these are words", Reason.NOT_AN_IMAGE),
        (b"", Reason.EMPTY),
        (six_people()[:-1000], Reason.DAMAGED),
        (b"\0\0\1\0" + bytes(100), Reason.UNSUPPORTED_FORMAT),
        (b"%PDF-1.7\n" + bytes(100), Reason.PDF),
    ],
    ids=str,
)
def test_a_probe_that_can_not_be_used_is_told_in_plain_words(
    worker: Worker, bob: Visitor, probe: bytes, reason: Reason
) -> None:
    found = search(bob, probe)
    worker.work()
    assert status(bob, found) == "failed"
    for words in WORDS[reason]:
        assert words in bob.text
    assert candidates(bob) == []
    bob.get("/search")
    assert WORDS[reason][0] in bob.text
    bob.post(f"/search/{found}/repeat")
    assert status(bob, found) == "queued"


def test_a_probe_that_stops_its_worker_three_times_is_set_aside(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    found = search(bob, six_people())
    with writing(session):
        session.execute(update(Search).values(state=WorkState.RUNNING, claimed_by="gone:1:x", attempts=3))
    sweep(worker.app)
    assert status(bob, found) == "failed"
    assert WORDS[Reason.SET_ASIDE][0] in bob.text
    assert worker.work() == [
        "jobs.search.run_search"
    ]  # what was sent when it was asked for finds nothing to do
    assert status(bob, found) == "failed"
    bob.post(f"/search/{found}/repeat")
    worker.work()
    assert status(bob, found) == "done"


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({}, "Choose a photo to search for."),
        ({"photo": file(b"", "")}, "Choose a photo to search for."),
        ({"photo": file(bytes(MAX_PHOTO_BYTES + 1), "big.png")}, "big.png is larger than 25 MiB."),
    ],
    ids=["nothing", "an empty input", "too large"],
)
def test_a_form_without_a_usable_photo_is_told(
    bob: Visitor, files: Files, sent: dict[str, object], message: str
) -> None:
    assert bob.post("/search", sent).status_code == 422
    assert message in bob.text
    assert files() == []
    assert listed(bob) == []


def test_a_search_is_made_and_looked_at_in_the_open(
    vera: Visitor, session: Session, clinic: Organization, events: Events
) -> None:
    made = search(vera, picture(1))
    vera.get(f"/search/{made}")
    vera.get(f"/search/{made}/results")
    assert events("search.viewed") == [], "there was nothing to see yet"
    done = add_search(session, clinic).id
    for path in (f"/search/{done}", f"/search/{done}/results"):
        vera.get(path)
        event = events("search.viewed")[-1]
        assert (event.actor, event.subject_id, event.details) == ("vera@clinic.example", done, {})
    assert events("search.created")[0].subject_id == made


def test_the_page_and_its_poll_show_the_same(bob: Visitor, session: Session, clinic: Organization) -> None:
    photo = add_photo(session, add_person(session, clinic, "A1"))
    done = add_search(session, clinic, candidates=(photo,)).id
    waiting = search(bob, picture(1))

    def shown(url: str) -> str:
        bob.get(url)
        found = bob.page.select_one("#results")
        assert found is not None
        for token in found.select("input[name=csrf_token]"):
            del token["value"]
        return str(found)

    for number in (done, waiting):
        assert shown(f"/search/{number}") == shown(f"/search/{number}/results")


def test_above_and_below_the_threshold_are_told_apart(
    bob: Visitor, session: Session, clinic: Organization
) -> None:
    photos = [add_photo(session, add_person(session, clinic, f"A{n}"), shade=n) for n in range(4)]
    found = add_search(session, clinic, candidates=tuple(photos)).id
    assert status(bob, found) == "done"
    rows = candidates(bob)
    assert [match for _, _, match in rows] == [score >= THRESHOLD for _, score, _ in rows]
    assert {match for _, _, match in rows} == {True, False}
    # The line stands between the last match and the first of the others.
    order = [
        "line" if "threshold-line" in item["class"] else item["data-match"]
        for item in bob.page.select(".candidates > li")
    ]
    assert order == ["true", "true", "line", "false", "false"]
    assert "%" not in bob.text


def test_past_searches_are_listed_newest_first_page_by_page(
    bob: Visitor, session: Session, clinic: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "PAGE_SIZE", 2)
    made = [add_search(session, clinic, faces=0).id for _ in range(5)]

    def follow(relation: str) -> list[int]:
        bob.get(bob.link(f"a[rel={relation}]"))
        return [int(str(row["data-search"])) for row in bob.page.select("[data-search]")]

    assert listed(bob) == made[:2:-1]
    assert follow("next") == [made[2], made[1]]
    assert follow("next") == [made[0]]
    assert bob.page.select_one("a[rel=next]") is None
    assert follow("prev") == [made[2], made[1]]
    assert follow("prev") == made[:2:-1]
    assert bob.page.select_one("a[rel=prev]") is None


def test_a_candidate_who_is_deleted_leaves_old_searches(
    bob: Visitor, session: Session, clinic: Organization
) -> None:
    photos = [add_photo(session, add_person(session, clinic, f"A{n}"), shade=n) for n in range(3)]
    found = add_search(session, clinic, candidates=tuple(photos)).id
    bob.post(f"/people/{photos[0].person_id}/delete")
    bob.post(f"/photos/{photos[1].id}/remove")
    status(bob, found)
    assert [name for name, _, _ in candidates(bob)] == ["A2"]


@on_both_databases
def test_a_deleted_search_is_really_gone(
    bob: Visitor, vera: Visitor, session: Session, clinic: Organization, files: Files, events: Events
) -> None:
    photo = add_photo(session, add_person(session, clinic, "A1"))
    before = len(files())
    gone, kept = (add_search(session, clinic, candidates=(photo,)).id for _ in range(2))
    assert vera.post(f"/search/{gone}/delete").status_code == 403
    assert bob.post(f"/search/{gone}/delete").status_code == 302
    for address in ("", "/results", "/preview", "/thumbnail"):
        assert bob.get(f"/search/{gone}{address}").status_code == 404
    assert listed(bob) == [kept]
    assert len(files()) == before + 3
    session.rollback()
    assert session.scalars(select(ProbeFace.search_id).distinct()).all() == [kept]
    assert session.scalar(select(func.count()).select_from(Candidate)) == 1
    (event,) = events("search.deleted")
    assert (event.actor, event.subject_id) == ("bob@clinic.example", gone)


@on_both_databases
def test_a_search_expires_with_its_photo(
    bob: Visitor, session: Session, clinic: Organization, files: Files, events: Events
) -> None:
    old, new = (add_search(session, clinic).id for _ in range(2))
    assert clinic.retention_days == 30
    thirty_days_ago = now() - timedelta(days=30)
    with writing(session):
        session.execute(update(Search).where(Search.id == old).values(created_at=thirty_days_ago))
    # From that moment on nobody sees it, and the next sweep removes it.
    assert bob.get(f"/search/{old}").status_code == 404
    assert bob.get(f"/search/{old}/preview").status_code == 404
    assert listed(bob) == [new]
    assert len(files()) == 6
    sweep(bob.app)
    assert len(files()) == 3
    session.rollback()
    assert session.scalars(select(Search.id)).all() == [new]
    (event,) = events("search.expired")
    assert (event.actor, event.subject_id, event.organization_id) == ("retention", old, clinic.id)


def test_a_shorter_retention_ends_old_searches_too(
    alice: Visitor, session: Session, clinic: Organization, files: Files
) -> None:
    found = add_search(session, clinic)
    with writing(session):
        session.execute(update(Search).values(created_at=now() - timedelta(days=8)))
    alice.post("/settings", {"name": clinic.name, "retention_days": "9"})
    assert listed(alice) == [found.id]
    alice.post("/settings", {"name": clinic.name, "retention_days": "7"})
    assert listed(alice) == []
    sweep(alice.app)
    assert files() == []


def test_organizations_never_meet(worker: Worker, bob: Visitor, charlie: Visitor, lfw: Path) -> None:
    enrol(bob, "Anna of the clinic", "CLINIC", mate(lfw, "Anna_Kournikova", 1))
    enrol(charlie, "Anna of the school", "SCHOOL", mate(lfw, "Anna_Kournikova", 2))
    worker.work()
    searches = {visitor: search(visitor, mate(lfw, "Anna_Kournikova", 3)) for visitor in (bob, charlie)}
    worker.work()
    for visitor, only in ((bob, "CLINIC"), (charlie, "SCHOOL")):
        status(visitor, searches[visitor])
        assert [name for name, _, _ in candidates(visitor)] == [only]
        assert "Compared with 1 person" in visitor.text
        assert listed(visitor) == [searches[visitor]]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"restrict_to": [1, 2]}, "Compared with 1 person of the 2 whose external IDs were given"),
        ({"restrict_to_batch_id": 7}, "Compared with 1 person of batch 7"),
        ({"min_score": 0.3}, "Candidates only from the score 0.300 on, as was asked"),
    ],
)
def test_what_a_program_left_out_is_said_on_the_page(
    asked: dict[str, object], words: str, bob: Visitor, session: Session, clinic: Organization
) -> None:
    found = add_search(session, clinic, candidates=(add_photo(session, add_person(session, clinic, "A1")),))
    with writing(session):
        session.execute(update(Search).where(Search.id == found.id).values(asked))
    bob.get(f"/search/{found.id}")
    assert words in " ".join(bob.page.get_text(" ").split())


def test_the_page_that_follows_the_form_shows_the_candidates_at_once(
    answered: Answered, worker: Worker, bob: Visitor, lfw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol(bob, "Ahmed", "A1", mate(lfw, "Ahmed_Chalabi", 1))
    worker.work()
    monkeypatch.setattr(views, "PATIENCE_S", 60)
    sent = {"photo": file(mate(lfw, "Ahmed_Chalabi", 2))}
    answer = answered(lambda: bob.post("/search", sent))
    assert status(bob, int(answer.location.rsplit("/", 1)[1])) == "done"
    assert candidates(bob)[0][0] == "A1"


def test_of_those_who_were_not_compared_nothing_is_said(
    bob: Visitor, session: Session, clinic: Organization
) -> None:
    found = add_search(session, clinic, candidates=(add_photo(session, add_person(session, clinic, "A1")),))
    with writing(session):
        session.execute(update(Candidate).values(score=0.1))
    for restricted, words in (
        (None, "Nobody enrolled here looks enough"),
        ([1], "Nobody among those who were compared looks enough"),
    ):
        with writing(session):
            session.execute(update(Search).where(Search.id == found.id).values(restrict_to=restricted))
        bob.get(f"/search/{found.id}")
        assert words in bob.one("[data-no-match]").get_text(" ")


def test_a_match_that_was_left_out_is_not_denied(
    bob: Visitor, session: Session, clinic: Organization
) -> None:
    found = add_search(session, clinic)
    with writing(session):
        session.execute(update(Search).where(Search.id == found.id).values(min_score=0.9))
        session.execute(update(ProbeFace).values(gallery_people=1))
    for page in (f"/search/{found.id}", "/search"):
        bob.get(page)
        assert "No match from the score 0.900 on" in bob.text
        assert "above the threshold" not in bob.text.replace("may be above the threshold", "")
        assert "Nobody" not in bob.text
