"""What happened is written for webhooks in the transaction of the act itself, and sent afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from portal.database import after_commit, now
from portal.waiting import DELIVERIES, tell
from portal.webhooks.models import TEST, DeliveryState, Event, WebhookDelivery, WebhookEndpoint, WebhookEvent

# Ids and states. Nothing else leaves the portal by itself: no name, no photo, no score.
Data = Mapping[str, int | str | Sequence[int] | None]


def emit(session: Session, organization_id: int, event: Event, happened: Sequence[Data]) -> None:
    """Write down that something happened, once for each of `happened`, in the caller's transaction.

    Where no endpoint wants to hear of it, that is one look at an index. An endpoint that is switched off
    keeps what happens for when it is on again.
    """
    if not happened:
        return
    endpoints = session.execute(
        select(WebhookEndpoint.id, WebhookEndpoint.events).where(
            WebhookEndpoint.organization_id == organization_id, WebhookEndpoint.deleted_at.is_(None)
        )
    )
    # No lock: whose row is deleted meanwhile keeps it, and what is added to it is sent to nobody.
    wanting = [endpoint.id for endpoint in endpoints if event in endpoint.events]
    if wanting:
        _write(session, organization_id, event, happened, wanting)


def emit_test(session: Session, endpoint: WebhookEndpoint, asked_by: str) -> None:
    """Write an event that says nothing, for one endpoint, in the caller's transaction."""
    data: Data = {"endpoint_id": endpoint.id}
    _write(session, endpoint.organization_id, TEST, [data], [endpoint.id], asked_by)


def wake(session: Session) -> None:
    """Have deliveries begin as soon as the caller's transaction is committed."""
    after_commit(session, _tell)


def _tell() -> None:
    tell(DELIVERIES)


def _write(
    session: Session,
    organization_id: int,
    kind: str,
    happened: Sequence[Data],
    endpoint_ids: Sequence[int],
    asked_by: str = "",
) -> None:
    shared: dict[str, Any] = {"organization_id": organization_id}
    moment = now()
    events = [
        {**shared, "message_id": f"evt_{uuid4().hex}", "type": kind, "data": data, "created_at": moment}
        for data in happened
    ]
    inserted = session.execute(
        insert(WebhookEvent).returning(WebhookEvent.message_id, WebhookEvent.id), events
    )
    ids = {row.message_id: row.id for row in inserted}
    session.execute(
        insert(WebhookDelivery),
        [
            {
                **shared,
                "endpoint_id": endpoint_id,
                "event_id": ids[event["message_id"]],
                "state": DeliveryState.WAITING,
                "asked_by": asked_by,
                "attempts": 0,
            }
            for event in events
            for endpoint_id in endpoint_ids
        ],
    )
    wake(session)
