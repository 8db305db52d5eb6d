"""Examinations: photos become faces and a score, for someone who waits."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs import process
from jobs.faces.pipeline import PhotoAnalysis
from jobs.job import has_claimed, job
from jobs.records import photo_record, template_array
from jobs.timing import ms_since
from portal.examination.models import Examination, Kind
from portal.examination.work import (
    Answer,
    ClaimedExamination,
    claim_examination,
    record_answer,
    record_failure,
)
from portal.extensions import db
from portal.photos.reasons import Reason
from portal.photos.records import PhotoRecord
from portal.storage import photo_store
from portal.waiting import examination_done, tell


class NotAnswerable(ValueError):
    """Why an examination can't be answered: a photo that is of no use."""

    def __init__(self, reason: Reason, place: int) -> None:
        super().__init__(reason)
        self.reason, self.place = reason, place


@job
def examine(examination_id: int) -> None:
    """Work out an examination."""
    worker, model = process.current().worker.name, process.current().face_model_id
    examination = claim_examination(db.session(), worker, examination_id, model)
    if examination is None:
        tell(examination_done(examination_id))  # it may have failed just now
        return
    has_claimed(Examination, [examination_id])
    try:
        answer = _answer(examination)
    except NotAnswerable as error:
        record_failure(db.session(), worker, examination_id, error.reason, error.place)
    else:
        record_answer(db.session(), worker, examination_id, model, answer)
    tell(examination_done(examination_id))


def _answer(examination: ClaimedExamination) -> Answer:
    """Raises NotAnswerable."""
    began, steps = time.perf_counter(), dict.fromkeys(("decode", "detect", "embed"), 0.0)
    photos: list[PhotoRecord | None] = []
    templates: list[NDArray[np.float32]] = []
    for place, probe in enumerate(examination.probes):
        if probe.template is not None:
            photos.append(None)
            templates.append(template_array(probe.template))
            continue
        assert probe.file_key is not None
        photo = _analyse(probe.file_key, place, steps, all_faces=examination.with_templates)
        photos.append(photo)
        main = None if photo.main is None else photo.faces[photo.main].template
        if main is not None:
            templates.append(template_array(main))
        elif examination.kind != Kind.DETECTION:
            raise NotAnswerable(Reason.NO_FACE, place)
    score, photo_scores = _compare(examination, templates)
    return Answer(photos, score, photo_scores, {**steps, "total": ms_since(began)})


def _analyse(file_key: str, place: int, steps: dict[str, float], *, all_faces: bool) -> PhotoRecord:
    """What is in a photo. Raises NotAnswerable."""
    try:
        content = photo_store().read(file_key)
    except FileNotFoundError as error:
        raise NotAnswerable(Reason.FILE_MISSING, place) from error
    analysis = process.current().pipeline.analyse([content], all_faces=all_faces)[0]
    if not isinstance(analysis, PhotoAnalysis):
        raise NotAnswerable(analysis.reason, place)
    for step in steps:
        steps[step] += getattr(analysis, f"{step}_ms")
    return photo_record(analysis)


def _compare(
    examination: ClaimedExamination, templates: list[NDArray[np.float32]]
) -> tuple[float | None, list[dict[str, Any]] | None]:
    """The score (cosine, -1…1), and that of each photo of the person, best first."""
    if examination.kind == Kind.COMPARISON:
        return _cosine(*templates), None
    if examination.kind == Kind.VERIFICATION:
        scores = [
            {"photo_id": one.photo_id, "score": _cosine(templates[0], template_array(one.template))}
            for one in examination.enrolled
        ]
        scores.sort(key=lambda one: -one["score"])
        return (scores[0]["score"] if scores else None), scores
    return None, None


def _cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(np.clip(a @ b, -1, 1))
