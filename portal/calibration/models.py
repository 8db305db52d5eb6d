"""Calibrations: what similarity scores mean for an organization's own people."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from portal.database import Base, Identifier
from portal.installation.models import FaceModel
from portal.organizations.models import Organization
from portal.work.models import Work


class Calibration(Work, Base):
    """A calibration: queued and processed like a photo. The newest that is done is in force."""

    __tablename__ = "calibration"
    __table_args__ = (
        Index(None, "organization_id", "id"),
        Index(None, "state", "claimed_by"),
        {"sqlite_autoincrement": True},
    )

    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id))
    face_model_id: Mapped[int] = mapped_column(ForeignKey(FaceModel.id))
    measured_at: Mapped[datetime | None]
    # The organization's gallery version then: if nothing has joined or left since, nothing is counted again.
    gallery_version: Mapped[int | None] = mapped_column(Identifier)
    # People in the gallery; of how many the highest non-mated score was taken; with how many photos mated.
    gallery_people: Mapped[int | None]
    sampled_people: Mapped[int | None]
    mated_people: Mapped[int | None]
    mated_photos: Mapped[int | None]
    # Usable photos of the organization then: with twice as many it is calibrated again.
    photos: Mapped[int | None]
    # Undecided pairs: some of them may be mated, and then the rates are too cautious.
    undecided_pairs: Mapped[int | None]
    # The curves: see jobs.error_rates.
    curves: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    # What has been collected so far, while it is running: see jobs.calibration. None when it is done.
    collected: Mapped[dict[str, Any] | None] = mapped_column(JSON)
