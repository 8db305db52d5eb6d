"""Search jobs: the candidates are those that a plain comparison of all templates gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from jobs.gallery.exact import ExactGallery
from portal.database import writing
from portal.organizations.models import Organization
from portal.people.models import Person
from portal.photos.models import Face
from portal.photos.reasons import Reason
from portal.removal.services import delete_person
from portal.search.models import Candidate, ProbeFace, Search
from portal.search.services import choose_face
from portal.storage import photo_store
from tests.databases import on_both_databases
from tests.make.people import TESTER, add_person, add_photo
from tests.make.photos import mate, six_people
from tests.run.workers import Worker
from tests.visitor import Visitor, enrol, search

# More people than a candidate list is long.
MANY = 25


def candidates(session: Session) -> list[Candidate]:
    session.rollback()
    return list(session.scalars(select(Candidate).order_by(Candidate.probe_face_id, Candidate.rank)))


def many_people(session: Session, clinic: Organization, worker: Worker) -> None:
    """People with made-up templates, two photos each."""
    rng = np.random.default_rng(7)
    dimension = worker.process.pipeline.engine.dimension
    for number in range(MANY):
        person = add_person(session, clinic, f"M{number}")
        for photo in range(2):
            add_photo(session, person, shade=1000 + 2 * number + photo)
    with writing(session):
        for face in session.scalars(select(Face)).all():
            template = rng.normal(size=dimension)
            face.template = (template / np.linalg.norm(template)).astype("<f4").tobytes()


@on_both_databases
def test_scores_are_cosines_and_the_list_is_the_best_twenty(
    worker: Worker, bob: Visitor, session: Session, clinic: Organization, lfw: Path
) -> None:
    many_people(session, clinic, worker)
    enrol(bob, "Anna", "A1", mate(lfw, "Anna_Kournikova", 1))
    worker.work()
    search(bob, mate(lfw, "Anna_Kournikova", 2))
    worker.work()
    found = candidates(session)
    probe = session.scalars(select(ProbeFace).options(undefer(ProbeFace.template))).one()
    template = np.frombuffer(probe.template or b"", "<f4")
    best: dict[int, float] = {}
    for face in session.scalars(select(Face).options(undefer(Face.template))):
        score = float(np.frombuffer(face.template or b"", "<f4") @ template)
        best[face.person_id] = max(best.get(face.person_id, -2), score)
    expected = sorted(best.items(), key=lambda one: -one[1])[:20]
    assert [(one.rank, one.person_id) for one in found] == [
        (rank, person) for rank, (person, _) in enumerate(expected, start=1)
    ]
    assert [one.score for one in found] == pytest.approx([score for _, score in expected], abs=1e-6)
    assert probe.gallery_people == MANY + 1
    assert probe.threshold == worker.process.pipeline.engine.pack.card.threshold
    done = session.scalars(select(Search)).one()
    assert done.processing_ms is not None
    assert (done.state, done.claimed_by, done.attempts) == ("done", None, 1)


def test_other_faces_of_the_probe_are_embedded_when_somebody_asks(
    worker: Worker, bob: Visitor, session: Session, clinic: Organization
) -> None:
    enrol(bob, "Six", "S1", six_people())
    worker.work()
    number = search(bob, six_people())
    worker.work()

    def embedded() -> set[int]:
        session.rollback()
        return set(session.scalars(select(ProbeFace.id).where(ProbeFace.template.is_not(None))))

    found = session.get_one(Search, number)
    assert embedded() == {found.face_id}
    other = next(face.id for face in found.faces if face.id != found.face_id)
    choose_face(session, clinic, TESTER, found, other)
    worker.work()
    assert embedded() == {other, *embedded()}
    assert len(embedded()) == 2
    # Each face keeps the list that was made for it.
    assert {candidate.probe_face_id for candidate in candidates(session)} == embedded()


def test_the_face_that_was_searched_for_is_gone_when_its_file_is(
    worker: Worker, bob: Visitor, session: Session, clinic: Organization
) -> None:
    number = search(bob, six_people())
    worker.work()
    found = session.get_one(Search, number)
    other = next(face.id for face in found.faces if face.id != found.face_id)
    (photo_store().folder / found.file_key).unlink()
    choose_face(session, clinic, TESTER, found, other)
    worker.work()
    session.refresh(found)
    assert (found.state, found.reason) == ("failed", Reason.FILE_MISSING)


@on_both_databases
def test_who_is_deleted_between_comparison_and_list_is_no_candidate(
    app: Flask,
    worker: Worker,
    bob: Visitor,
    session: Session,
    clinic: Organization,
    lfw: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = enrol(bob, "Gone", "G1", mate(lfw, "Anna_Kournikova", 1))
    kept = enrol(bob, "Kept", "K1", mate(lfw, "Al_Sharpton", 1))
    worker.work()
    compare = ExactGallery.search

    def compare_while_somebody_deletes(gallery: ExactGallery, *arguments: Any) -> object:
        matches = compare(gallery, *arguments)
        assert matches[0].person_id == gone
        delete_person(session, clinic, TESTER, session.get_one(Person, gone), photo_store())
        return matches

    monkeypatch.setattr(ExactGallery, "search", compare_while_somebody_deletes)
    search(bob, mate(lfw, "Anna_Kournikova", 2))
    worker.work()
    assert [(candidate.rank, candidate.person_id) for candidate in candidates(session)] == [(1, kept)]


def test_a_search_that_is_gone_is_nothing_to_do(worker: Worker, bob: Visitor, session: Session) -> None:
    number = search(bob, six_people())
    bob.post(f"/search/{number}/delete")
    assert worker.work() == ["jobs.search.run_search"]
    assert session.scalars(select(Search.id)).all() == []
