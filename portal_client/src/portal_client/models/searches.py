"""Searches and their candidates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal_client.models.faces import Quality


@dataclass(frozen=True)
class Candidate:
    """A person who may be the one searched for."""

    rank: int
    person_id: int
    external_id: str
    name: str
    score: float
    # Whether the score reaches the organization's threshold.
    match: bool
    # What the score says, by the calibration: strong, possible or unlikely; None without one.
    band: str | None


@dataclass(frozen=True)
class SearchedFace:
    """A face of the searched photo; one that was compared has candidates, best first."""

    face: int
    # These four are None where a template was sent.
    box: list[float] | None
    landmarks: list[list[float]] | None
    detection_score: float | None
    quality: Quality | None
    candidates: list[Candidate] | None


@dataclass(frozen=True)
class ProcessingMs:
    """How long the work took, by step; None for a step that was not needed or not done yet."""

    decode: float | None
    detect: float | None
    embed: float | None
    search: float | None
    total: float | None


@dataclass(frozen=True)
class Search:
    """A search and what it found."""

    id: int
    status: str
    reason: str | None
    message: str | None
    processing_ms: ProcessingMs
    faces: list[SearchedFace]
    people_compared: int | None
    threshold: float | None
    created_at: datetime


@dataclass(frozen=True)
class Searches:
    """The searches of several photos, in their order."""

    items: list[Search]
