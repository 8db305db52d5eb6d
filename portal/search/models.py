"""Searches: a probe photo, the faces found in it, and the candidates of each face that was searched for."""

from __future__ import annotations

from sqlalchemy import JSON, ForeignKey, Index, String, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.accounts.models import User
from portal.database import Base, Identifier
from portal.organizations.models import Organization
from portal.people.models import Person
from portal.photos.models import Face, FaceColumns, UploadedPhoto

# The format of a probe that is no photo.
TEMPLATE = "TEMPLATE"


class Search(UploadedPhoto, Base):
    __tablename__ = "search"
    __table_args__ = (
        Index(None, "organization_id", "id"),
        Index(None, "organization_id", "created_at"),
        Index(None, "state", "claimed_by"),
        {"sqlite_autoincrement": True},
    )

    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id))
    searched_by_id: Mapped[int | None] = mapped_column(ForeignKey(User.id, ondelete="SET NULL"))
    # Who searched, if it was no member: the name of a key.
    searched_by_name: Mapped[str] = mapped_column(String(254), default="")
    # The longest candidate list asked for.
    limit: Mapped[int] = mapped_column("candidate_limit", default=20)
    # Candidates below this score (a cosine, -1…1) are left out.
    min_score: Mapped[float | None]
    # Whether every face of the photo is searched for, not the main face alone.
    all_faces: Mapped[bool] = mapped_column(default=False, server_default=false())
    # Only the people of these ids, or whom this batch enrolled, are compared; None: everybody.
    restrict_to: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True))
    restrict_to_batch_id: Mapped[int | None] = mapped_column(Identifier)
    # The main face, or the one that was chosen instead: None until one was found.
    face_id: Mapped[int | None] = mapped_column(Identifier)
    # From the start of the work to its end, without the wait in the queue.
    processing_ms: Mapped[float | None]
    # Of that: decode, detect, embed and search.
    steps_ms: Mapped[dict[str, float] | None] = mapped_column(JSON(none_as_null=True))

    searched_by: Mapped[User | None] = relationship()
    faces: Mapped[list[ProbeFace]] = relationship(
        back_populates="search", order_by="ProbeFace.id", passive_deletes=True
    )

    @property
    def is_by_template(self) -> bool:
        """Whether a program sent a template: there is no photo, and no picture."""
        return self.media_format == TEMPLATE

    @property
    def searcher(self) -> str:
        """Who searched, as pages say it."""
        return self.searched_by.email if self.searched_by else self.searched_by_name or "a former user"


class ProbeFace(FaceColumns, Base):
    """A face in a searched photo."""

    __tablename__ = "probe_face"

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    search_id: Mapped[int] = mapped_column(ForeignKey(Search.id, ondelete="CASCADE"), index=True)
    # None until this face was searched for; then the threshold and the gallery's size at that moment.
    threshold: Mapped[float | None]
    gallery_people: Mapped[int | None]

    search: Mapped[Search] = relationship(back_populates="faces")
    candidates: Mapped[list[Candidate]] = relationship(
        order_by="Candidate.rank", passive_deletes=True, cascade="all, delete-orphan"
    )


class Candidate(Base):
    """A person of the candidate list, with the one face of theirs that is most like the probe."""

    __tablename__ = "candidate"

    probe_face_id: Mapped[int] = mapped_column(ForeignKey(ProbeFace.id, ondelete="CASCADE"), primary_key=True)
    rank: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey(Person.id, ondelete="CASCADE"), index=True)
    face_id: Mapped[int] = mapped_column(ForeignKey(Face.id, ondelete="CASCADE"), index=True)
    # Similarity score: cosine, -1…1.
    score: Mapped[float]

    person: Mapped[Person] = relationship()
    face: Mapped[Face] = relationship()
