"""Endpoints of webhooks, and what was written for them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from flask import current_app
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.database import writing
from portal.organizations.models import Organization
from portal.webhooks.models import DeliveryState, Event, WebhookDelivery, WebhookEndpoint, WebhookEvent
from portal.webhooks.outbox import Data, emit
from portal.webhooks.services import Rules, create_endpoint
from tests.make.people import TESTER


@dataclass(frozen=True)
class Endpoint:
    """An endpoint, and the secret that its receiver has."""

    row: WebhookEndpoint
    secret: str

    @property
    def id(self) -> int:
        return self.row.id


def rules() -> Rules:
    """The rules of a portal that allows receivers on this machine."""
    return Rules(current_app.config["PORTAL"].secret_key, private_allowed=True)


def add_endpoint(
    session: Session,
    organization: Organization,
    address: str = "https://receiver.example/hooks",
    events: Collection[Event] = tuple(Event),
) -> Endpoint:
    """An endpoint that hears of these events."""
    return Endpoint(*create_endpoint(session, organization, TESTER, rules(), address, events))


def happen(session: Session, organization: Organization, *numbers: int) -> None:
    """Searches with these numbers end."""
    with writing(session):
        done: list[Data] = [{"search_id": number, "state": "done"} for number in numbers]
        emit(session, organization.id, Event.SEARCH_DONE, done)


def written(session: Session) -> list[tuple[str, dict[str, Any]]]:
    """Type and data of all events, oldest first."""
    session.rollback()
    events = session.scalars(select(WebhookEvent).order_by(WebhookEvent.id))
    return [(event.type, event.data) for event in events]


def deliveries(session: Session, endpoint: Endpoint) -> list[WebhookDelivery]:
    """The deliveries to an endpoint as they are now, oldest first."""
    session.rollback()
    mine = select(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint.id)
    return list(session.scalars(mine.order_by(WebhookDelivery.id).execution_options(populate_existing=True)))


def states(session: Session, endpoint: Endpoint) -> list[DeliveryState]:
    """The states of the deliveries to an endpoint, oldest first."""
    return [delivery.state for delivery in deliveries(session, endpoint)]


def fresh(session: Session, endpoint: Endpoint) -> WebhookEndpoint:
    """The row of an endpoint as it is now."""
    session.rollback()
    return session.get_one(WebhookEndpoint, endpoint.id, populate_existing=True)


def pass_time(session: Session, endpoint: Endpoint) -> None:
    """Let the pause before the next attempt, and the claim of a process that was killed, be over."""
    with writing(session):
        session.execute(
            update(WebhookEndpoint)
            .where(WebhookEndpoint.id == endpoint.id)
            .values(next_attempt_at=None, claimed_until=None)
        )
