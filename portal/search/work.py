"""Searches, as workers handle them: claimed, and written back with their candidates."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session, undefer

from portal.database import writing
from portal.installation.services import lock_face_model
from portal.installation.thresholds import thresholds_of
from portal.locks import lock_rows
from portal.organizations.models import Organization
from portal.photos.models import Face
from portal.photos.reasons import Reason
from portal.photos.records import PhotoRecord
from portal.search.models import Candidate, ProbeFace, Search
from portal.search.restriction import Restriction, people_of
from portal.webhooks.models import Event
from portal.webhooks.outbox import emit
from portal.work.claims import claim, close, lock_claimed, lock_queued
from portal.work.models import WorkState


@dataclass(frozen=True)
class ProbeFaceToSearch:
    """A face of a probe that is to be compared."""

    id: int
    landmarks: list[list[float]]
    template: bytes | None


@dataclass(frozen=True)
class ClaimedSearch:
    id: int
    organization_id: int
    file_key: str
    # As PhotoRecord has it, of what was found before.
    turned_by: int
    limit: int
    min_score: float | None
    all_faces: bool
    # The people to compare; None: everybody.
    people: list[int] | None
    # The faces to compare: one, or all of them. Empty: the photo has not been processed yet.
    faces: list[ProbeFaceToSearch]


@dataclass(frozen=True)
class CandidateRecord:
    person_id: int
    face_id: int
    score: float


@dataclass(frozen=True)
class FaceRecord:
    """A face that was compared, with its candidates, best first."""

    face: ProbeFaceToSearch
    candidates: list[CandidateRecord]


def claim_search(session: Session, worker: str, search_id: int, face_model_id: int) -> ClaimedSearch | None:
    """Claim a queued search; None if it is gone or someone else's.

    A template that another face model than the worker's has made comes as None, to be made again.
    """
    with writing(session):
        search = lock_queued(session, Search, search_id)
        if search is None:
            return None
        claim(session, Search, worker, [search_id])
        which = ProbeFace.search_id == search.id if search.all_faces else ProbeFace.id == search.face_id
        faces = session.scalars(
            select(ProbeFace).where(which).order_by(ProbeFace.id).options(undefer(ProbeFace.template))
        ).all()
        restriction = Restriction(search.restrict_to, search.restrict_to_batch_id)
        people = people_of(session, search.organization_id, restriction)
    return ClaimedSearch(
        search.id,
        search.organization_id,
        search.file_key,
        search.turned_by,
        search.limit,
        search.min_score,
        search.all_faces,
        people,
        [
            ProbeFaceToSearch(
                face.id, face.landmarks, face.template if face.face_model_id == face_model_id else None
            )
            for face in faces
        ],
    )


def record_probe(
    session: Session, worker: str, search_id: int, face_model_id: int, photo: PhotoRecord
) -> list[ProbeFaceToSearch]:
    """Write what was found in the probe; returns the faces to compare: the main face, or all of them.

    None of them ends the work: the search failed for a reason that is written, or it is not this worker's.
    """
    with writing(session):
        lock_face_model(session, face_model_id)
        search = lock_claimed(session, Search, worker, search_id)
        if search is None:
            return []
        session.execute(delete(ProbeFace).where(ProbeFace.search_id == search_id))
        search.media_format, search.width, search.height = photo.media_format, photo.width, photo.height
        search.turned_by = photo.turned_by
        reason = photo.reason or (Reason.NO_FACE if photo.main is None else None)
        if reason is not None or photo.main is None:
            _end(session, search, WorkState.FAILED, reason)
            return []
        faces = [
            ProbeFace(
                search_id=search_id,
                face_model_id=face_model_id,
                box=face.box,
                landmarks=face.landmarks,
                detection_score=face.detection_score,
                quality=face.quality,
                template=face.template,
            )
            for face in photo.faces
        ]
        session.add_all(faces)
        session.flush()
        main = faces[photo.main]
        search.face_id = main.id
        compared = faces if search.all_faces else [main]
    return [ProbeFaceToSearch(face.id, face.landmarks, face.template) for face in compared]


def record_failure(session: Session, worker: str, search_id: int, reason: Reason) -> None:
    """Write why a search could not be done; what was found in its photo before stays."""
    with writing(session):
        search = lock_claimed(session, Search, worker, search_id)
        if search is not None:
            _end(session, search, WorkState.FAILED, reason)


def note_set_aside(session: Session, search_ids: Sequence[int]) -> None:
    """Tell of searches that stopped their workers too often, in the transaction that set them aside."""
    for search in session.scalars(select(Search).where(Search.id.in_(search_ids)).order_by(Search.id)):
        _tell(session, search.organization_id, search.id, WorkState.FAILED)


def record_candidates(
    session: Session,
    worker: str,
    search_id: int,
    face_model_id: int,
    compared: Sequence[FaceRecord],
    people: int,
    processing_ms: float,
    steps_ms: dict[str, float],
) -> None:
    """Write the candidate lists, and the threshold that they were judged by; the search is done then.

    people: how many were compared. processing_ms: all of the work; steps_ms: of that decode, detect, embed,
    search.
    """
    with writing(session):
        lock_face_model(session, face_model_id)
        search = lock_claimed(session, Search, worker, search_id)
        if search is None:
            return
        organization = session.get_one(Organization, search.organization_id, populate_existing=True)
        thresholds = thresholds_of(session, organization)
        assert thresholds is not None, "a worker has chosen the face model before it searches"
        # People deleted since the comparison are no candidates; the others can't go before the commit.
        candidates = [candidate.face_id for face in compared for candidate in face.candidates]
        faces = select(Face.id).where(Face.id.in_(candidates), Face.organization_id == search.organization_id)
        there = set(lock_rows(session, faces, read=True, key_share=True).scalars())
        for face in compared:
            _write_candidates(session, face, there)
            probe = session.get_one(ProbeFace, face.face.id, options=[undefer(ProbeFace.template)])
            probe.template, probe.face_model_id = face.face.template, face_model_id
            probe.threshold, probe.gallery_people = thresholds.search, people
        search.processing_ms, search.steps_ms = processing_ms, steps_ms
        _end(session, search, WorkState.DONE)


def _end(session: Session, search: Search, state: WorkState, reason: Reason | None = None) -> None:
    close(search, state, reason)
    _tell(session, search.organization_id, search.id, state)


def _tell(session: Session, organization_id: int, search_id: int, state: WorkState) -> None:
    emit(session, organization_id, Event.SEARCH_DONE, [{"search_id": search_id, "state": state}])


def _write_candidates(session: Session, compared: FaceRecord, there: Collection[int]) -> None:
    session.execute(delete(Candidate).where(Candidate.probe_face_id == compared.face.id))
    kept = [candidate for candidate in compared.candidates if candidate.face_id in there]
    session.add_all(
        Candidate(
            probe_face_id=compared.face.id,
            rank=rank,
            person_id=candidate.person_id,
            face_id=candidate.face_id,
            score=candidate.score,
        )
        for rank, candidate in enumerate(kept, start=1)
    )


def is_there(session: Session, search_id: int) -> bool:
    """Whether a search has not been deleted."""
    return session.scalar(select(Search.id).where(Search.id == search_id)) is not None
