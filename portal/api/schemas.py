"""What the API takes and answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from portal.batches.reasons import words_of
from portal.calibration.bands import Band, Bands
from portal.database import LARGEST_NUMBER
from portal.people.models import Person as PersonRow
from portal.photos.models import Face as FaceRow
from portal.photos.models import Photo as PhotoRow
from portal.search.models import Candidate as CandidateRow
from portal.search.models import Search as SearchRow
from portal.work.models import WorkState

Moment = Annotated[datetime, PlainSerializer(lambda at: at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))]
Wait = Annotated[float, Field(ge=0, le=60, description="Seconds to wait for the work to be done.")]


class Strict(BaseModel):
    """A query or a body of which nothing is passed over in silence."""

    model_config = ConfigDict(extra="forbid")


class NoQuery(Strict):
    """No parameter at all: what is sent nevertheless is refused, not passed over."""


def _message(reason: str | None) -> str | None:
    return " ".join(words_of(reason)) if reason else None


class Quality(BaseModel):
    """How well a face can be recognised."""

    word: str = Field(examples=["good"])
    reasons: list[str] = Field(examples=[[]])


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
    main_face_id: int | None
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
            message=_message(photo.reason),
            file_name=photo.file_name,
            sha256=photo.sha256,
            width=photo.width,
            height=photo.height,
            main_face_id=photo.main_face_id,
            faces=[Face.of(face) for face in photo.faces],
            created_at=photo.created_at,
        )


class PersonInList(BaseModel):
    """An enrolled person."""

    id: int
    external_id: str
    name: str
    created_at: Moment
    updated_at: Moment

    @classmethod
    def of(cls, person: PersonRow) -> PersonInList:
        """The person of a row."""
        return cls.model_validate(person, from_attributes=True)


class Person(PersonInList):
    """An enrolled person with all photos."""

    photos: list[Photo]


class People(BaseModel):
    """A page of people."""

    items: list[PersonInList]
    next_cursor: str | None = Field(description="for the next page; null on the last one")


class PeopleQuery(Strict):
    """Which people to list."""

    query: str = Field("", max_length=200, description="Each word begins a word of the name or external ID.")
    cursor: str | None = None
    limit: int = Field(50, ge=1, le=200)


class WaitQuery(Strict):
    """How long to wait for the work."""

    wait: Wait = 0


class PersonForm(BaseModel):
    """A person with photos."""

    external_id: str = Field(max_length=100)
    name: str = Field(max_length=200)
    photos: list[bytes] = Field(json_schema_extra={"items": {"type": "string", "format": "binary"}})


class PersonChange(Strict):
    """What to change of a person; what is left out stays."""

    external_id: str | None = Field(None, max_length=100)
    name: str | None = Field(None, max_length=200)


class PhotosForm(BaseModel):
    """Photos of a person."""

    photos: list[bytes] = Field(json_schema_extra={"items": {"type": "string", "format": "binary"}})


class MainFace(Strict):
    """Which face stands for the person."""

    face_id: int = Field(ge=1, le=LARGEST_NUMBER, strict=True)


class Candidate(BaseModel):
    """A person who may be the one searched for."""

    rank: int
    person_id: int
    external_id: str
    name: str
    score: float = Field(description="similarity score: cosine, -1 to 1; not a percentage")
    match: bool = Field(description="whether the score reaches the threshold")
    band: Band | None = Field(description="what the score says, by the calibration; null without one")


class SearchedFace(BaseModel):
    """A face of the searched photo; one that was compared has a candidate list."""

    face: int = Field(description="its number")
    box: list[float]
    landmarks: list[list[float]]
    detection_score: float
    quality: Quality
    candidates: list[Candidate] | None = Field(
        description="best first; null for a face that was not compared"
    )


class ProcessingMs(BaseModel):
    """How long the work took, in milliseconds, without the wait in the queue."""

    total: float | None


class Search(BaseModel):
    """A search and what it found."""

    id: int
    status: WorkState
    reason: str | None = Field(description="why it failed: a code")
    message: str | None = Field(description="why it failed and what to do, in words")
    processing_ms: ProcessingMs
    faces: list[SearchedFace]
    people_compared: int | None
    threshold: float | None
    created_at: Moment

    @classmethod
    def of(cls, search: SearchRow, bands: Bands) -> Search:
        """The search of a row."""
        main = next((face for face in search.faces if face.id == search.face_id), None)
        return cls(
            id=search.id,
            status=WorkState(search.state),
            reason=search.reason,
            message=_message(search.reason),
            processing_ms=ProcessingMs(total=search.processing_ms),
            faces=[
                SearchedFace(
                    face=face.id,
                    box=face.box,
                    landmarks=face.landmarks,
                    detection_score=face.detection_score,
                    quality=Quality.model_validate(face.quality),
                    candidates=None
                    if face.threshold is None
                    else [_candidate(one, face.threshold, bands) for one in face.candidates],
                )
                for face in search.faces
            ],
            people_compared=main.gallery_people if main else None,
            threshold=main.threshold if main else None,
            created_at=search.created_at,
        )


def _candidate(candidate: CandidateRow, threshold: float, bands: Bands) -> Candidate:
    return Candidate(
        rank=candidate.rank,
        person_id=candidate.person_id,
        external_id=candidate.person.external_id,
        name=candidate.person.name,
        score=candidate.score,
        match=candidate.score >= threshold,
        band=bands.of(candidate.score),
    )


class SearchForm(BaseModel):
    """A photo to search for."""

    image: bytes = Field(json_schema_extra={"type": "string", "format": "binary"})
    limit: int = Field(20, ge=1, le=100, description="The longest candidate list.")
