"""Enrolment: photos of an organization become faces in its gallery."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jobs import process
from jobs.faces.decode import heic_as_jpeg
from jobs.faces.pipeline import PhotoAnalysis, UnusablePhoto
from jobs.records import photo_record, template_bytes, write_pictures
from portal import queues
from portal.database import writing
from portal.enrolment.claims import give_back, put_back
from portal.enrolment.models import Photo
from portal.enrolment.reasons import Reason
from portal.enrolment.work import (
    ChosenFace,
    ChosenFaceRecord,
    ClaimedPhoto,
    PhotoRecord,
    claim_photos,
    record_photos,
)
from portal.extensions import db
from portal.storage import PhotoStore, photo_store

# About a third of a second of work: what a worker claims, and commits, at a time.
BATCH_PHOTOS = 32
# After so many photos of it a worker looks whether somebody waits for a search.
PHOTOS_AT_ONCE = 8


def process_photos(organization_id: int) -> None:
    """Work on a batch of the organization's queued photos; another worker may take the next meanwhile."""
    queues.taken("jobs.enrolment.process_photos", organization_id)
    worker = process.current().worker.name
    claimed, more = claim_photos(db.session(), worker, organization_id, BATCH_PHOTOS)
    if more:
        queues.enqueue_enrolment(organization_id)
    if not claimed:
        return
    try:
        _work(worker, organization_id, claimed)
    except BaseException:
        # The batch's own fault or not: each of its photos is tried alone next.
        with writing(db.session()):
            give_back(db.session(), Photo, worker, [photo.id for photo in claimed])
        queues.enqueue_enrolment(organization_id)
        raise


def _work(worker: str, organization_id: int, claimed: list[ClaimedPhoto]) -> None:
    store, session = photo_store(), db.session()
    records: dict[int, PhotoRecord | ChosenFaceRecord] = {}
    for start in range(0, len(claimed), PHOTOS_AT_ONCE):
        if start and queues.somebody_waits():
            break
        records |= _look_at(store, claimed[start : start + PHOTOS_AT_ONCE])
    deleted = record_photos(session, worker, organization_id, process.current().face_model_id, records)
    for photo in claimed:
        if photo.id in deleted:
            store.delete(photo.file_key)
    if len(records) < len(claimed):
        with writing(session):
            put_back(session, Photo, worker, [photo.id for photo in claimed if photo.id not in records])
        queues.enqueue_enrolment(organization_id)


def _look_at(store: PhotoStore, photos: Sequence[ClaimedPhoto]) -> dict[int, PhotoRecord | ChosenFaceRecord]:
    """What is found in photos, by photo id; their pictures are in the store when this returns."""
    records: dict[int, PhotoRecord | ChosenFaceRecord] = {}
    whole: list[tuple[ClaimedPhoto, bytes]] = []
    for photo in photos:
        try:
            content = store.read(photo.file_key)
        except FileNotFoundError:
            records[photo.id] = PhotoRecord(reason=Reason.FILE_MISSING)
            continue
        if photo.chosen is None:
            whole.append((photo, content))
        else:
            records[photo.id] = _embed_chosen(store, photo.file_key, content, photo.chosen)
    analyses = process.current().pipeline.analyse([content for _, content in whole])
    for (photo, content), analysis in zip(whole, analyses, strict=True):
        if isinstance(analysis, PhotoAnalysis):
            write_pictures(store, photo.file_key, analysis)
            if analysis.media_format == "HEIC":
                store.write(photo.file_key, "converted", heic_as_jpeg(content))
        records[photo.id] = photo_record(analysis)
    return records


def _embed_chosen(
    store: PhotoStore, file_key: str, content: bytes, face: ChosenFace
) -> PhotoRecord | ChosenFaceRecord:
    pipeline = process.current().pipeline
    try:
        template = pipeline.embed(content, np.asarray(face.landmarks, np.float32))
        store.write(file_key, "thumbnail", pipeline.thumbnail(content, face.box))
    except UnusablePhoto as unusable:
        return photo_record(unusable)
    return ChosenFaceRecord(template_bytes(template))
