"""Deliveries, as the process that sends them handles them: endpoints are claimed, answers recorded.

An endpoint is claimed, not a delivery: one request at a time, and what is not delivered holds up what
comes after it. The claim ends by itself, so what a killed process had is sent again by another one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, delete, exists, or_, select, update
from sqlalchemy.orm import Session

from portal.audit.services import Action, Actor, record
from portal.database import now, writing
from portal.locks import lock_free_rows, lock_rows
from portal.webhooks.models import (
    DeliveryState,
    OffReason,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from portal.webhooks.sending import Answer
from portal.webhooks.signing import body_of, can_sign, secret_of
from portal.webhooks.targets import origin_of

DELIVERER = Actor(None, "webhooks")

# Longer than a request and the writing of its answer take, whatever happens.
CLAIMED_FOR = timedelta(seconds=30)
# The next attempt comes after 5 s, 15 s, 45 s … 4 h, each a fifth sooner or later, so that endpoints that
# failed together do not come back together.
FIRST_DELAY_S, DELAY_GROWS_BY, LONGEST_DELAY_S, JITTER = 5.0, 3.0, 4 * 3600.0, 0.2
# A delivery that was not taken for this long is given up, and the next one has its turn; an endpoint that
# took nothing at all for this long is switched off.
GIVEN_UP_AFTER = timedelta(days=3)
OFF_AFTER = timedelta(days=5)
KEPT_FOR = timedelta(days=30)
OVERDUE_AFTER = timedelta(minutes=2)
REMOVED_AT_ONCE = 1000
GONE = 410


@dataclass(frozen=True)
class Sending:
    """The next request to an endpoint."""

    endpoint_id: int
    delivery_id: int
    address: str
    message_id: str
    body: str
    # The one in force, and the one before it while both are.
    secrets: list[str]


def any_due(session: Session) -> bool:
    """Whether an endpoint has something that can be sent now."""
    return session.scalar(select(WebhookEndpoint.id).where(*_are_due()).limit(1)) is not None


def is_overdue(session: Session) -> bool:
    """Whether something that can be sent has been waiting for so long that nobody seems to send anything."""
    late = now() - OVERDUE_AFTER
    first_events = (
        select(WebhookEvent.id)
        .join(WebhookDelivery, WebhookDelivery.event_id == WebhookEvent.id)
        .where(
            WebhookDelivery.endpoint_id == WebhookEndpoint.id,
            WebhookDelivery.state == DeliveryState.WAITING,
            WebhookEvent.created_at < late,
        )
    )
    rested = or_(WebhookEndpoint.next_attempt_at.is_(None), WebhookEndpoint.next_attempt_at < late)
    overdue = select(WebhookEndpoint.id).where(*_are_due(), rested, first_events.exists())
    return session.scalar(overdue.limit(1)) is not None


def claim_due(session: Session, sender: str, most: int) -> list[int]:
    """Claim endpoints that have something to be sent, and that nobody else sends to; returns their ids."""
    if not any_due(session):
        session.rollback()  # looking does not take the write lock, and the next look sees what is new
        return []
    with writing(session):
        due = (
            select(WebhookEndpoint.id)
            .where(*_are_due())
            .order_by(WebhookEndpoint.next_attempt_at)
            .limit(most)
        )
        ids = list(lock_free_rows(session, due).scalars())
        session.execute(
            update(WebhookEndpoint)
            .where(WebhookEndpoint.id.in_(ids))
            .values(claimed_by=sender, claimed_until=now() + CLAIMED_FOR)
        )
    return ids


def next_sending(session: Session, sender: str, endpoint_id: int, secret_key: str) -> Sending | None:
    """What is to be sent to a claimed endpoint next, with the attempt counted and the claim renewed.

    None gives the claim back: nothing waits, the endpoint is off, or it is another process's.
    """
    with writing(session):
        endpoint = _lock_claimed(session, sender, endpoint_id)
        if endpoint is None:
            return None
        return _next(session, endpoint, secret_key)


def record_answer(
    session: Session, sender: str, sending: Sending, answer: Answer, secret_key: str, *, go_on: bool
) -> Sending | None:
    """Write what a request was answered; returns what is to be sent next, as `next_sending` does.

    With go_on=False the claim is given back, whatever waits. An answer that comes after the claim was lost
    changes nothing: another process sends the event again.
    """
    with writing(session):
        endpoint = _lock_claimed(session, sender, sending.endpoint_id)
        if endpoint is None:
            return None
        delivery = session.get(WebhookDelivery, sending.delivery_id, populate_existing=True)
        if delivery is not None:
            delivery.status, delivery.problem = answer.status, answer.problem
            if answer.is_success:
                delivery.state = DeliveryState.DELIVERED
                endpoint.failing_since = endpoint.next_attempt_at = None
            else:
                _fail(session, endpoint, delivery, answer)
        session.flush()
        if go_on:
            return _next(session, endpoint, secret_key)
        endpoint.claimed_by = endpoint.claimed_until = None
    return None


def forget_old(session: Session) -> None:
    """Remove events that are older than they are kept, with their deliveries: called by the sweep."""
    old = select(WebhookEvent.id).where(WebhookEvent.created_at < now() - KEPT_FOR).limit(REMOVED_AT_ONCE)
    ids = session.scalars(old).all()
    if ids:
        with writing(session):
            session.execute(delete(WebhookEvent).where(WebhookEvent.id.in_(ids)))


def _are_due() -> tuple[ColumnElement[bool], ...]:
    moment = now()
    waiting = exists().where(
        WebhookDelivery.endpoint_id == WebhookEndpoint.id, WebhookDelivery.state == DeliveryState.WAITING
    )
    return (
        WebhookEndpoint.deleted_at.is_(None),
        WebhookEndpoint.off_reason.is_(None),
        or_(WebhookEndpoint.next_attempt_at.is_(None), WebhookEndpoint.next_attempt_at <= moment),
        or_(WebhookEndpoint.claimed_until.is_(None), WebhookEndpoint.claimed_until < moment),
        waiting,
    )


def _lock_claimed(session: Session, sender: str, endpoint_id: int) -> WebhookEndpoint | None:
    claimed = select(WebhookEndpoint).where(
        WebhookEndpoint.id == endpoint_id, WebhookEndpoint.claimed_by == sender
    )
    return lock_rows(session, claimed, key_share=True).scalar()


def _next(session: Session, endpoint: WebhookEndpoint, secret_key: str) -> Sending | None:
    """Count an attempt at the first event that waits, or give the claim back, in the caller's transaction."""
    moment = now()
    rests = endpoint.next_attempt_at is not None and endpoint.next_attempt_at > moment
    is_over = rests or not endpoint.is_on or endpoint.deleted_at is not None
    delivery = None if is_over else _first_waiting(session, endpoint)
    secrets = [] if delivery is None else _secrets_of(session, endpoint, secret_key)
    if delivery is None or not secrets:
        endpoint.claimed_by = endpoint.claimed_until = None
        return None
    endpoint.claimed_until = moment + CLAIMED_FOR
    delivery.attempts += 1
    delivery.last_attempt_at = moment
    delivery.first_attempt_at = delivery.first_attempt_at or moment
    event = delivery.event
    return Sending(endpoint.id, delivery.id, endpoint.address, event.message_id, body_of(event), secrets)


