"""What the API takes and answers about searches."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from portal.api.schemas import Binary, Moment, Quality, Score, Strict, Text, message_of
from portal.api.templates import TEMPLATE, Fingerprint
from portal.calibration.bands import Band, Bands
from portal.database import LARGEST_NUMBER
from portal.search.models import Candidate as CandidateRow
from portal.search.models import ProbeFace
from portal.search.models import Search as SearchRow
from portal.search.restriction import MOST_EXTERNAL_IDS
from portal.search.services import LIMIT, MOST_CANDIDATES
from portal.work.models import WorkState

# A batch is answered as a whole.
MOST_IMAGES = 100


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
    box: list[float] | None = Field(description="null, as the next three, where a template was sent")
    landmarks: list[list[float]] | None
    detection_score: float | None
    quality: Quality | None
    candidates: list[Candidate] | None = Field(
        description="best first; null for a face that was not compared"
    )


class ProcessingMs(BaseModel):
    """How long the work took, in milliseconds, without the wait in the queue.

    A step that was not needed, or not done yet, has null: after another face was chosen nothing is decoded.
    """

    decode: float | None = None
    detect: float | None = None
    embed: float | None = Field(None, description="templates of the faces that were compared")
    search: float | None = Field(None, description="comparing with the people")
    total: float | None = Field(None, description="with everything between these steps")


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
            processing_ms=ProcessingMs(**search.steps_ms or {}, total=search.processing_ms),
            faces=[
                SearchedFace(
                    face=face.id,
                    **_detected(face),
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


def _detected(face: ProbeFace) -> dict[str, Any]:
    """What was found of a face in a photo; nothing where a template was sent."""
    if not face.box:
        return dict.fromkeys(("box", "landmarks", "detection_score", "quality"))
    return {
        "box": face.box,
        "landmarks": face.landmarks,
        "detection_score": face.detection_score,
        "quality": Quality.model_validate(face.quality),
    }


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


class SearchFields(Strict):
    """What a search is to find."""

    limit: int = Field(LIMIT, ge=1, le=MOST_CANDIDATES, description="The longest candidate list.")
    min_score: Score | None = Field(None, description="Candidates below this similarity score are left out.")
    all_faces: bool = Field(False, description="Search for every face of the photo, not the main face alone.")
    restrict_to: list[Text] = Field(
        [],
        max_length=MOST_EXTERNAL_IDS,
        description="Compare only with the people of these external IDs: the field comes once for each.",
    )
    restrict_to_batch: int | None = Field(
        None, ge=1, le=LARGEST_NUMBER, description="Compare only with the people whom this batch enrolled."
    )


class OneSearchFields(SearchFields):
    """What one search is to find; a template may stand for the photo."""

    template: str | None = TEMPLATE
    face_model: Fingerprint = None


class SearchForm(OneSearchFields):
    """A photo to search for, or a template."""

    image: Binary | None = None


class SearchBatchForm(SearchFields):
    """Photos to search for, each by itself."""

    images: list[Binary] = Field(max_length=MOST_IMAGES)


class Searches(BaseModel):
    """A search for each photo, in the order in which they came."""

    items: list[Search]
