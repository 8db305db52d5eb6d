"""The keys with which other programs act for an organization."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.database import Base, Identifier, now
from portal.organizations.models import Organization


class Scope(StrEnum):
    """What a key may do. A key has one or more of them; `admin` includes all the others."""

    READ = "read"
    ENROL = "enrol"
    DECIDE = "decide"
    ADMIN = "admin"


class ApiKey(Base):
    """A key of an organization. It stays when it is revoked: the audit trail names it."""

    __tablename__ = "api_key"

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id, ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(60))
    # How the key begins, so that staff know which one it is.
    shown: Mapped[str] = mapped_column(String(12))
    # A reader of the table can't use any of them.
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    created_by: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[datetime] = mapped_column(default=now)
    # None: it does not expire.
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    organization: Mapped[Organization] = relationship()

    def is_usable(self) -> bool:
        """Whether it is neither revoked nor too old."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now())

    def may(self, scope: Scope) -> bool:
        """Whether it has a scope, or `admin`, which includes all."""
        return scope in self.scopes or Scope.ADMIN in self.scopes
