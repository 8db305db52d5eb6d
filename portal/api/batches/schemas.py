"""What the API takes and answers about bulk enrolment."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, Field

from portal.api.schemas import Binary, CursorQuery, Moment, NextCursor, Strict, Text, message_of
from portal.batches.announcing import AT_ONCE, AnnouncedItem
from portal.batches.models import PATH_LENGTH, BatchArchive, BatchItem, ItemState, KnownPeople
from portal.batches.models import Batch as BatchRow
from portal.batches.naming import Grouping, Label
from portal.batches.progress import Progress, Status
from portal.batches.receiving_archives import MAX_ARCHIVE_BYTES
from portal.database import LARGEST_NUMBER
from portal.http.arrivals import PHOTOS_A_REQUEST
from portal.work.models import WorkState

ASKS = "The ZIP waits: staff have to say on the batch's page in which letters its names are written."


class NewBatch(Strict):
    """How the photos of a batch become people."""

    source: Text = Field(
        max_length=200, description="Where the photos come from, for staff.", examples=["registry"]
    )
    known: KnownPeople = Field(
        KnownPeople.ADD, description="Photos of people who are enrolled already: add them, or skip them."
    )
    grouping: Grouping | None = Field(
        None,
        description="Whether a folder or a file stands for one person, or both together (numbers that "
        "begin again in each folder). It is left out where a manifest comes, as is the label.",
    )
    label: Label | None = Field(
        None, description="What the name of that folder or file is; id_name and name_id: both, in this order."
    )


class Archive(BaseModel):
    """A ZIP of a batch."""

    id: int
    file_name: str
    size_bytes: int
    arrived: bool
    status: WorkState
    problem: str = Field(description="why it can't be used or waits, in words; else empty")

    @classmethod
    def of(cls, archive: BatchArchive) -> Archive:
        """The archive of a row."""
        return cls(
            id=archive.id,
            file_name=archive.file_name,
            size_bytes=archive.size_bytes,
            arrived=archive.arrived,
            status=archive.state,
            problem=ASKS if archive.asks else archive.problem or message_of(archive.reason) or "",
        )


class BatchInList(BaseModel):
    """A batch: many photos that are enrolled together."""

    id: int
    source: str
    created_by: str
    created_at: Moment
    finished_at: Moment | None

    @classmethod
    def of(cls, batch: BatchRow) -> BatchInList:
        """The batch of a row."""
        return cls.model_validate(batch, from_attributes=True)


class Batch(BatchInList):
    """A batch and how far it is."""

    status: Status
    counts: dict[ItemState, int] = Field(description="how many of its photos are in each state")
    wants_files: bool = Field(description="whether photos were announced that have not come yet")
    photos_per_second: float | None = Field(description="the pace of late; null if it says nothing")
    undo_until: Moment | None = Field(description="until when it can be undone; null: not yet")
    archives: list[Archive]

    @classmethod
    def at(cls, progress: Progress) -> Batch:
        """The batch and how far it is."""
        return cls(
            **BatchInList.of(progress.batch).model_dump(),
            status=progress.status,
            counts=progress.counts.states,
            wants_files=progress.wants_files,
            photos_per_second=progress.pace,
            undo_until=progress.undo_until,
            archives=[Archive.of(archive) for archive in progress.archives],
        )


class Batches(BaseModel):
    """A page of batches, newest first."""

    items: list[BatchInList]
    next_cursor: NextCursor


class ItemsQuery(CursorQuery):
    """Which photos of a batch to list."""

    state: ItemState = Field(description="Photos in this state.")


class Item(BaseModel):
    """A photo of a batch."""

    id: int
    path: str
    state: ItemState
    reason: str | None = Field(description="why it needs attention or should be checked: a code")
    message: str | None = Field(description="that in words, with what to do")
    external_id: str
    name: str
    person_id: int | None
    photo_id: int | None

    @classmethod
    def of(cls, item: BatchItem) -> Item:
        """The item of a row."""
        return cls(
            id=item.id,
            path=item.path,
            state=item.state,
            reason=item.reason or None,
            message=message_of(item.reason),
            external_id=item.external_id,
            name=item.name,
            person_id=item.person_id,
            photo_id=item.photo_id,
        )


class Items(BaseModel):
    """A page of photos of a batch."""

    items: list[Item]
    next_cursor: NextCursor


class File(Strict):
    """A photo that is about to come."""

    path: Text = Field(min_length=1, max_length=PATH_LENGTH, examples=["4711/front.jpg"])
    size_bytes: int = Field(ge=0, le=LARGEST_NUMBER)


class Files(Strict):
    """Photos that are about to come."""

    files: list[File] = Field(min_length=1, max_length=AT_ONCE)


class Announced(BaseModel):
    """A photo that was announced: to be sent under its ID if its state is expected."""

    id: int
    state: ItemState
    message: str | None = Field(description="why it needs attention, with what to do")
    sha256: str | None = Field(description="of the photo that is there already")

    @classmethod
    def of(cls, item: AnnouncedItem) -> Announced:
        """The item, as announcing and receiving give it."""
        attention = item.state == ItemState.ATTENTION
        message = message_of(item.reason) if attention else None
        return cls(id=item.id, state=item.state, message=message, sha256=item.sha256)


class AnnouncedFiles(BaseModel):
    """What was announced or sent, in the same order."""

    items: list[Announced]


class BatchPhotosForm(BaseModel):
    """Some of the photos: the name of each field is the ID of an announced photo."""

    model_config = {
        "json_schema_extra": {
            "additionalProperties": {"type": "string", "format": "binary"},
            "maxProperties": PHOTOS_A_REQUEST,
        }
    }


class ManifestForm(BaseModel):
    """The list of who is on which photo, as a spreadsheet or CSV."""

    columns: str = Field(
        "",
        description="What its columns are, from left to right: external_id, name, first_name, last_name, "
        "photo, or - for one that is not used. Without it, the header says it.",
        examples=["external_id,first_name,last_name,photo,-"],
    )
    manifest: Binary


class ManifestRows(BaseModel):
    """A manifest that was taken."""

    rows: int


class NewArchive(Strict):
    """A ZIP that is about to come in pieces, or goes on."""

    file_name: Text = Field(min_length=1, max_length=255)
    size_bytes: int = Field(ge=1, le=MAX_ARCHIVE_BYTES)


class ArchiveProgress(BaseModel):
    """How much of a ZIP has arrived: the next piece begins there."""

    id: int
    received_bytes: int


class PieceQuery(Strict):
    """Where in the ZIP a piece begins."""

    offset: int = Field(ge=0, le=MAX_ARCHIVE_BYTES)


class PieceForm(BaseModel):
    """A piece of a ZIP, of up to 16 MiB."""

    piece: Binary


class Choice(StrEnum):
    """What is decided about a batch."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    FINISH = "finish"
    RETRY = "retry"
    UNDO = "undo"


class BatchDecision(Strict):
    """A decision about a batch."""

    decision: Choice = Field(
        description="pause and resume; cancel: what is enrolled stays; finish: wait no more for photos that "
        "did not come; retry: work once more on photos that failed; undo: remove all that the batch brought."
    )
