"""Examinations: photos that are looked at once, for an answer that is waited for, and not kept."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.database import Base, Identifier
from portal.installation.models import FaceModel
from portal.organizations.models import Organization
from portal.people.models import Person
from portal.work.models import Work


class Kind(StrEnum):
    """What is asked of the photos."""

    # Which faces are in a photo.
    DETECTION = "detection"
    # How similar the main faces of two photos are.
    COMPARISON = "comparison"
    # How similar the main face of a photo is to the photos of a person.
    VERIFICATION = "verification"


class Examination(Work, Base):
    """A question about one photo or two. It is deleted, with the photos, when it is answered."""

    __tablename__ = "examination"
    __table_args__ = (
        Index(None, "state", "claimed_by"),
        Index(None, "created_at"),
        {"sqlite_autoincrement": True},
    )

    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id))
    kind: Mapped[Kind] = mapped_column(String(12))
    # The person of a verification.
    person_id: Mapped[int | None] = mapped_column(ForeignKey(Person.id, ondelete="CASCADE"), index=True)
    # Whether the answer has the template of every face.
    with_templates: Mapped[bool]
    # The face model that made the templates that came in place of photos; None without them.
    face_model_id: Mapped[int | None] = mapped_column(ForeignKey(FaceModel.id))
    # The place of the photo for which `reason` is why nothing could be answered.
    failed_place: Mapped[int | None]
    # Similarity score (cosine, -1…1), and the threshold that was in force.
    score: Mapped[float | None]
    threshold: Mapped[float | None]
    # Of a verification: {"photo_id", "score"} of each photo of the person, best first.
    photo_scores: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))
    # decode, detect, embed and total.
    steps_ms: Mapped[dict[str, float] | None] = mapped_column(JSON(none_as_null=True))

    photos: Mapped[list[ExaminedPhoto]] = relationship(order_by="ExaminedPhoto.place", passive_deletes=True)


class ExaminedPhoto(Base):
    """A photo of an examination; or, in its place, a template that another program made."""

    __tablename__ = "examined_photo"

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    examination_id: Mapped[int] = mapped_column(ForeignKey(Examination.id, ondelete="CASCADE"), index=True)
    # 0 for the first one.
    place: Mapped[int]
    # The name of the file in the store; None for a template.
    file_key: Mapped[str | None] = mapped_column(String(120), unique=True)
    # float32, little-endian, unit length; None for a photo.
    template: Mapped[bytes | None] = mapped_column(LargeBinary)
    # Pixels of the upright photo, once it was decoded.
    width: Mapped[int | None]
    height: Mapped[int | None]
    # The columns of photos.models.FaceColumns for each face that was found, the template in base64.
    faces: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    # The number of the main face among them.
    main: Mapped[int | None]
