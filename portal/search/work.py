"""Searches, as workers handle them: claimed, and written back with their candidates."""

from __future__ import annotations

from collections.abc import Sequence
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
from portal.work.claims import claim, close, lock_claimed, lock_queued
from portal.work.models import WorkState


@dataclass(frozen=True)
class ProbeFaceToSearch:
    """The face of a probe that a member chose."""

    id: int
    landmarks: list[list[float]]
    template: bytes | None


@dataclass(frozen=True)
class ClaimedSearch:
    id: int
    organization_id: int
    file_key: str
    limit: int
    # None: the photo has not been processed yet.
    chosen: ProbeFaceToSearch | None


@dataclass(frozen=True)
class CandidateRecord:
    person_id: int
    face_id: int
    score: float


def claim_search(session: Session, worker: str, search_id: int, face_model_id: int) -> ClaimedSearch | None:
    """Claim a queued search; None if it is gone or someone else's.

    A template that another face model than the worker's has made comes as None, to be made again.
    """
    with writing(session):
        search = lock_queued(session, Search, search_id)
        if search is None:
            return None
        claim(session, Search, worker, [search_id])
        face = None
        if search.face_id is not None:
            face = session.scalar(
                select(ProbeFace).where(ProbeFace.id == search.face_id).options(undefer(ProbeFace.template))
            )
    chosen = None
    if face is not None:
        template = face.template if face.face_model_id == face_model_id else None
        chosen = ProbeFaceToSearch(face.id, face.landmarks, template)
    return ClaimedSearch(search.id, search.organization_id, search.file_key, search.limit, chosen)


def record_probe(
    session: Session, worker: str, search_id: int, face_model_id: int, photo: PhotoRecord
) -> ProbeFaceToSearch | None:
    """Write what was found in the probe; returns the face to search for.

    None ends the work: the search failed for a reason that is written, or it is not this worker's.
    """
    with writing(session):
        lock_face_model(session, face_model_id)
        search = lock_claimed(session, Search, worker, search_id)
        if search is None:
            return None
        session.execute(delete(ProbeFace).where(ProbeFace.search_id == search_id))
        search.media_format, search.width, search.height = photo.media_format, photo.width, photo.height
        reason = photo.reason or (Reason.NO_FACE if photo.main is None else None)
        if reason is not None or photo.main is None:
            close(search, WorkState.FAILED, reason)
            return None
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
    return ProbeFaceToSearch(main.id, main.landmarks, main.template)


def record_failure(session: Session, worker: str, search_id: int, reason: Reason) -> None:
    """Write why a search could not be done; what was found in its photo before stays."""
    with writing(session):
        search = lock_claimed(session, Search, worker, search_id)
        if search is not None:
            close(search, WorkState.FAILED, reason)


def record_candidates(
    session: Session,
    worker: str,
    search_id: int,
    face_model_id: int,
    face: ProbeFaceToSearch,
    candidates: Sequence[CandidateRecord],
    gallery_people: int,
    processing_ms: float,
) -> None:
    """Write the candidate list, best first, and the threshold that it was judged by."""
    with writing(session):
        lock_face_model(session, face_model_id)
        search = lock_claimed(session, Search, worker, search_id)
        if search is None:
            return
        probe = session.get_one(ProbeFace, face.id, options=[undefer(ProbeFace.template)])
        organization = session.get_one(Organization, search.organization_id, populate_existing=True)
        thresholds = thresholds_of(session, organization)
        assert thresholds is not None, "a worker has chosen the face model before it searches"
        # People deleted since the comparison are no candidates; the others can't go before the commit.
        faces = select(Face.id).where(
            Face.id.in_([candidate.face_id for candidate in candidates]),
            Face.organization_id == search.organization_id,
        )
        there = set(lock_rows(session, faces, read=True, key_share=True).scalars())
        session.execute(delete(Candidate).where(Candidate.probe_face_id == probe.id))
        kept = [candidate for candidate in candidates if candidate.face_id in there]
        session.add_all(
            Candidate(
                probe_face_id=probe.id,
                rank=rank,
                person_id=candidate.person_id,
                face_id=candidate.face_id,
                score=candidate.score,
            )
            for rank, candidate in enumerate(kept, start=1)
        )
        probe.template, probe.face_model_id = face.template, face_model_id
        probe.threshold = thresholds.search
        probe.gallery_people = gallery_people
        search.processing_ms = processing_ms
        close(search, WorkState.DONE)


def is_there(session: Session, search_id: int) -> bool:
    """Whether a search has not been deleted."""
    return session.scalar(select(Search.id).where(Search.id == search_id)) is not None
