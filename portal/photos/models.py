"""Photos and the faces found in them."""

from __future__ import annotations

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, declared_attr, mapped_column, relationship

from portal.database import Base, Identifier
from portal.installation.models import FaceModel
from portal.organizations.models import Organization
from portal.people.models import Person
from portal.work.models import Work


class UploadedPhoto(Work):
    """Columns of a row that owns an uploaded photo and the work on it (a mixin)."""

    sha256: Mapped[str] = mapped_column(String(64))
    # The name of the file in the store; no two rows share a file, so each deletes its own.
    file_key: Mapped[str] = mapped_column(String(120), unique=True)
    file_name: Mapped[str] = mapped_column(String(255))
    size_bytes: Mapped[int]
    # Known when the photo was decoded: "JPEG", and pixels of the upright photo.
    media_format: Mapped[str | None] = mapped_column(String(10))
    width: Mapped[int | None]
    height: Mapped[int | None]
    # Degrees (0, 90, 180, 270) by which the portal turned it clockwise to stand upright, beyond its metadata.
    turned_by: Mapped[int] = mapped_column(default=0, server_default="0")


class FaceColumns:
    """Columns of a row that is one face found in a photo (a mixin)."""

    # Pixels of the upright photo: [left, top, right, bottom].
    box: Mapped[list[float]] = mapped_column(JSON)
    # Pixels of the upright photo: five of [x, y] (eyes, nose, corners of the mouth; left first).
    landmarks: Mapped[list[list[float]]] = mapped_column(JSON)
    detection_score: Mapped[float]
    # The measures and words of jobs.faces.quality.
    quality: Mapped[dict[str, float | str | list[str]]] = mapped_column(JSON)
    # float32, little-endian, unit length; None until someone asks for this face.
    template: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)

    @declared_attr
    def face_model_id(cls) -> Mapped[int]:
        return mapped_column(ForeignKey(FaceModel.id))


class Photo(UploadedPhoto, Base):
    """A photo of an enrolled person."""

    __tablename__ = "photo"
    __table_args__ = (
        # The same photo twice is one photo.
        UniqueConstraint("person_id", "sha256"),
        Index(None, "organization_id", "state", "attempts", "id"),
        Index(None, "state", "claimed_by"),
        {"sqlite_autoincrement": True},
    )

    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id))
    person_id: Mapped[int] = mapped_column(ForeignKey(Person.id), index=True)
    # The face that stands for the person: picked by the portal, or chosen by a member.
    main_face_id: Mapped[int | None] = mapped_column(Identifier)
    # Whether the portal picked that face where another one may be meant, and nobody has looked yet.
    is_unclear: Mapped[bool] = mapped_column(default=False, server_default=false())

    person: Mapped[Person] = relationship()
    faces: Mapped[list[Face]] = relationship(back_populates="photo", order_by="Face.id", passive_deletes=True)


class Face(FaceColumns, Base):
    """A face in an enrolled photo. The one that stands for the person is in the gallery."""

    __tablename__ = "face"
    __table_args__ = (
        Index(None, "organization_id", "gallery_version"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    photo_id: Mapped[int] = mapped_column(ForeignKey(Photo.id, ondelete="CASCADE"), index=True)
    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id))
    person_id: Mapped[int] = mapped_column(ForeignKey(Person.id), index=True)
    # The organization's gallery version at which it joined; None: not in the gallery.
    gallery_version: Mapped[int | None] = mapped_column(Identifier)

    photo: Mapped[Photo] = relationship(back_populates="faces")


class GalleryRemoval(Base):
    """A face that left the gallery: read by the workers that hold the gallery in memory."""

    __tablename__ = "gallery_removal"

    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id), primary_key=True)
    gallery_version: Mapped[int] = mapped_column(Identifier, primary_key=True)
    face_id: Mapped[int] = mapped_column(Identifier, primary_key=True)
