"""Pairs of people who may be one, and scans."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class PairedPerson:
    """One of the two people."""

    person_id: int
    external_id: str
    name: str
    # The photo that is compared; None if it was removed since.
    photo_id: int | None
    # The person into whom this one was merged.
    merged_into_id: int | None


@dataclass(frozen=True)
class Pair:
    """Two people who may be one; `a` was enrolled first. Its status is open, duplicate or distinct."""

    id: int
    status: str
    # None if nothing is compared.
    score: float | None
    # What the score says, by the calibration: strong, possible or unlikely; None without one.
    band: str | None
    threshold: float
    # Whether it is in the queue of the staff.
    needs_decision: bool
    # Whether both faces are from the very same photo.
    same_photo: bool
    a: PairedPerson
    b: PairedPerson
    found_at: datetime
    updated_at: datetime
    decided_at: datetime | None
    decided_by: str
    decided_score: float | None
    note: str


@dataclass(frozen=True)
class DecidedPair:
    """A pair after a decision; `remarks` say what of a merge could not be undone."""

    pair: Pair
    remarks: list[str]


@dataclass(frozen=True)
class Scan:
    """All people compared with each other. What is not known before the end is None until then."""

    id: int
    status: str
    cancelled: bool
    started_by: str
    created_at: datetime
    finished_at: datetime | None
    threshold: float
    faces: int | None
    compared_faces: int
    comparisons: int
    # All pairs there are, decided ones included.
    pairs: int | None
    # Pairs that were not known, so far.
    new_pairs: int


@dataclass(frozen=True)
class Scans:
    """The latest scans, newest first."""

    items: list[Scan]
