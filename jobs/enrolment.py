"""Enrolment: photos of an organization become faces in its gallery."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from jobs import process
from jobs.faces.decode import as_jpeg
from jobs.faces.pipeline import PhotoAnalysis, UnusablePhoto
from jobs.job import has_claimed, job
from jobs.records import photo_record, template_bytes, write_pictures
from portal import queues
from portal.database import writing
from portal.enrolment.admitting import admit_received
from portal.enrolment.work import claim_photos, record_photos
from portal.extensions import db
from portal.photos.models import Photo
from portal.photos.reasons import Reason
from portal.photos.records import ChosenFace, ChosenFaceRecord, ClaimedPhoto, PhotoRecord
from portal.storage import PhotoStore, photo_store
from portal.waiting import photos_done, tell
from portal.work.claims import requeue_untouched

# What a worker claims, and commits, at a time.
CLAIMED_PHOTOS = 64
# After this many photos, at the latest, it checks whether a search waits.
PHOTOS_AT_ONCE = 8


@job
def process_photos(organization_id: int) -> None:
    """Work on a few of the organization's queued photos; another worker may take the next meanwhile."""
    worker = process.current().worker.name
    waiting, unneeded = admit_received(db.session(), organization_id)
    for key in unneeded:
        photo_store().delete(key)
    claimed, more = claim_photos(db.session(), worker, organization_id, CLAIMED_PHOTOS)
    if more or waiting:
        queues.enqueue_enrolment(organization_id)
    if not claimed:
        return
    has_claimed(Photo, [photo.id for photo in claimed])
    _work(worker, organization_id, claimed)


def _work(worker: str, organization_id: int, claimed: list[ClaimedPhoto]) -> None:
    store, session = photo_store(), db.session()
    records: dict[int, PhotoRecord | ChosenFaceRecord] = {}
    size = 1
    while len(records) < len(claimed) and not (records and queues.search_is_waiting()):
        began = time.monotonic()
        part = claimed[len(records) : len(records) + size]
        records |= _process(store, part)
        # As many next as keep a search waiting for about LOOK_UP_EVERY_S, however slow the face model is.
        pace = len(part) / max(time.monotonic() - began, 1e-3)
        size = min(max(1, int(pace * queues.LOOK_UP_EVERY_S)), PHOTOS_AT_ONCE)
    deleted = record_photos(session, worker, organization_id, process.current().face_model_id, records)
    tell(photos_done(organization_id))
    if any(isinstance(record, ChosenFaceRecord) or record.main is not None for record in records.values()):
        queues.enqueue_comparison(organization_id)
    for photo in claimed:
        if photo.id in deleted:
            store.delete(photo.file_key)
    if len(records) < len(claimed):
        with writing(session):
            requeue_untouched(
                session, Photo, worker, [photo.id for photo in claimed if photo.id not in records]
            )
        queues.enqueue_enrolment(organization_id)


def _process(store: PhotoStore, photos: Sequence[ClaimedPhoto]) -> dict[int, PhotoRecord | ChosenFaceRecord]:
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
            records[photo.id] = _embed_chosen(store, photo, content, photo.chosen)
    analyses = process.current().pipeline.analyse([content for _, content in whole])
    for (photo, content), analysis in zip(whole, analyses, strict=True):
        if isinstance(analysis, PhotoAnalysis):
            write_pictures(store, photo.file_key, analysis)
            if not analysis.can_be_handed_out:
                store.write(photo.file_key, "converted", as_jpeg(content, analysis.turned_by))
        records[photo.id] = photo_record(analysis)
    return records


def _embed_chosen(
    store: PhotoStore, photo: ClaimedPhoto, content: bytes, face: ChosenFace
) -> PhotoRecord | ChosenFaceRecord:
    pipeline = process.current().pipeline
    try:
        template = pipeline.embed(content, np.asarray(face.landmarks, np.float32), photo.turned_by)
        store.write(photo.file_key, "thumbnail", pipeline.thumbnail(content, face.box, photo.turned_by))
    except UnusablePhoto as unusable:
        return photo_record(unusable)
    return ChosenFaceRecord(template_bytes(template))