def _first_waiting(session: Session, endpoint: WebhookEndpoint) -> WebhookDelivery | None:
    waiting = (WebhookDelivery.endpoint_id == endpoint.id, WebhookDelivery.state == DeliveryState.WAITING)
    first = select(WebhookDelivery).where(*waiting).order_by(WebhookDelivery.id).limit(1)
    return session.scalars(first.execution_options(populate_existing=True)).first()


def _secrets_of(session: Session, endpoint: WebhookEndpoint, secret_key: str) -> list[str]:
    """The secrets to sign with; none, and the endpoint is off, if the portal's secret key is another one."""
    if not can_sign(endpoint, secret_key):
        _switch_off(session, endpoint, OffReason.KEY_CHANGED)
        return []
    before = endpoint.previous_salt if endpoint.signs_with_both else None
    return [secret_of(salt, secret_key) for salt in (endpoint.salt, before) if salt is not None]


def _fail(session: Session, endpoint: WebhookEndpoint, delivery: WebhookDelivery, answer: Answer) -> None:
    moment = now()
    endpoint.failing_since = endpoint.failing_since or delivery.last_attempt_at or moment
    if answer.status == GONE:
        _switch_off(session, endpoint, OffReason.GONE)
        return
    if moment - endpoint.failing_since >= OFF_AFTER:
        _switch_off(session, endpoint, OffReason.FAILING)
        return
    if delivery.first_attempt_at is not None and moment - delivery.first_attempt_at >= GIVEN_UP_AFTER:
        delivery.state = DeliveryState.GIVEN_UP
        endpoint.next_attempt_at = None
        return
    wait = max(delay_s(delivery.attempts), min(answer.retry_after_s, LONGEST_DELAY_S))
    endpoint.next_attempt_at = moment + timedelta(seconds=wait)


def delay_s(attempts: int) -> float:
    """The wait after so many attempts in vain, in seconds."""
    wait = FIRST_DELAY_S * DELAY_GROWS_BY ** min(attempts - 1, 16)
    return min(wait, LONGEST_DELAY_S) * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311


def _switch_off(session: Session, endpoint: WebhookEndpoint, reason: OffReason) -> None:
    endpoint.off_reason, endpoint.off_at = reason, now()
    record(
        session,
        DELIVERER,
        Action.WEBHOOK_SWITCHED_OFF,
        organization_id=endpoint.organization_id,
        subject_type="webhook",
        subject_id=endpoint.id,
        details={"to": origin_of(endpoint.address), "reason": reason},
    )
