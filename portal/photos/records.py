"""What workers get of a photo, and what they write about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from portal.photos.reasons import Reason


@dataclass(frozen=True)
class ChosenFace:
    """Where a face is, in pixels of the upright photo."""

    box: list[float]
    landmarks: list[list[float]]


@dataclass(frozen=True)
class ClaimedPhoto:
    """A photo to work on: whole, or only the face that a member chose in it."""

    id: int
    file_key: str
    chosen: ChosenFace | None
    # As PhotoRecord has it, of what was found before.
    turned_by: int = 0


@dataclass(frozen=True)
class FaceRecord:
    """A face as it is stored; see models.FaceColumns for the units."""

    box: list[float]
    landmarks: list[list[float]]
    detection_score: float
    quality: dict[str, float | str | list[str]]
    template: bytes | None


@dataclass(frozen=True)
class PhotoRecord:
    """What a worker found in a photo, or why it found nothing."""

    media_format: str | None = None
    width: int | None = None
    height: int | None = None
    faces: Sequence[FaceRecord] = field(default_factory=tuple)
    main: int | None = None
    reason: Reason | None = None
    # Degrees (0, 90, 180, 270) by which it was turned clockwise to stand upright.
    turned_by: int = 0
    # Whether another face may be the one that is meant.
    is_unclear: bool = False


@dataclass(frozen=True)
class ChosenFaceRecord:
    """The template of the face that a member chose: float32, little-endian, unit length."""

    template: bytes
