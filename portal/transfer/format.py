"""What an export is made of: its members, and the rows in them. docs/moving.md explains every field.

The same models write and read it, so that nothing is exported that could not be taken back.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from portal.calibration.choosing import HIGHEST, LOWEST
from portal.database import LARGEST_NUMBER
from portal.pairs.models import PairEventKind, PairStatus
from portal.people.services import clean_external_id, clean_name
from portal.photos.formats import MediaFormat
from portal.photos.reasons import MAX_PHOTO_BYTES, Reason
from portal.storage import Rendition
from portal.text import is_text
from portal.work.models import WorkState

FORMAT = "face-portal-export"
VERSION = 1

MANIFEST = "manifest.json"
TEMPLATES = "templates.npy"
AUDIT = "audit.csv"
LEFT_OUT = "left_out.jsonl"
PHOTO_FOLDER, RENDITION_FOLDER = "photos/", "renditions/"
RENDITIONS: tuple[Rendition, ...] = ("thumbnail", "preview", "converted")
# The longest line that is read, in bytes: the photos of one merge are its longest part.
LONGEST_LINE = 1024 * 1024
LARGEST_DIMENSION = 65_536


def _text(value: str) -> str:
    if not is_text(value):
        raise ValueError("has a character that is no text")
    return value


def _external_id(value: str) -> str:
    if clean_external_id(value) != value:
        raise ValueError("is not written as the portal writes external IDs")
    return value


def _name(value: str) -> str:
    if clean_name(value) != value:
        raise ValueError("is not written as the portal writes names")
    return value


Id = Annotated[int, Field(ge=1, le=LARGEST_NUMBER)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
ExternalId = Annotated[str, AfterValidator(_external_id)]
Name = Annotated[str, AfterValidator(_name)]
Actor = Annotated[str, Field(max_length=254), AfterValidator(_text)]
FileName = Annotated[str, Field(max_length=255), AfterValidator(_text)]
Note = Annotated[str, Field(max_length=100_000), AfterValidator(_text)]
Word = Annotated[str, Field(max_length=100), AfterValidator(_text)]
Number = Annotated[float, Field(allow_inf_nan=False)]
# Cosines, with room for what rounding adds.
Cosine = Annotated[float, Field(ge=-1.001, le=1.001, allow_inf_nan=False)]
Threshold = Annotated[float, Field(ge=LOWEST, le=HIGHEST, allow_inf_nan=False)]
Pixels = Annotated[int, Field(ge=1, le=1_000_000)]
# Moments that every database can store, whatever zone they were written in.
Moment = Annotated[
    AwareDatetime, Field(ge=datetime(1971, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))
]


class Row(BaseModel):
    """A line of a member, or a part of one."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class FaceModelPart(Row):
    """The face model of the templates; another one's mean nothing to it."""

    fingerprint: Sha256
    name: Word
    engine: Word
    dimension: Annotated[int, Field(ge=1, le=LARGEST_DIMENSION)]


class OrganizationPart(Row):
    """Whose export it is, for people: an import goes to the organization that it is told."""

    slug: Word
    name: Annotated[str, Field(max_length=200), AfterValidator(_text)]


class ThresholdsPart(Row):
    """The thresholds that an admin chose for this face model; None: its own."""

    search: Threshold | None
    duplicates: Threshold | None


class Manifest(Row):
    """manifest.json: what the export holds, and by which a program tells it from other ZIPs."""

    format: Literal["face-portal-export"]
    version: Literal[1]
    moment: Moment
    organization: OrganizationPart
    face_model: FaceModelPart | None
    thresholds: ThresholdsPart
    # By member: how many rows it has. By member, too: the SHA-256 of its content.
    counts: dict[str, Annotated[int, Field(ge=0, le=LARGEST_NUMBER)]]
    sha256: dict[str, Sha256]


class PersonRow(Row):
    """people.jsonl: a person, or an alias: a person who was merged into another."""

    id: Id
    external_id: ExternalId
    name: Name
    created_at: Moment
    updated_at: Moment
    enrolled_at: Moment | None
    merged_into: Id | None

    @model_validator(mode="after")
    def _not_into_themselves(self) -> Self:
        if self.merged_into == self.id:
            raise ValueError("a person can't be merged into themselves")
        return self


