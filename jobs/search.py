"""Searches: a probe becomes a candidate list."""

from __future__ import annotations

import time

import numpy as np

from jobs import process
from jobs.faces.pipeline import PhotoAnalysis, UnusablePhoto
from jobs.job import has_claimed, job
from jobs.records import photo_record, template_bytes, write_pictures
from portal.extensions import db
from portal.photos.reasons import Reason
from portal.photos.records import PhotoRecord
from portal.search.models import Search
from portal.search.work import (
    CandidateRecord,
    ClaimedSearch,
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
    started = time.perf_counter()
    face = search.chosen or _process_probe(worker, search)
    if face is None:
        return
    if face.template is None:
        try:
            face = _embed(search, face)
        except (FileNotFoundError, UnusablePhoto) as error:
            reason = error.reason if isinstance(error, UnusablePhoto) else Reason.FILE_MISSING
            record_failure(db.session(), worker, search.id, reason)
            return
    gallery = process.current().galleries.open(db.session(), search.organization_id)
    assert face.template is not None
    matches = gallery.search(np.frombuffer(face.template, "<f4"), search.limit)
    record_candidates(
        db.session(),
        worker,
        search.id,
        process.current().face_model_id,
        face,
        [CandidateRecord(match.person_id, match.face_id, match.score) for match in matches],
        gallery.people,
        (time.perf_counter() - started) * 1000,
    )


def _process_probe(worker: str, search: ClaimedSearch) -> ProbeFaceToSearch | None:
    store = photo_store()
    try:
        content = store.read(search.file_key)
    except FileNotFoundError:
        record = PhotoRecord(reason=Reason.FILE_MISSING)
    else:
        analysis = process.current().pipeline.analyse([content])[0]
        if isinstance(analysis, PhotoAnalysis):
            write_pictures(store, search.file_key, analysis)
        record = photo_record(analysis)
    return record_probe(db.session(), worker, search.id, process.current().face_model_id, record)


def _embed(search: ClaimedSearch, face: ProbeFaceToSearch) -> ProbeFaceToSearch:
    content = photo_store().read(search.file_key)
    template = process.current().pipeline.embed(content, np.asarray(face.landmarks, np.float32))
    return ProbeFaceToSearch(face.id, face.landmarks, template_bytes(template))
