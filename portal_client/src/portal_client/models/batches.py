"""Batches: many photos that are enrolled together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class BatchInList:
    """A batch."""

    id: int
    # Where the photos come from, for staff.
    source: str
    created_by: str
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True)
class Archive:
    """A ZIP of a batch."""

    id: int
    file_name: str
    size_bytes: int
    arrived: bool
    status: str
    # Why it can't be used, in words; empty if it can.
    problem: str


@dataclass(frozen=True)
class Batch(BatchInList):
    """A batch and how far it is: receiving, running, paused, cancelled, undoing, undone or done."""

    status: str
    # How many of its photos are in each state, such as enrolled or attention.
    counts: dict[str, int]
    archives: list[Archive]
    # The pace of late; None if it says nothing.
    photos_per_second: float | None
    # Whether photos were announced that have not come yet.
    wants_files: bool
    undo_until: datetime | None


@dataclass(frozen=True)
class Announced:
    """A photo that was announced: to be sent under its ID if its state is `expected`."""

    id: int
    state: str
    # Why it needs attention, with what to do.
    message: str | None
    # Of the photo that is there already.
    sha256: str | None


@dataclass(frozen=True)
class AnnouncedFiles:
    """What was announced or sent, in the same order."""

    items: list[Announced]


@dataclass(frozen=True)
class ArchiveProgress:
    """How much of a ZIP has arrived: the next piece begins there."""

    id: int
    received_bytes: int


@dataclass(frozen=True)
class ManifestRows:
    """A manifest that was taken."""

    rows: int


@dataclass(frozen=True)
class Item:
    """A photo of a batch."""

    id: int
    path: str
    state: str
    # Why it needs attention or should be checked: a code, and in words with what to do.
    reason: str | None
    message: str | None
    external_id: str
    name: str
    person_id: int | None
    photo_id: int | None
