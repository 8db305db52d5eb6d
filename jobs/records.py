"""What the face pipeline found, as rows and the photo store keep it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jobs.faces.pipeline import FoundFace, PhotoAnalysis, UnusablePhoto
from portal.photos.records import FaceRecord, PhotoRecord
from portal.storage import PhotoStore


def template_bytes(template: NDArray[np.float32]) -> bytes:
    """A template as it is stored: float32, little-endian. Raises ValueError if a component is not finite."""
    if not np.isfinite(template).all():
        raise ValueError("The recogniser gave a template that is not finite.")
    return template.astype("<f4").tobytes()


def template_array(template: bytes) -> NDArray[np.float32]:
    """A stored template as numbers: float32 (dimension,), unit length."""
    return np.frombuffer(template, "<f4")


def photo_record(analysis: PhotoAnalysis | UnusablePhoto) -> PhotoRecord:
    """The record of a photo, usable or not."""
    if isinstance(analysis, UnusablePhoto):
        return PhotoRecord(analysis.media_format, analysis.width, analysis.height, reason=analysis.reason)
    return PhotoRecord(
        analysis.media_format,
        analysis.width,
        analysis.height,
        [_face_record(face) for face in analysis.faces],
        analysis.main,
        turned_by=analysis.turned_by,
        is_unclear=analysis.is_unclear,
    )


def write_pictures(store: PhotoStore, file_key: str, analysis: PhotoAnalysis) -> None:
    """Keep the pictures of a photo that pages show, before its row says that it is done."""
    if analysis.preview is not None:
        store.write(file_key, "preview", analysis.preview)
    store.write(file_key, "thumbnail", analysis.thumbnail)


def _face_record(face: FoundFace) -> FaceRecord:
    return FaceRecord(
        box=[round(float(value), 2) for value in face.box],
        landmarks=[[round(float(value), 3) for value in point] for point in face.landmarks],
        detection_score=round(float(face.detection_score), 4),
        quality=face.quality.as_dict(),
        template=None if face.template is None else template_bytes(face.template),
    )
