"""Pairs of people who may be one, what was decided about them, and how far the comparison is."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.accounts.models import User
from portal.database import Base, Identifier, now
from portal.installation.models import FaceModel
from portal.organizations.models import Organization
from portal.people.models import Merge, Person
from portal.photos.models import Face, Photo
from portal.work.models import Work


class PairStatus(StrEnum):
    """What staff decided about a pair."""

    OPEN = "open"
    DUPLICATE = "duplicate"
    DISTINCT = "distinct"


class PairEventKind(StrEnum):
    """What happened to a pair."""

    FOUND = "found"
    RESCORED = "rescored"
    DECIDED = "decided"
    UNSURE = "unsure"
    UNDONE = "undone"
    # Its score rose clearly after it was decided, and it is open again.
    REOPENED = "reopened"
    # The threshold was changed, and it needs a decision now, or no longer.
    THRESHOLD = "threshold"


class DuplicatePair(Base):
    """Two people who look alike: one row for both, the one who was enrolled first is `a`."""

    __tablename__ = "duplicate_pair"
    __table_args__ = (
        UniqueConstraint("a_id", "b_id"),
        Index(None, "organization_id", "status", "score", "id"),
        Index(None, "organization_id", "status", "leads", "score", "id"),
        Index(None, "organization_id", "id"),
        Index(None, "organization_id", "updated_at", "id"),
        Index(None, "organization_id", "stale"),
        Index(None, "organization_id", "group_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id))
    # a_id < b_id.
    a_id: Mapped[int] = mapped_column(ForeignKey(Person.id, ondelete="CASCADE"))
    b_id: Mapped[int] = mapped_column(ForeignKey(Person.id, ondelete="CASCADE"), index=True)
    # The best pair of faces, and its similarity score: cosine, -1…1.
    face_a_id: Mapped[int | None] = mapped_column(ForeignKey(Face.id, ondelete="SET NULL"), index=True)
    face_b_id: Mapped[int | None] = mapped_column(ForeignKey(Face.id, ondelete="SET NULL"), index=True)
    score: Mapped[float]
    # Both faces are from the very same file: nothing was learnt about two people.
    same_photo: Mapped[bool] = mapped_column(default=False)
    # The face model and threshold it was found with.
    face_model_id: Mapped[int] = mapped_column(ForeignKey(FaceModel.id))
    threshold: Mapped[float]
    found_at: Mapped[datetime] = mapped_column(default=now)
    # When its last event was.
    updated_at: Mapped[datetime] = mapped_column(default=now)
    # A pass saw that a face of the best pair left the gallery, and compares the pair again next.
    stale: Mapped[bool] = mapped_column(default=False)

    status: Mapped[PairStatus] = mapped_column(String(10), default=PairStatus.OPEN)
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey(User.id, ondelete="SET NULL"))
    decided_by: Mapped[str] = mapped_column(String(254), default="")
    decided_score: Mapped[float | None]
    note: Mapped[str] = mapped_column(Text, default="")
    # Who was not sure, and whom they asked; None: anyone else.
    unsure_by_id: Mapped[int | None] = mapped_column(ForeignKey(User.id, ondelete="SET NULL"))
    unsure_by: Mapped[str] = mapped_column(String(254), default="")
    asked_id: Mapped[int | None] = mapped_column(ForeignKey(User.id, ondelete="SET NULL"), index=True)
    # The member who is looking at it, so that no one else is given it.
    reserved_by_id: Mapped[int | None] = mapped_column(ForeignKey(User.id, ondelete="SET NULL"))
    reserved_until: Mapped[datetime | None]

    # Linked open pairs are one group, named by the smallest of its people's ids; the strongest
    # of them leads it.
    group_id: Mapped[int | None] = mapped_column(Identifier)
    leads: Mapped[bool] = mapped_column(default=False)
    # It was made, or decided, because a person of it was merged; undoing that undoes it.
    merge_id: Mapped[int | None] = mapped_column(ForeignKey(Merge.id, ondelete="SET NULL"), index=True)

    a: Mapped[Person] = relationship(foreign_keys=a_id)
    b: Mapped[Person] = relationship(foreign_keys=b_id)
    face_a: Mapped[Face | None] = relationship(foreign_keys=face_a_id)
    face_b: Mapped[Face | None] = relationship(foreign_keys=face_b_id)
    asked: Mapped[User | None] = relationship(foreign_keys=asked_id)
    reserved_by: Mapped[User | None] = relationship(foreign_keys=reserved_by_id)

    @property
    def awaits_comparison(self) -> bool:
        """Whether the next pass compares the pair again: it rests on a face that is gone."""
        gone = self.face_a_id is None or self.face_b_id is None
        return self.stale or (gone and self.score > -1)


class PairEvent(Base):
    """The history of a pair, which is only added to: a report can be made again as it was."""

    __tablename__ = "pair_event"
    __table_args__ = (Index(None, "pair_id", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id))
    pair_id: Mapped[int] = mapped_column(ForeignKey(DuplicatePair.id, ondelete="CASCADE"))
    kind: Mapped[PairEventKind] = mapped_column(String(10))
    at: Mapped[datetime] = mapped_column(default=now)
    actor_id: Mapped[int | None] = mapped_column(ForeignKey(User.id, ondelete="SET NULL"))
    actor: Mapped[str] = mapped_column(String(254), default="")
    # How the pair was from then on.
    status: Mapped[PairStatus] = mapped_column(String(10))
    score: Mapped[float]
    threshold: Mapped[float]
    face_model_id: Mapped[int] = mapped_column(ForeignKey(FaceModel.id))
    same_photo: Mapped[bool] = mapped_column(default=False)
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str] = mapped_column(String(254), default="")
    decided_score: Mapped[float | None]
    note: Mapped[str] = mapped_column(Text, default="")


class DuplicateScan(Work, Base):
    """A scan: all people of an organization compared with each other."""

    __tablename__ = "duplicate_scan"
    __table_args__ = (
        Index(None, "organization_id", "id"),
        Index(None, "state", "claimed_by"),
        {"sqlite_autoincrement": True},
    )

    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id))
    # Who asked for it; "" for the nightly schedule.
    started_by_id: Mapped[int | None] = mapped_column(ForeignKey(User.id, ondelete="SET NULL"))
    started_by: Mapped[str] = mapped_column(String(254), default="")
    threshold: Mapped[float]
    cancelled: Mapped[bool] = mapped_column(default=False)
    # Faces up to this id were compared with all others; 0: none yet.
    compared_face_id: Mapped[int] = mapped_column(Identifier, default=0)
    compared_faces: Mapped[int] = mapped_column(Identifier, default=0)
    # None until it began.
    faces: Mapped[int | None] = mapped_column(Identifier)
    people: Mapped[int | None] = mapped_column(Identifier)
    # Comparisons of two faces of different people.
    comparisons: Mapped[int] = mapped_column(Identifier, default=0)
    # Pairs that were not known, so far; and at its end all that there are, decided ones included.
    new_pairs: Mapped[int] = mapped_column(Identifier, default=0)
    pairs: Mapped[int | None] = mapped_column(Identifier)


class OddPhoto(Base):
    """A photo that does not look like the others of its person: maybe filed under the wrong one."""

    __tablename__ = "odd_photo"
    __table_args__ = (Index(None, "organization_id", "checked_at", "score"),)

    photo_id: Mapped[int] = mapped_column(ForeignKey(Photo.id, ondelete="CASCADE"), primary_key=True)
    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id))
    person_id: Mapped[int] = mapped_column(ForeignKey(Person.id, ondelete="CASCADE"), index=True)
    # The highest score with another photo of the person: cosine, -1…1.
    score: Mapped[float]
    threshold: Mapped[float]
    found_at: Mapped[datetime] = mapped_column(default=now)
    # Someone looked, and it is the person.
    checked_at: Mapped[datetime | None]
    checked_by: Mapped[str] = mapped_column(String(254), default="")

    photo: Mapped[Photo] = relationship()
    person: Mapped[Person] = relationship()
