"""Webhooks, as admins handle them: endpoints made, changed, switched on and off; secrets; deliveries."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.orm import Session, joinedload

from portal.audit.services import Action, Actor, record
from portal.database import Gone, now, writing
from portal.locks import lock
from portal.organizations.models import Organization
from portal.paging import Cursor, Page, fetch_page
from portal.webhooks.models import (
    DeliveryState,
    Event,
    OffReason,
    WebhookDelivery,
    WebhookEndpoint,
)
from portal.webhooks.outbox import emit_test, wake
from portal.webhooks.signing import SHOWN_LENGTH, can_sign, new_salt, secret_of
from portal.webhooks.targets import TargetError, clean_target, origin_of

# Every event is written once for each.
MOST_ENDPOINTS = 10
DELIVERIES_A_PAGE = 20
# How long receivers have to take over a new secret.
OVERLAP = timedelta(hours=24)
# Waiting deliveries are counted up to this.
MOST_COUNTED = 10_000


class WebhookError(ValueError):
    """What can't be done with an endpoint, in words for staff; `field` names the wrong field of a form."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Rules:
    """What the installation has to say: the key that secrets are made with, and where requests may go."""

    secret_key: str
    private_allowed: bool


def create_endpoint(
    session: Session,
    organization: Organization,
    actor: Actor,
    rules: Rules,
    address: str,
    events: Collection[Event],
) -> tuple[WebhookEndpoint, str]:
    """Add an endpoint; returns its row and its secret, which is shown this once. Raises WebhookError."""
    address = _clean(address, events, rules)
    salt = new_salt()
    secret = secret_of(salt, rules.secret_key)
    with writing(session):
        others = _of(organization)
        if (session.scalar(select(func.count()).select_from(others.subquery())) or 0) >= MOST_ENDPOINTS:
            raise WebhookError(
                f"An organization can have {MOST_ENDPOINTS} webhooks. Delete one that is not needed.",
                "address",
            )
        _refuse_second(session, organization, address)
        endpoint = WebhookEndpoint(
            organization_id=organization.id,
            address=address,
            events=_in_order(events),
            created_by=actor.name,
            salt=salt,
            shown=secret[:SHOWN_LENGTH],
        )
        session.add(endpoint)
        session.flush()
        _record(session, actor, Action.WEBHOOK_CREATED, endpoint, events=endpoint.events)
    return endpoint, secret


def list_endpoints(session: Session, organization: Organization) -> list[WebhookEndpoint]:
    """The organization's endpoints, newest first."""
    return list(session.scalars(_of(organization).order_by(WebhookEndpoint.id.desc())))


def find_endpoint(session: Session, organization: Organization, endpoint_id: int) -> WebhookEndpoint | None:
    """An endpoint of this organization; None for one that is not there or another's."""
    return session.scalar(_of(organization).where(WebhookEndpoint.id == endpoint_id))


def count_off(session: Session, organization: Organization) -> int:
    """How many endpoints are off without an admin having switched them off."""
    off = _of(organization).where(WebhookEndpoint.off_reason != OffReason.STAFF)
    return session.scalar(select(func.count()).select_from(off.subquery())) or 0


def count_waiting(session: Session, endpoint: WebhookEndpoint) -> int:
    """How many events wait to be sent to an endpoint, counted up to MOST_COUNTED."""
    waiting = select(WebhookDelivery.id).where(
        WebhookDelivery.endpoint_id == endpoint.id, WebhookDelivery.state == DeliveryState.WAITING
    )
    return session.scalar(select(func.count()).select_from(waiting.limit(MOST_COUNTED).subquery())) or 0


def change_endpoint(
    session: Session,
    organization: Organization,
    actor: Actor,
    rules: Rules,
    endpoint: WebhookEndpoint,
    address: str,
    events: Collection[Event],
) -> bool:
    """Give an endpoint another address or other events; returns whether anything changed.

    Events that wait already are sent to the new address. Raises WebhookError, and Gone.
    """
    address = _clean(address, events, rules)
    with writing(session):
        _lock(session, endpoint)
        if address == endpoint.address and _in_order(events) == endpoint.events:
            return False
        if address != endpoint.address:
            _refuse_second(session, organization, address)
        before = origin_of(endpoint.address)
        endpoint.address, endpoint.events = address, _in_order(events)
        endpoint.next_attempt_at = None
        _record(session, actor, Action.WEBHOOK_CHANGED, endpoint, before=before, events=endpoint.events)
        wake(session)
    return True


def rotate_secret(session: Session, actor: Actor, rules: Rules, endpoint: WebhookEndpoint, shown: str) -> str:
    """Give an endpoint a new secret, which is returned and shown this once.

    For a day everything is signed with both, so that the receiver can change over. shown: the beginning of
    the one to replace, so that a form that is sent twice does not replace the new one. Raises WebhookError,
    and Gone.
    """
    salt = new_salt()
    secret = secret_of(salt, rules.secret_key)
    with writing(session):
        _lock(session, endpoint)
        if endpoint.shown != shown:
            raise WebhookError("The secret has already been replaced. If the new one is lost, do it again.")
        # One that the portal can't make any more signs nothing.
        known = can_sign(endpoint, rules.secret_key)
        endpoint.previous_salt = endpoint.salt if known else None
        endpoint.previous_until = now() + OVERLAP if known else None
        endpoint.salt, endpoint.shown = salt, secret[:SHOWN_LENGTH]
        _record(session, actor, Action.WEBHOOK_ROTATED, endpoint)
    return secret


