"""The audit trail: an append-only table (triggers in the database refuse changes and deletions)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.database import Base, Identifier, now


class AuditEvent(Base):
    """Who did what to which row, when and from where. It holds no photo and no template.

    The actor and the subject are numbers without foreign keys: the trail outlives what it is about.
    """

    __tablename__ = "audit_event"
    __table_args__ = (
        # One for each way in which the trail is read: newest first, and by each of the filters.
        Index(None, "organization_id", "id"),
        Index(None, "organization_id", "at", "id"),
        Index(None, "organization_id", "actor", "id"),
        Index(None, "organization_id", "action", "id"),
        Index(None, "organization_id", "subject_type", "subject_id", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    # None: an act on the installation or by someone unknown, such as a refused sign-in.
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"))
    at: Mapped[datetime] = mapped_column(default=now)
    actor_id: Mapped[int | None] = mapped_column(Identifier)
    # The member's email as it was, or who acted instead ("portal command", "retention").
    actor: Mapped[str] = mapped_column(String(254))
    address: Mapped[str] = mapped_column(String(45))
    action: Mapped[str] = mapped_column(String(40))
    subject_type: Mapped[str] = mapped_column(String(20), default="")
    subject_id: Mapped[int | None] = mapped_column(Identifier)
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
