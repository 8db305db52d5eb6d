"""The organization in figures, and what scores mean in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal_client.models.faces import FaceModel


@dataclass(frozen=True)
class PhotoCounts:
    """How many photos are in each state."""

    queued: int
    running: int
    done: int
    failed: int


@dataclass(frozen=True)
class Statistics:
    """The organization in figures."""

    people: int
    photos: PhotoCounts
    # Open pairs that need a decision.
    pairs_to_decide: int
    # Of the installation, heard from lately.
    workers: int
    # None until the first worker has started.
    face_model: FaceModel | None


@dataclass(frozen=True)
class Interval:
    """An estimate and the ends of its 95 % confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Rates:
    """What a threshold costs, by the calibration; shares are from 0 to 1."""

    # Of searches for people who are not enrolled: with a match.
    fpir: Interval
    # Of searches for people who are: missed; None where hardly anybody has two photos.
    fnir: Interval | None
    # Pairs of different people that reach it; at_least: and maybe more.
    false_pairs: Interval
    at_least: bool


@dataclass(frozen=True)
class Threshold:
    """From which score on two faces count as one person."""

    value: float
    # Whether an admin chose it; else it is the face model's own.
    chosen: bool
    # Where the bands begin; None without a calibration, or with too little data.
    strong_from: float | None
    possible_from: float | None
    rates: Rates | None


@dataclass(frozen=True)
class Scores:
    """What similarity scores mean in this organization."""

    face_model: FaceModel
    search: Threshold
    duplicates: Threshold
    # None: not calibrated yet.
    calibrated_at: datetime | None
    people: int | None
