"""People and their photos."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal_client.models.faces import Quality


@dataclass(frozen=True)
class Face:
    """A face in a photo of an enrolled person."""

    id: int
    box: list[float]
    # Eyes, nose, corners of the mouth: x, y, left first.
    landmarks: list[list[float]]
    detection_score: float
    quality: Quality


@dataclass(frozen=True)
class Photo:
    """A photo of an enrolled person."""

    id: int
    person_id: int
    state: str
    # Why it failed: a code, and in words with what to do.
    reason: str | None
    message: str | None
    file_name: str
    sha256: str
    width: int | None
    height: int | None
    # By how many degrees the portal turned it clockwise: 0, 90, 180 or 270.
    turned_by: int
    main_face_id: int | None
    # Whether another face may be the one that is meant.
    is_unclear: bool
    faces: list[Face]
    created_at: datetime
    # For if_match; of a photo that was asked for by itself.
    etag: str | None = None


@dataclass(frozen=True)
class PersonInList:
    """An enrolled person."""

    id: int
    external_id: str
    name: str
    created_at: datetime
    updated_at: datetime
    # Whom they were merged into: only in a list of those who changed.
    merged_into_id: int | None


@dataclass(frozen=True)
class Person(PersonInList):
    """An enrolled person with all photos."""

    photos: list[Photo]
    # For if_match.
    etag: str | None = None
