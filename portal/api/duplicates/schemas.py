"""What the API takes and answers about duplicate pairs and scans."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, Field

from portal.api.schemas import Moment, NextCursor, PageQuery, Score, Since, Strict, Text
from portal.calibration.bands import Band, Bands
from portal.database import LARGEST_NUMBER
from portal.duplicates.judging import NOTE_LENGTH
from portal.duplicates.pairs import NO_SCORE, says_something
from portal.pairs.models import DuplicatePair, DuplicateScan, PairStatus
from portal.people.models import Person
from portal.photos.models import Face
from portal.work.models import WorkState


class PairedPerson(BaseModel):
    """One of the two people."""

    person_id: int
    external_id: str
    name: str
    merged_into_id: int | None = Field(description="the person into whom this one was merged")
    photo_id: int | None = Field(description="the photo that is compared; null if it was removed since")

    @classmethod
    def of(cls, person: Person, face: Face | None) -> PairedPerson:
        """The person of a row, with the face that is compared."""
        return cls(
            person_id=person.id,
            external_id=person.external_id,
            name=person.name,
            merged_into_id=person.merged_into_id,
            photo_id=face.photo_id if face else None,
        )


class Pair(BaseModel):
    """Two people who may be one."""

    id: int
    status: PairStatus
    needs_decision: bool = Field(description="whether it is in the queue of the staff")
    score: float | None = Field(description="similarity score: cosine, -1 to 1; null if nothing is compared")
    band: Band | None = Field(
        description="what the score says, by the calibration; null without one, "
        "or where nothing follows from it: the very same photo, a photo that was removed"
    )
    same_photo: bool = Field(description="whether both faces are from the very same photo")
    threshold: float = Field(description="the threshold for duplicates that is in force")
    found_at: Moment
    updated_at: Moment
    decided_at: Moment | None
    decided_by: str
    decided_score: float | None = Field(description="the score when it was decided")
    note: str
    a: PairedPerson = Field(description="who was enrolled first")
    b: PairedPerson

    @classmethod
    def of(cls, pair: DuplicatePair, bands: Bands) -> Pair:
        """The pair of a row."""
        # A pair of which a person has no usable photo any more is kept below all scores.
        score = None if pair.score <= NO_SCORE else pair.score
        return cls(
            id=pair.id,
            status=pair.status,
            needs_decision=pair.group_id is not None,
            score=score,
            band=bands.of(pair.score) if says_something(pair) else None,
            same_photo=pair.same_photo,
            threshold=pair.threshold,
            found_at=pair.found_at,
            updated_at=pair.updated_at,
            decided_at=pair.decided_at,
            decided_by=pair.decided_by,
            decided_score=pair.decided_score,
            note=pair.note,
            a=PairedPerson.of(pair.a, pair.face_a),
            b=PairedPerson.of(pair.b, pair.face_b),
        )


class Pairs(BaseModel):
    """A page of pairs."""

    items: list[Pair]
    next_cursor: NextCursor


class PairsQuery(PageQuery):
    """Which pairs to list."""

    status: PairStatus | None = Field(
        None, description="open: those that need a decision. Without it: these, and all that were decided."
    )
    min_score: Score | None = None
    batch_id: int | None = Field(
        None, ge=1, le=LARGEST_NUMBER, description="Pairs with a person whom this batch enrolled."
    )
    updated_after: Since | None = Field(
        None,
        description="A feed: all pairs that changed after this moment, in the order in which they did; also "
        "those that need no decision any more. Not to be combined with other filters.",
    )


class Decision(StrEnum):
    """What is decided about a pair."""

    DUPLICATE = "duplicate"
    DISTINCT = "distinct"
    MERGE = "merge"
    UNDO = "undo"


class PairDecision(Strict):
    """A decision about a pair: one person, two people, one person who is merged at once, or neither yet."""

    decision: Decision
    note: Text = Field("", max_length=NOTE_LENGTH)
    survivor_id: int | None = Field(
        None,
        ge=1,
        le=LARGEST_NUMBER,
        description="To merge: the ID of the person who stays, with their external ID. The other one becomes "
        "an alias.",
    )
    name_of: int | None = Field(
        None,
        ge=1,
        le=LARGEST_NUMBER,
        description="To merge: the ID of the person whose name is kept; that of the survivor if left out.",
    )


class DecidedPair(BaseModel):
    """A pair after a decision."""

    pair: Pair
    remarks: list[str] = Field(description="what of a merge could not be undone, in sentences")


class Scan(BaseModel):
    """A scan: all people compared with each other."""

    id: int
    status: WorkState
    cancelled: bool
    threshold: float
    faces: int | None = Field(description="how many faces there are to compare; null until it began")
    compared_faces: int
    comparisons: int
    new_pairs: int = Field(description="pairs that were not known, so far")
    pairs: int | None = Field(description="all pairs there are, decided ones included; null until the end")
    started_by: str
    created_at: Moment
    finished_at: Moment | None

    @classmethod
    def of(cls, scan: DuplicateScan) -> Scan:
        """The scan of a row."""
        return cls(
            id=scan.id,
            status=scan.state,
            cancelled=scan.cancelled,
            threshold=scan.threshold,
            faces=scan.faces,
            compared_faces=scan.compared_faces,
            comparisons=scan.comparisons,
            new_pairs=scan.new_pairs,
            pairs=scan.pairs,
            started_by=scan.started_by,
            created_at=scan.created_at,
            finished_at=scan.finished_at,
        )


class Scans(BaseModel):
    """The latest scans, newest first."""

    items: list[Scan]
