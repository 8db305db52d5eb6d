"""People: the enrolled identities of an organization."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, ColumnElement, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from portal.accounts.models import User
from portal.database import Base, Identifier, now, sortable
from portal.organizations.models import Organization


class Person(Base):
    __tablename__ = "person"
    __table_args__ = (
        UniqueConstraint("organization_id", "external_id"),
        Index(None, "organization_id", "name_key", "id"),
        Index(None, "organization_id", "updated_at", "id"),
        # Few at any time: those who wait for their first photos to be processed.
        Index(
            "ix_person_not_enrolled",
            "id",
            sqlite_where=text("enrolled_at IS NULL"),
            postgresql_where=text("enrolled_at IS NULL"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id))
    # The organization's own number or code for this person.
    external_id: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(200))
    # The name casefolded and without accents: the order of the list.
    name_key: Mapped[str] = mapped_column(sortable(400))
    # The batch that enrolled them; None: someone did, one by one.
    batch_id: Mapped[int | None] = mapped_column(Identifier, index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)
    # When no photo of theirs was waiting any more for the first time.
    enrolled_at: Mapped[datetime | None]
    # The person into whom this one was merged: they have the photos, and this row is an alias.
    merged_into_id: Mapped[int | None] = mapped_column(Identifier, index=True)

    @hybrid_property
    def is_alias(self) -> bool:
        """Whether this one was merged into another, under whom they are found."""
        return self.merged_into_id is not None

    @is_alias.inplace.expression
    @classmethod
    def _is_alias(cls) -> ColumnElement[bool]:
        return cls.merged_into_id.is_not(None)


class Merge(Base):
    """Two people who were found to be one: what became of each, so that it can be undone."""

    __tablename__ = "merge"
    __table_args__ = (Index(None, "organization_id", "undone_at"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id))
    survivor_id: Mapped[int] = mapped_column(ForeignKey(Person.id, ondelete="CASCADE"), index=True)
    absorbed_id: Mapped[int] = mapped_column(ForeignKey(Person.id, ondelete="CASCADE"), index=True)
    merged_at: Mapped[datetime] = mapped_column(default=now)
    merged_by_id: Mapped[int | None] = mapped_column(ForeignKey(User.id, ondelete="SET NULL"))
    merged_by: Mapped[str] = mapped_column(String(254))
    # Fields of both before it: {"survivor": {"name": …, "external_id": …}, "absorbed": {…}}.
    before: Mapped[dict[str, dict[str, str]]] = mapped_column(JSON)
    # The photos that moved to the survivor.
    photo_ids: Mapped[list[int]] = mapped_column(JSON)
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str] = mapped_column(String(254), default="")


class PersonWord(Base):
    """A word of a person's name or external id, so that a list of a million is searched by an index."""

    __tablename__ = "person_word"
    __table_args__ = (Index(None, "organization_id", "word", "person_id"),)

    person_id: Mapped[int] = mapped_column(ForeignKey(Person.id, ondelete="CASCADE"), primary_key=True)
    word: Mapped[str] = mapped_column(sortable(200), primary_key=True)
    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id))


class TermsRenewal(Base):
    """The people whose words are still those of an earlier version: made again in slices, by their ids.

    There is at most one row; it goes when everybody's words have been made again (portal.people.renewing).
    """

    __tablename__ = "terms_renewal"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    # Up to this person it is done; people behind the last one came later.
    done_to: Mapped[int] = mapped_column(Identifier)
    last_id: Mapped[int] = mapped_column(Identifier)