def switch_off(session: Session, actor: Actor, endpoint: WebhookEndpoint) -> None:
    """Send nothing to an endpoint for now; what happens is kept for it. Raises Gone."""
    with writing(session):
        _lock(session, endpoint)
        if endpoint.is_on:
            endpoint.off_reason, endpoint.off_at = OffReason.STAFF, now()
            _record(session, actor, Action.WEBHOOK_SWITCHED_OFF, endpoint, reason=OffReason.STAFF)


def switch_on(session: Session, actor: Actor, rules: Rules, endpoint: WebhookEndpoint) -> None:
    """Go on with an endpoint, from the first event that it did not take. Raises WebhookError, and Gone."""
    with writing(session):
        _lock(session, endpoint)
        if not can_sign(endpoint, rules.secret_key):
            raise WebhookError("The portal can't sign with this secret any more. Replace the secret first.")
        if endpoint.is_on:
            return
        endpoint.off_reason = endpoint.off_at = None
        endpoint.failing_since = endpoint.next_attempt_at = None
        # What was tried before has its three days again.
        session.execute(
            update(WebhookDelivery)
            .where(WebhookDelivery.endpoint_id == endpoint.id, WebhookDelivery.state == DeliveryState.WAITING)
            .values(first_attempt_at=None)
            .execution_options(synchronize_session=False)
        )
        _record(session, actor, Action.WEBHOOK_SWITCHED_ON, endpoint)
        wake(session)


def send_test(session: Session, actor: Actor, endpoint: WebhookEndpoint) -> None:
    """Send an event that says nothing, behind those that wait; they are tried at once.

    Raises WebhookError, and Gone.
    """
    with writing(session):
        _lock_on(session, endpoint)
        emit_test(session, endpoint, actor.name)
        _record(session, actor, Action.WEBHOOK_TESTED, endpoint)


def replay(session: Session, actor: Actor, endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> None:
    """Send an event once more, behind those that wait, under its own id. Raises WebhookError, and Gone."""
    with writing(session):
        _lock_on(session, endpoint)
        if delivery.state == DeliveryState.WAITING:
            raise WebhookError("This event has not been delivered yet; it is still being tried.")
        session.add(
            WebhookDelivery(
                organization_id=endpoint.organization_id,
                endpoint_id=endpoint.id,
                event_id=delivery.event_id,
                asked_by=actor.name,
            )
        )
        _record(session, actor, Action.WEBHOOK_REPLAYED, endpoint, delivery=delivery.id)
        wake(session)


def delete_endpoint(session: Session, actor: Actor, endpoint: WebhookEndpoint) -> None:
    """Remove an endpoint with all that waits for it. Raises Gone."""
    with writing(session):
        _lock(session, endpoint)
        endpoint.deleted_at = now()
        endpoint.salt, endpoint.previous_salt = b"", None
        session.execute(delete(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint.id))
        _record(session, actor, Action.WEBHOOK_DELETED, endpoint)


def list_deliveries(
    session: Session, endpoint: WebhookEndpoint, cursor: str | None = None
) -> Page[WebhookDelivery]:
    """A page of an endpoint's deliveries, newest first. Raises paging.CursorError."""
    rows = fetch_page(
        session,
        select(WebhookDelivery)
        .options(joinedload(WebhookDelivery.event))
        .where(WebhookDelivery.endpoint_id == endpoint.id),
        (WebhookDelivery.id,),
        Cursor.decode(cursor, (int,)) if cursor else None,
        DELIVERIES_A_PAGE,
        lambda row: (row[0].id,),
        descending=True,
    )
    return Page([row[0] for row in rows.items], rows.previous, rows.next)


def find_delivery(session: Session, endpoint: WebhookEndpoint, delivery_id: int) -> WebhookDelivery | None:
    """A delivery to this endpoint; None for one that is not there or another's."""
    return session.scalar(
        select(WebhookDelivery).where(
            WebhookDelivery.id == delivery_id, WebhookDelivery.endpoint_id == endpoint.id
        )
    )


def _of(organization: Organization) -> Select[WebhookEndpoint]:
    return select(WebhookEndpoint).where(
        WebhookEndpoint.organization_id == organization.id, WebhookEndpoint.deleted_at.is_(None)
    )


def _clean(address: str, events: Collection[Event], rules: Rules) -> str:
    try:
        address = clean_target(address, private_allowed=rules.private_allowed)
    except TargetError as error:
        raise WebhookError(str(error), "address") from error
    if not events:
        raise WebhookError("Choose at least one event.", "events")
    return address


def _in_order(events: Collection[Event]) -> list[str]:
    return [event.value for event in Event if event in events]


def _refuse_second(session: Session, organization: Organization, address: str) -> None:
    if session.scalar(_of(organization).where(WebhookEndpoint.address == address)) is not None:
        raise WebhookError("There is a webhook with this address already.", "address")


def _lock(session: Session, endpoint: WebhookEndpoint) -> None:
    lock(session, endpoint, key_share=True)
    if endpoint.deleted_at is not None:
        raise Gone


def _lock_on(session: Session, endpoint: WebhookEndpoint) -> None:
    """Hold an endpoint to which something is to be sent, and try at once what it did not take."""
    _lock(session, endpoint)
    if not endpoint.is_on:
        raise WebhookError("This webhook is off. Switch it on first; what waits is sent then.")
    endpoint.next_attempt_at = None


def _record(
    session: Session, actor: Actor, action: Action, endpoint: WebhookEndpoint, **details: Any
) -> None:
    record(
        session,
        actor,
        action,
        organization_id=endpoint.organization_id,
        subject_type="webhook",
        subject_id=endpoint.id,
        details={"to": origin_of(endpoint.address), **details},
    )
