"""Organizations. Everything that staff see belongs to exactly one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from portal.database import Base, Identifier, now

DEFAULT_RETENTION_DAYS = 30


class Organization(Base):
    __tablename__ = "organization"

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    slug: Mapped[str] = mapped_column(String(63), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(default=now)
    # Days that a search and its photo are kept.
    retention_days: Mapped[int] = mapped_column(default=DEFAULT_RETENTION_DAYS)
    # Counts the changes of the gallery. It is raised under the row's lock, in the transaction of the
    # change, so that a reader of a version has missed nothing below it.
    gallery_version: Mapped[int] = mapped_column(Identifier, default=0)
    # Counts the deletions of people, photos and searches, in the same way: what was read before one of them
    # may show what is no more.
    deletions: Mapped[int] = mapped_column(Identifier, default=0)
    # From which score on a search says "match", and two people are shown as a pair; None: as the face
    # model's card has it. An admin chose them by their error rates, see portal.calibration.
    search_threshold: Mapped[float | None]
    duplicate_threshold: Mapped[float | None]
    # The face model for whose scores they were chosen: with another one they say nothing.
    thresholds_model_id: Mapped[int | None] = mapped_column(Identifier)
    # The hour (0-23, UTC) at which all people are compared with each other every night; None: never.
    scan_hour: Mapped[int | None]