class NamePart(Row):
    """A name and an external ID, as they were before a merge."""

    name: Name
    external_id: ExternalId


class BeforePart(Row):
    """How two people were called before their merge."""

    survivor: NamePart
    absorbed: NamePart


class MergeRow(Row):
    """merges.jsonl: the merge that made an alias. Merges that were undone are not in it."""

    id: Id
    survivor: Id
    absorbed: Id
    merged_at: Moment
    merged_by: Actor
    before: BeforePart
    photos: list[Id]


class PhotoRow(Row):
    """photos.jsonl: a photo; its file is the member photos/SHA256."""

    id: Id
    person: Id
    sha256: Sha256
    file_name: FileName
    size_bytes: Annotated[int, Field(ge=0, le=MAX_PHOTO_BYTES)]
    state: Literal[WorkState.QUEUED, WorkState.DONE, WorkState.FAILED]
    reason: Reason | None
    media_format: MediaFormat | None
    width: Pixels | None
    height: Pixels | None
    turned_by: Literal[0, 90, 180, 270] = 0
    is_unclear: bool = False
    created_at: Moment
    finished_at: Moment | None
    main_face: Id | None


class QualityPart(Row):
    """The measures of a face: those that pages show, and others."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number | Word | list[Word]]

    word: Word
    reasons: list[Word]
    eye_distance: Number


class FaceRow(Row):
    """faces.jsonl: a face in a photo; its template is a row of templates.npy."""

    id: Id
    photo: Id
    box: Annotated[list[Number], Field(min_length=4, max_length=4)]
    landmarks: Annotated[
        list[Annotated[list[Number], Field(min_length=2, max_length=2)]], Field(min_length=5, max_length=5)
    ]
    detection_score: Number
    quality: QualityPart
    template: Annotated[int, Field(ge=0, le=LARGEST_NUMBER)] | None


class DecisionPart(Row):
    """What was decided about a pair, when, by whom and at which score."""

    status: PairStatus
    decided_at: Moment | None
    decided_by: Actor
    decided_score: Cosine | None
    note: Note


DECISION = tuple(DecisionPart.model_fields)


class PairRow(DecisionPart):
    """pairs.jsonl: two people who look alike, and what was decided about them."""

    id: Id
    a: Id
    b: Id
    face_a: Id | None
    face_b: Id | None
    score: Cosine
    same_photo: bool
    stale: bool
    threshold: Cosine
    found_at: Moment
    unsure_by: Actor
    merge: Id | None


class EventRow(DecisionPart):
    """pair_events.jsonl: what happened to a pair, and how it was from then on."""

    pair: Id
    kind: PairEventKind
    at: Moment
    actor: Actor
    score: Cosine
    threshold: Cosine
    same_photo: bool


class CheckRow(Row):
    """checked_photos.jsonl: a photo unlike the others of its person that a member confirmed."""

    photo: Id
    score: Cosine
    threshold: Cosine
    found_at: Moment
    checked_at: Moment
    checked_by: Actor


class LeftOutRow(Row):
    """left_out.jsonl: a photo whose file was gone, or damaged, when its turn came."""

    photo: Id


# The members that hold rows, in the order in which they are written and read.
ROWS: dict[str, type[Row]] = {
    "people.jsonl": PersonRow,
    "merges.jsonl": MergeRow,
    "photos.jsonl": PhotoRow,
    "faces.jsonl": FaceRow,
    "pairs.jsonl": PairRow,
    "pair_events.jsonl": EventRow,
    "checked_photos.jsonl": CheckRow,
}


def photo_member(sha256: str) -> str:
    """Where the file of a photo lies in the ZIP."""
    return f"{PHOTO_FOLDER}{sha256}"


def rendition_member(photo_id: int, rendition: Rendition) -> str:
    """Where a picture that the portal made of a photo lies in the ZIP."""
    return f"{RENDITION_FOLDER}{photo_id}-{rendition}.jpg"
