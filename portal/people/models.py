"""People: the enrolled identities of an organization."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.database import Base, Identifier, now, sortable
from portal.organizations.models import Organization


class Person(Base):
    __tablename__ = "person"
    __table_args__ = (
        UniqueConstraint("organization_id", "external_id"),
        Index(None, "organization_id", "name_key", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id))
    # The organization's own number or code for this person.
    external_id: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(200))
    # The name casefolded and without accents: the order of the list.
    name_key: Mapped[str] = mapped_column(sortable(400))
    # The batch that enrolled them; None: somebody did, one by one.
    batch_id: Mapped[int | None] = mapped_column(Identifier, index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class PersonWord(Base):
    """A word of a person's name or external id, so that a list of a million is searched by an index."""

    __tablename__ = "person_word"
    __table_args__ = (Index(None, "organization_id", "word", "person_id"),)

    person_id: Mapped[int] = mapped_column(ForeignKey(Person.id, ondelete="CASCADE"), primary_key=True)
    word: Mapped[str] = mapped_column(sortable(200), primary_key=True)
    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id))
