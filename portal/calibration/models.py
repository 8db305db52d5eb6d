"""Calibrations: what similarity scores were measured to mean on an organization's own people."""

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
    """A measurement: queued and worked on like a photo. The newest that is done is the one in force."""

    __tablename__ = "calibration"
    __table_args__ = (
        Index(None, "organization_id", "id"),
        Index(None, "state", "claimed_by"),
        {"sqlite_autoincrement": True},
    )

    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id))
    face_model_id: Mapped[int] = mapped_column(ForeignKey(FaceModel.id))
    measured_at: Mapped[datetime | None]
    # The organization's gallery version then: where nothing joined or left since, nobody counts again.
    gallery_version: Mapped[int | None] = mapped_column(Identifier)
    # People in the gallery; of how many the highest non-mated score was taken; with how many photos mated.
    gallery_people: Mapped[int | None]
    sampled_people: Mapped[int | None]
    mated_people: Mapped[int | None]
    mated_photos: Mapped[int | None]
    # Usable photos of the organization then: with twice as many it is measured again.
    photos: Mapped[int | None]
    # Pairs that nobody has decided on: some of them may be mated, and then the measure is too careful.
    undecided_pairs: Mapped[int | None]
    # The measured curves: see jobs.error_rates.
    curves: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    # What was collected so far, while it is being measured: see jobs.calibration. None when it is done.
    collected: Mapped[dict[str, Any] | None] = mapped_column(JSON)
