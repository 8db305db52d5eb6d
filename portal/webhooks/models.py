"""Webhooks: where other programs hear what happened, what happened, and what became of telling them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.database import Base, Identifier, now
from portal.organizations.models import Organization


class Event(StrEnum):
    """What an endpoint can hear of; docs/webhooks.md says when each is sent, and with which data."""

    PERSON_ENROLLED = "person.enrolled"
    PHOTO_FAILED = "photo.failed"
    BATCH_DONE = "batch.done"
    DUPLICATE_FOUND = "duplicate.found"
    DUPLICATE_DECIDED = "duplicate.decided"
    SCAN_DONE = "scan.done"
    SEARCH_DONE = "search.done"


# The event of the button that tries an endpoint out: every endpoint gets its own, nobody chooses it.
TEST = "test"


class OffReason(StrEnum):
    """Why nothing is sent to an endpoint."""

    STAFF = "staff"
    # It has answered that it is gone for good.
    GONE = "gone"
    # It has taken nothing for days.
    FAILING = "failing"
    # The portal has another secret key, and can't sign with the endpoint's secret any more.
    KEY_CHANGED = "key_changed"


class DeliveryState(StrEnum):
    """How far the telling of one event to one endpoint is."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


class WebhookEndpoint(Base):
    """An address that hears of events. A deleted one keeps its row: an act under way may still add to it."""

    __tablename__ = "webhook_endpoint"

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id), index=True)
    address: Mapped[str] = mapped_column(String(2000))
    events: Mapped[list[str]] = mapped_column(JSON)
    created_by: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[datetime] = mapped_column(default=now)
    deleted_at: Mapped[datetime | None]
    # None: it is on.
    off_reason: Mapped[OffReason | None] = mapped_column(String(15))
    off_at: Mapped[datetime | None]

    # From the salt and the portal's secret key the secret is made; how it begins tells whether it still is
    # the one that was shown. The one before is signed with as well, until a moment.
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    shown: Mapped[str] = mapped_column(String(12))
    previous_salt: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_until: Mapped[datetime | None]

    # The process that sends to it at the moment, and until when no other may: one request at a time.
    claimed_by: Mapped[str | None] = mapped_column(String(100))
    claimed_until: Mapped[datetime | None]
    # Nothing is tried before; None: at once.
    next_attempt_at: Mapped[datetime | None]
    # When the first attempt failed after which none was successful.
    failing_since: Mapped[datetime | None]

    @property
    def is_on(self) -> bool:
        return self.off_reason is None

    @property
    def signs_with_both(self) -> bool:
        """Whether the secret before the present one is still in force."""
        return self.previous_until is not None and self.previous_until > now()


class WebhookEvent(Base):
    """Something that happened, written in the transaction of the act itself: ids and states, nothing else."""

    __tablename__ = "webhook_event"
    __table_args__ = (Index(None, "created_at"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id))
    # The same whenever it is sent: by it, receivers know what they have already.
    message_id: Mapped[str] = mapped_column(String(40))
    type: Mapped[str] = mapped_column(String(30))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(default=now)


class WebhookDelivery(Base):
    """An event for an endpoint. Those of an endpoint are sent in the order of their ids."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        Index(None, "endpoint_id", "state", "id"),
        Index(None, "endpoint_id", "id"),
        Index(None, "event_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id))
    endpoint_id: Mapped[int] = mapped_column(ForeignKey(WebhookEndpoint.id))
    event_id: Mapped[int] = mapped_column(ForeignKey(WebhookEvent.id, ondelete="CASCADE"))
    state: Mapped[DeliveryState] = mapped_column(String(10), default=DeliveryState.WAITING)
    # Who asked for it, where it is a test or was sent before.
    asked_by: Mapped[str] = mapped_column(String(254), default="")
    attempts: Mapped[int] = mapped_column(default=0)
    first_attempt_at: Mapped[datetime | None]
    last_attempt_at: Mapped[datetime | None]
    # What the last attempt was answered: the HTTP status; or, where there was no answer, why (a Problem).
    status: Mapped[int | None]
    problem: Mapped[str | None] = mapped_column(String(20))

    event: Mapped[WebhookEvent] = relationship()
