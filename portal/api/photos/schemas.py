"""What the API takes and answers about photos and faces."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from portal.api.schemas import Binary, Moment, Quality, Strict, message_of
from portal.database import LARGEST_NUMBER
from portal.photos.models import Face as FaceRow
from portal.photos.models import Photo as PhotoRow
from portal.photos.services import MAX_PHOTOS_OF_PERSON
from portal.work.models import WorkState


class Face(BaseModel):
    """A face that was found in a photo. Pixels are those of the upright photo."""

    id: int
    box: list[float] = Field(description="left, top, right, bottom, in pixels")
    landmarks: list[list[float]] = Field(description="eyes, nose, corners of the mouth: x, y, left first")
    detection_score: float
    quality: Quality

    @classmethod
    def of(cls, face: FaceRow) -> Face:
        """The face of a row."""
        return cls.model_validate(face, from_attributes=True)


class Photo(BaseModel):
    """A photo of an enrolled person."""

    id: int
    person_id: int
    state: WorkState
    reason: str | None = Field(description="why it failed: a code")
    message: str | None = Field(description="why it failed and what to do, in words")
    file_name: str
    sha256: str
    width: int | None
    height: int | None
    turned_by: int = Field(
        description="degrees by which the portal turned it clockwise to stand upright: 0, 90, 180, 270"
    )
    main_face_id: int | None
    is_unclear: bool = Field(
        description="whether another face may be the one that is meant: look, and choose"
    )
    faces: list[Face]
    created_at: Moment

    @classmethod
    def of(cls, photo: PhotoRow) -> Photo:
        """The photo of a row, with its faces."""
        return cls(
            id=photo.id,
            person_id=photo.person_id,
            state=WorkState(photo.state),
            reason=photo.reason,
            message=message_of(photo.reason),
            file_name=photo.file_name,
            sha256=photo.sha256,
            width=photo.width,
            height=photo.height,
            turned_by=photo.turned_by,
            main_face_id=photo.main_face_id,
            is_unclear=photo.is_unclear,
            faces=[Face.of(face) for face in photo.faces],
            created_at=photo.created_at,
        )


Photos = Annotated[list[Binary], Field(min_length=1, max_length=MAX_PHOTOS_OF_PERSON)]


class PhotosForm(Strict):
    """Photos of a person."""

    photos: Photos


class MainFace(Strict):
    """Which face stands for the person."""

    face_id: int = Field(ge=1, le=LARGEST_NUMBER, strict=True)
