"""The keys with which other programs act for an organization."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, LargeBinary, String, UniqueConstraint
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


class IdempotentRequest(Base):
    """A request that came with an Idempotency-Key: what became of it, so that nothing is done twice."""

    __tablename__ = "idempotent_request"
    __table_args__ = (UniqueConstraint("api_key_id", "key_hash"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id, ondelete="CASCADE"), index=True)
    api_key_id: Mapped[int] = mapped_column(ForeignKey(ApiKey.id, ondelete="CASCADE"))
    # SHA-256 of the Idempotency-Key, and of method, path and query.
    key_hash: Mapped[str] = mapped_column(String(64))
    target_hash: Mapped[str] = mapped_column(String(64))
    # Of what was sent: known when the act is done.
    body_hash: Mapped[str | None] = mapped_column(String(64))
    # Who carries it out, and until when nobody else may take it over.
    claim: Mapped[str] = mapped_column(String(32))
    claimed_until: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)
    # Written in the transaction of the act; and the number of the row that it made or changed.
    acted_at: Mapped[datetime | None]
    subject_id: Mapped[int | None] = mapped_column(Identifier)
    # The answer; None while there is none, or after it was forgotten with someone whom it may show.
    status: Mapped[int | None]
    headers: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
