"""What the API takes and answers about searches."""

from __future__ import annotations

from pydantic import BaseModel, Field

from portal.api.schemas import Moment, Quality, message_of
from portal.calibration.bands import Band, Bands
from portal.search.models import Candidate as CandidateRow
from portal.search.models import Search as SearchRow
from portal.work.models import WorkState


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
            message=message_of(search.reason),
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
