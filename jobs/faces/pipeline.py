"""From photo bytes to faces with their templates: the one way in for the jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import cv2
import numpy as np
from numpy.typing import NDArray

from jobs.faces import pictures, quality
from jobs.faces.decode import Photo, UnusablePhoto, decode
from jobs.faces.engine import FaceEngine, Pixels
from jobs.faces.looking import look
from jobs.faces.quality import Quality
from jobs.timing import ms_since

__all__ = ["FacePipeline", "FoundFace", "PhotoAnalysis", "UnusablePhoto"]


@dataclass
class FoundFace:
    """One face of a photo. Coordinates are pixels of the upright original."""

    # Left, top, right, bottom; may reach over the edge.
    box: tuple[float, float, float, float]
    # float32, (5, 2).
    landmarks: NDArray[np.float32]
    detection_score: float
    quality: Quality
    # float32, (dimension,), unit length; None where nobody asked for this face yet.
    template: NDArray[np.float32] | None


@dataclass
class PhotoAnalysis:
    """What was found in a photo."""

    media_format: str
    # Of the upright original, in pixels.
    width: int
    height: int
    # Degrees (0, 90, 180, 270) by which it was turned clockwise to be upright, beyond its metadata.
    turned_by: int
    # The highest detection score first.
    faces: list[FoundFace]
    # Index of the main face; None where there is no face.
    main: int | None
    # Whether another face may be the one that is meant.
    is_unclear: bool
    # Upright JPEG without metadata, the longest side at most 1,024 pixels; None where the photo itself is
    # one but for its metadata.
    preview: bytes | None
    # Whether the file goes to staff as it is, but for its metadata; else a JPEG is made of it for them.
    can_be_handed_out: bool
    # JPEG of 192 by 192 pixels around the main face, or of the middle.
    thumbnail: bytes
    # How long it took to decode the photo, to detect its faces and to embed them: the last one shared by
    # photos that were analysed together. In milliseconds.
    decode_ms: float
    detect_ms: float
    embed_ms: float = 0


class FacePipeline:
    """Photo bytes to faces, with one engine. Not for several threads at once."""

    def __init__(self, engine: FaceEngine) -> None:
        self.engine = engine
        # Workers are processes of one thread; OpenCV would start one a core in each of them.
        cv2.setNumThreads(1)

    def analyse(
        self, photos: Sequence[bytes], *, all_faces: bool = False
    ) -> list[PhotoAnalysis | UnusablePhoto]:
        """Faces, quality and pictures of each photo, in the order given.

        With the templates of the main faces, or of all faces.
        """
        results: list[PhotoAnalysis | UnusablePhoto] = []
        aligned: list[Pixels] = []
        waiting: list[FoundFace] = []
        for data in photos:
            try:
                analysis, photo = self._analyse(data)
            except UnusablePhoto as error:
                results.append(error)
                continue
            results.append(analysis)
            main = [] if analysis.main is None else [analysis.faces[analysis.main]]
            for face in analysis.faces if all_faces else main:
                aligned.append(self._aligned(photo, face.landmarks))
                waiting.append(face)
        began = perf_counter()
        for found, template in zip(waiting, self.engine.embed(aligned), strict=True):
            found.template = template
        embed_ms = ms_since(began)
        for result in results:
            if isinstance(result, PhotoAnalysis):
                result.embed_ms = embed_ms
        return results

    def embed(self, photo: bytes, landmarks: NDArray[np.float32], turned_by: int = 0) -> NDArray[np.float32]:
        """The template of a face that `analyse` found: float32, (dimension,), unit length.

        landmarks: (5, 2) in pixels of the upright original. turned_by: as `analyse` says. Raises
        UnusablePhoto.
        """
        decoded = decode(photo, turned_by)
        templates = self.engine.embed([self._aligned(decoded, np.asarray(landmarks, np.float32))])
        return np.asarray(templates[0])

    def thumbnail(self, photo: bytes, box: Sequence[float], turned_by: int = 0) -> bytes:
        """The thumbnail around a face: box in pixels of the upright original. Raises UnusablePhoto.

        turned_by: as `analyse` says.
        """
        decoded = decode(photo, turned_by)
        return pictures.thumbnail(decoded.pixels, _scaled(box, decoded))

    def _analyse(self, data: bytes) -> tuple[PhotoAnalysis, Photo]:
        """The analysis of one photo without templates, and the photo as it was decoded for it."""
        began = perf_counter()
        photo = decode(data)
        decoded = perf_counter()
        seen = look(photo, self.engine)
        photo, found, main = seen.photo, seen.found, seen.main
        detected = perf_counter()
        scale = np.array(photo.scale, np.float32)
        faces = [
            FoundFace(
                box=(box[0], box[1], box[2], box[3]),
                landmarks=landmarks / scale,
                detection_score=float(score),
                quality=quality.measure(photo.pixels, landmarks, float(scale.mean()), self.engine.nose),
                template=None,
            )
            for box, landmarks, score in zip(
                (found.boxes / np.tile(scale, 2)).tolist(), found.landmarks, found.scores, strict=True
            )
        ]
        analysis = PhotoAnalysis(
            media_format=photo.media_format,
            width=photo.width,
            height=photo.height,
            turned_by=photo.turned_by,
            faces=faces,
            main=None if main is None else main.index,
            is_unclear=main is not None and main.is_unclear,
            can_be_handed_out=photo.can_be_handed_out,
            preview=None if pictures.is_own_preview(photo) else pictures.preview(photo.pixels),
            thumbnail=pictures.thumbnail(photo.pixels, None if main is None else found.boxes[main.index]),
            decode_ms=1000 * (decoded - began),
            detect_ms=1000 * (detected - decoded),
        )
        return analysis, photo

    def _aligned(self, photo: Photo, landmarks: NDArray[np.float32]) -> Pixels:
        """A face ready for the recogniser. landmarks: in pixels of the upright original.

        Where the reduced photo has fewer pixels of the face than the recogniser takes, more are decoded.
        """
        missing = self.engine.alignment_scale(landmarks * np.array(photo.scale, np.float32))
        if missing > 1:
            photo.enlarge(missing)
        return self.engine.align(photo.pixels, landmarks * np.array(photo.scale, np.float32))


def _scaled(box: Sequence[float], photo: Photo) -> list[float]:
    x, y = photo.scale
    return [box[0] * x, box[1] * y, box[2] * x, box[3] * y]
