"""Batches: many photos that were dropped at once, and what became of each."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.database import Base, Identifier, now
from portal.organizations.models import Organization
from portal.people.models import Person
from portal.photos.models import Photo
from portal.work.models import Work, WorkState

PATH_LENGTH = 400
# What is cleared in an item's row when the person is deleted or the batch undone; the row still counts.
FORGOTTEN: dict[str, Any] = {
    **dict.fromkeys(("path", "path_key", "external_id", "name", "detail"), ""),
    **dict.fromkeys(("dropped_path", "sha256")),
}


class Decision(StrEnum):
    """What staff decided about a batch. How far it is follows from its items."""

    GO_ON = "go_on"
    PAUSE = "pause"
    CANCEL = "cancel"
    UNDO = "undo"


class KnownPeople(StrEnum):
    """What to do with photos of people who are enrolled already."""

    ADD = "add"
    SKIP = "skip"


class ItemState(StrEnum):
    """How far a photo of a batch is. The first three are on the way, the others ends."""

    EXPECTED = "expected"
    RECEIVED = "received"
    QUEUED = "queued"
    ENROLLED = "enrolled"
    ADDED = "added"
    ALREADY_THERE = "already_there"
    ATTENTION = "attention"
    UNDONE = "undone"


ON_THE_WAY = (ItemState.EXPECTED, ItemState.RECEIVED, ItemState.QUEUED)


class Batch(Base):
    __tablename__ = "batch"
    __table_args__ = (
        Index(None, "organization_id", "finished_at"),
        Index(None, "organization_id", "id"),
        Index(None, "finished_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id))
    created_by_id: Mapped[int | None] = mapped_column(Identifier)
    created_by: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[datetime] = mapped_column(default=now)
    # When files were last announced or sent.
    touched_at: Mapped[datetime] = mapped_column(default=now)
    # Where the photos come from, as staff know it: "from a browser", a folder's path.
    source: Mapped[str] = mapped_column(String(500))
    # How names become people (portal.batches.naming); None until all names are known, or never where a
    # manifest says it.
    grouping: Mapped[str | None] = mapped_column(String(10))
    label: Mapped[str | None] = mapped_column(String(15))
    known: Mapped[KnownPeople] = mapped_column(String(10))
    has_manifest: Mapped[bool] = mapped_column(default=False)
    # Who reads the manifest, or did; an earlier reader gives up.
    manifest_reader: Mapped[str | None] = mapped_column(String(32))
    # The folder in which the manifest lay among the photos: its paths begin there.
    manifest_folder: Mapped[str] = mapped_column(String(PATH_LENGTH), default="")
    # Whether the names of all dropped photos are known.
    announced: Mapped[bool] = mapped_column(default=False)
    # Hidden files of the system, which were not meant to be dropped.
    left_out: Mapped[int] = mapped_column(default=0)
    decision: Mapped[Decision] = mapped_column(String(10), default=Decision.GO_ON)
    # When nothing was left to do for the first time: it can be undone for a day from then on.
    ended_at: Mapped[datetime | None]
    # When nothing was left to do, and how many items were in which state then; None while there is.
    finished_at: Mapped[datetime | None]
    counts: Mapped[dict[str, int] | None] = mapped_column(JSON)

    def reopen(self) -> None:
        """There is something to do again: its items are counted again."""
        self.finished_at = self.counts = None


# The same for many at once.
REOPENED: dict[str, None] = {"finished_at": None, "counts": None}


class BatchItem(Base):
    """A photo of a batch: announced, received, enrolled or not."""

    __tablename__ = "batch_item"
    __table_args__ = (
        Index(None, "batch_id", "state", "reason", "id"),
        Index(None, "batch_id", "path_key"),
        Index(None, "batch_id", "external_id"),
        Index(None, "batch_id", "name_key"),
        Index(None, "batch_id", "finished_at"),
        # Files that are an item's own: those of the others belong to photos of people.
        Index(
            "ix_batch_item_file_key",
            "file_key",
            unique=True,
            sqlite_where=text("file_key IS NOT NULL"),
            postgresql_where=text("file_key IS NOT NULL"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey(Batch.id))
    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id))
    # As it was dropped, or as the manifest names it; and as it is compared.
    path: Mapped[str] = mapped_column(String(PATH_LENGTH))
    path_key: Mapped[str] = mapped_column(String(PATH_LENGTH))
    # The name of the photo alone, where the manifest names it with folders.
    name_key: Mapped[str | None] = mapped_column(String(PATH_LENGTH))
    # The file that was dropped for a manifest's photo.
    dropped_path: Mapped[str | None] = mapped_column(String(PATH_LENGTH))
    # Where it stands in the manifest, if there is one.
    line: Mapped[int | None]
    external_id: Mapped[str] = mapped_column(String(100), default="")
    name: Mapped[str] = mapped_column(String(200), default="")
    state: Mapped[ItemState] = mapped_column(String(15), default=ItemState.EXPECTED)
    # Why it needs attention or should be checked (portal.batches.reasons), and what there is to add.
    reason: Mapped[str] = mapped_column(String(30), default="")
    detail: Mapped[str] = mapped_column(String(300), default="")
    # Known when it was announced, and when it arrived.
    size_bytes: Mapped[int | None] = mapped_column(Identifier)
    sha256: Mapped[str | None] = mapped_column(String(64))
    file_key: Mapped[str | None] = mapped_column(String(120))
    person_id: Mapped[int | None] = mapped_column(ForeignKey(Person.id, ondelete="SET NULL"), index=True)
    # The photo that it became; one that was already there is not its own.
    photo_id: Mapped[int | None] = mapped_column(ForeignKey(Photo.id, ondelete="SET NULL"), index=True)
    finished_at: Mapped[datetime | None]


class BatchArchive(Work, Base):
    """A ZIP of a batch: received in pieces, then unpacked by a worker."""

    __tablename__ = "batch_archive"
    __table_args__ = (
        Index(None, "state", "claimed_by"),
        {"sqlite_autoincrement": True},
    )

    batch_id: Mapped[int] = mapped_column(ForeignKey(Batch.id), index=True)
    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id))
    file_name: Mapped[str] = mapped_column(String(255))
    size_bytes: Mapped[int] = mapped_column(Identifier)
    # It is whole, and a worker may unpack it.
    arrived: Mapped[bool] = mapped_column(default=False)
    # What its names are written in (portal.batches.zip_names), if staff chose it; and what they are asked:
    # by encoding, how some of the names would read. It waits for the answer.
    encoding: Mapped[str | None] = mapped_column(String(20))
    samples: Mapped[dict[str, list[str]] | None] = mapped_column(JSON(none_as_null=True))
    # How many of its files have their items, and how many were unpacked: where the next slice begins.
    announced: Mapped[int] = mapped_column(default=0)
    unpacked: Mapped[int] = mapped_column(default=0)
    # Why it can't be used, in words.
    problem: Mapped[str] = mapped_column(String(500), default="")

    @property
    def asks(self) -> bool:
        """Whether it waits for staff to say what its names are written in."""
        return self.samples is not None and self.state == WorkState.QUEUED
