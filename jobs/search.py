"""Searches: a probe becomes a candidate list."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from jobs import process
from jobs.faces.pipeline import PhotoAnalysis, UnusablePhoto
from jobs.gallery.exact import ExactGallery
from jobs.job import has_claimed, job
from jobs.records import photo_record, template_array, template_bytes, write_pictures
from jobs.timing import ms_since
from portal.extensions import db
from portal.photos.reasons import Reason
from portal.photos.records import PhotoRecord
from portal.search.models import Search
from portal.search.work import (
    CandidateRecord,
    ClaimedSearch,
    FaceRecord,
    ProbeFaceToSearch,
    claim_search,
    is_there,
    record_candidates,
    record_failure,
    record_probe,
)
from portal.storage import photo_store
from portal.waiting import search_done, tell


@job
def run_search(search_id: int) -> None:
    """Work out a search: find the faces of its photo if that was not done, then compare the chosen one."""
    worker = process.current().worker.name
    search = claim_search(db.session(), worker, search_id, process.current().face_model_id)
    if search is None:
        return
    has_claimed(Search, [search_id])
    _work(worker, search)
    tell(search_done(search_id))
    if not is_there(db.session(), search_id):
        # Deleted meanwhile: nobody owns the pictures that were made for it.
        photo_store().delete(search.file_key)


def _work(worker: str, search: ClaimedSearch) -> None:
    began = time.perf_counter()
    steps: dict[str, float] = {}
    faces = search.faces
    if not faces:
        faces, steps = _process_probe(worker, search)
        if not faces:
            return
    elif any(face.template is None for face in faces):
        embedding = time.perf_counter()
        try:
            faces = _embed(search)
        except (FileNotFoundError, UnusablePhoto) as error:
            reason = error.reason if isinstance(error, UnusablePhoto) else Reason.FILE_MISSING
            record_failure(db.session(), worker, search.id, reason)
            return
        steps["embed"] = ms_since(embedding)
    comparing = time.perf_counter()
    gallery = process.current().galleries.open(db.session(), search.organization_id)
    compared = [FaceRecord(face, _candidates(gallery, search, face)) for face in faces]
    people = gallery.people_among(search.people)
    steps["search"] = ms_since(comparing)
    record_candidates(
        db.session(),
        worker,
        search.id,
        process.current().face_model_id,
        compared,
        people,
        ms_since(began),
        steps,
    )


def _process_probe(worker: str, search: ClaimedSearch) -> tuple[list[ProbeFaceToSearch], dict[str, float]]:
    """The faces of the photo to compare, which are written, and how long each step took, in milliseconds."""
    store, steps = photo_store(), {}
    try:
        content = store.read(search.file_key)
    except FileNotFoundError:
        record = PhotoRecord(reason=Reason.FILE_MISSING)
    else:
        analysis = process.current().pipeline.analyse([content], all_faces=search.all_faces)[0]
        if isinstance(analysis, PhotoAnalysis):
            write_pictures(store, search.file_key, analysis)
            steps = {
                "decode": analysis.decode_ms,
                "detect": analysis.detect_ms,
                "embed": analysis.embed_ms,
            }
        record = photo_record(analysis)
    return record_probe(db.session(), worker, search.id, process.current().face_model_id, record), steps


def _embed(search: ClaimedSearch) -> list[ProbeFaceToSearch]:
    """The faces with the templates that they lack."""
    content = photo_store().read(search.file_key)
    pipeline = process.current().pipeline
    return [
        face
        if face.template is not None
        else replace(
            face,
            template=template_bytes(
                pipeline.embed(content, np.asarray(face.landmarks, np.float32), search.turned_by)
            ),
        )
        for face in search.faces
    ]


def _candidates(
    gallery: ExactGallery, search: ClaimedSearch, face: ProbeFaceToSearch
) -> list[CandidateRecord]:
    assert face.template is not None
    matches = gallery.search(template_array(face.template), search.limit, search.people)
    return [
        CandidateRecord(match.person_id, match.face_id, match.score)
        for match in matches
        if search.min_score is None or match.score >= search.min_score
    ]
