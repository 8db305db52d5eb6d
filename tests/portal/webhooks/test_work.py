"""Claims, pauses and ends of deliveries, without a network: what is sent next, and what an answer does."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.audit.models import AuditEvent
from portal.database import now, writing
from portal.organizations.models import Organization
from portal.webhooks import services, work
from portal.webhooks.models import (
    DeliveryState,
    OffReason,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from portal.webhooks.sending import Answer, Problem
from portal.webhooks.work import Sending
from tests.databases import on_both_databases
from tests.make.people import TESTER
from tests.make.webhooks import (
    Endpoint,
    add_endpoint,
    deliveries,
    fresh,
    happen,
    pass_time,
    rules,
    states,
    written,
)

WAITING, DELIVERED, GIVEN_UP = DeliveryState.WAITING, DeliveryState.DELIVERED, DeliveryState.GIVEN_UP
ME, OTHER = "host:1:me", "host:2:other"


@pytest.fixture
def endpoint(session: Session, clinic: Organization) -> Endpoint:
    """An endpoint for which two searches have ended."""
    one = add_endpoint(session, clinic)
    happen(session, clinic, 1, 2)
    return one


def key() -> str:
    return rules().secret_key


def take(session: Session, endpoint: Endpoint, sender: str = ME) -> Sending | None:
    """Claim an endpoint if it is due, and see what is to be sent to it."""
    if endpoint.id not in work.claim_due(session, sender, 10):
        return None
    return work.next_sending(session, sender, endpoint.id, key())


def attempt(session: Session, endpoint: Endpoint, answer: Answer) -> Sending | None:
    """One request, answered so; returns what would be sent after it."""
    sending = take(session, endpoint)
    assert sending is not None
    return work.record_answer(session, ME, sending, answer, key(), go_on=True)


def remember(session: Session, table: Any, **values: datetime) -> None:
    """Let it have been earlier."""
    with writing(session):
        session.execute(update(table).values(**values))


@on_both_databases
def test_events_are_sent_one_after_the_other(session: Session, endpoint: Endpoint) -> None:
    first = take(session, endpoint)
    assert first is not None
    assert '"search_id":1' in first.body
    # While it is under way nobody else sends.
    assert take(session, endpoint, OTHER) is None
    second = work.record_answer(session, ME, first, Answer(204), key(), go_on=True)
    assert second is not None
    assert '"search_id":2' in second.body
    assert states(session, endpoint) == [DELIVERED, WAITING]
    assert work.record_answer(session, ME, second, Answer(200), key(), go_on=True) is None
    assert states(session, endpoint) == [DELIVERED, DELIVERED]
    assert not work.any_due(session)
    assert fresh(session, endpoint).claimed_by is None


@on_both_databases
def test_what_is_not_taken_holds_up_what_comes_after_it(session: Session, endpoint: Endpoint) -> None:
    assert attempt(session, endpoint, Answer(500)) is None
    assert states(session, endpoint) == [WAITING, WAITING]
    assert not work.any_due(session)
    pass_time(session, endpoint)
    again = take(session, endpoint)
    assert again is not None
    assert '"search_id":1' in again.body
    first, second = deliveries(session, endpoint)
    assert (first.attempts, first.status, second.attempts) == (2, 500, 0)


def test_a_process_that_was_killed_loses_its_claim_and_not_the_event(
    session: Session, endpoint: Endpoint
) -> None:
    mine = take(session, endpoint)
    assert mine is not None
    remember(session, WebhookEndpoint, claimed_until=now() - timedelta(seconds=1))
    theirs = take(session, endpoint, OTHER)
    assert theirs is not None
    # The same message, so that its receiver can tell.
    assert (theirs.message_id, theirs.body) == (mine.message_id, mine.body)
    # It was only slow, and comes back: the row is not its own any more.
    assert work.record_answer(session, ME, mine, Answer(500), key(), go_on=True) is None
    assert states(session, endpoint) == [WAITING, WAITING]
    assert fresh(session, endpoint).failing_since is None
    assert work.record_answer(session, OTHER, theirs, Answer(200), key(), go_on=False) is None
    assert states(session, endpoint) == [DELIVERED, WAITING]
    assert take(session, endpoint) is not None


def test_pauses_grow_to_four_hours_and_differ(session: Session) -> None:
    for attempts, expected in ((1, 5.0), (2, 15.0), (5, 405.0), (9, 4 * 3600), (1000, 4 * 3600)):
        delays = [work.delay_s(attempts) for _ in range(50)]
        assert all(0.8 * expected <= delay <= 1.2 * expected for delay in delays)
        assert len(set(delays)) == 50


def test_a_receiver_that_asks_for_time_gets_it_within_limits(session: Session, endpoint: Endpoint) -> None:
    for asked, at_least, at_most in ((600, 590, 610), (10**9, 4 * 3600 - 10, 4 * 3600)):
        pass_time(session, endpoint)
        attempt(session, endpoint, Answer(503, retry_after_s=asked))
        pause = (fresh(session, endpoint).next_attempt_at or now()) - now()
        assert at_least <= pause.total_seconds() <= at_most


def test_after_three_days_the_next_event_has_its_turn(session: Session, endpoint: Endpoint) -> None:
    attempt(session, endpoint, Answer(problem=Problem.TIMEOUT))
    remember(session, WebhookDelivery, first_attempt_at=now() - work.GIVEN_UP_AFTER)
    remember(session, WebhookEndpoint, failing_since=now() - work.GIVEN_UP_AFTER)
    pass_time(session, endpoint)
    following = attempt(session, endpoint, Answer(500))
    assert states(session, endpoint) == [GIVEN_UP, WAITING]
    assert following is not None
    assert '"search_id":2' in following.body
    work.record_answer(session, ME, following, Answer(200), key(), go_on=True)
    assert fresh(session, endpoint).failing_since is None


def test_an_endpoint_that_fails_for_days_is_off_and_goes_on_when_it_is_on_again(
    session: Session, endpoint: Endpoint, clinic: Organization
) -> None:
    attempt(session, endpoint, Answer(500))
    remember(session, WebhookDelivery, first_attempt_at=now() - timedelta(days=2))
    remember(session, WebhookEndpoint, failing_since=now() - work.OFF_AFTER)
    pass_time(session, endpoint)
    attempt(session, endpoint, Answer(500))
    assert fresh(session, endpoint).off_reason == OffReason.FAILING
    assert services.count_off(session, clinic) == 1
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "webhook.switched_off")).one()
    assert (event.actor, event.details) == (
        "webhooks",
        {"to": "https://receiver.example", "reason": "failing"},
    )
    happen(session, clinic, 3)
    assert take(session, endpoint) is None
    services.switch_on(session, TESTER, rules(), fresh(session, endpoint))
    sent = []
    sending = take(session, endpoint)
    while sending is not None:
        sent.append(sending.body.partition('"search_id":')[2][:1])
        sending = work.record_answer(session, ME, sending, Answer(200), key(), go_on=True)
    assert sent == ["1", "2", "3"]
    # It has three days again.
    assert states(session, endpoint) == [DELIVERED] * 3


def test_one_that_is_gone_is_off_at_once(session: Session, endpoint: Endpoint) -> None:
    assert attempt(session, endpoint, Answer(410)) is None
    assert fresh(session, endpoint).off_reason == OffReason.GONE
    assert states(session, endpoint) == [WAITING, WAITING]


def test_another_secret_key_of_the_portal_signs_nothing(
    app: Flask, session: Session, endpoint: Endpoint
) -> None:
    assert work.claim_due(session, ME, 10) == [endpoint.id]
    assert work.next_sending(session, ME, endpoint.id, "another key") is None
    assert fresh(session, endpoint).off_reason == OffReason.KEY_CHANGED
    assert [one.attempts for one in deliveries(session, endpoint)] == [0, 0]
    other = services.Rules("another key", private_allowed=True)
    with pytest.raises(services.WebhookError, match="Replace the secret first"):
        services.switch_on(session, TESTER, other, fresh(session, endpoint))
    services.rotate_secret(session, TESTER, other, fresh(session, endpoint), endpoint.row.shown)
    services.switch_on(session, TESTER, other, fresh(session, endpoint))
    assert work.claim_due(session, ME, 10) == [endpoint.id]
    sending = work.next_sending(session, ME, endpoint.id, "another key")
    assert sending is not None
    assert len(sending.secrets) == 1  # with the one before nobody can sign


def test_both_secrets_sign_for_a_day(session: Session, endpoint: Endpoint) -> None:
    new = services.rotate_secret(session, TESTER, rules(), endpoint.row, endpoint.row.shown)
    with pytest.raises(services.WebhookError, match="already been replaced"):
        services.rotate_secret(session, TESTER, rules(), endpoint.row, "whsec_old1")
    sending = take(session, endpoint)
    assert sending is not None
    assert sending.secrets == [new, endpoint.secret]
    remember(session, WebhookEndpoint, previous_until=now() - timedelta(seconds=1))
    later = work.record_answer(session, ME, sending, Answer(200), key(), go_on=True)
    assert later is not None
    assert later.secrets == [new]


def test_what_nobody_sends_is_noticed(session: Session, endpoint: Endpoint) -> None:
    assert not work.is_overdue(session)
    remember(session, WebhookEvent, created_at=now() - work.OVERDUE_AFTER - timedelta(seconds=1))
    assert work.is_overdue(session)
    attempt(session, endpoint, Answer(500))  # someone does, and rests
    assert not work.is_overdue(session)


@on_both_databases
def test_what_is_older_than_a_month_is_forgotten(
    session: Session, endpoint: Endpoint, clinic: Organization
) -> None:
    attempt(session, endpoint, Answer(200))
    remember(session, WebhookEvent, created_at=now() - work.KEPT_FOR - timedelta(minutes=1))
    happen(session, clinic, 3)
    work.forget_old(session)
    assert written(session) == [("search.done", {"search_id": 3, "state": "done"})]
    assert states(session, endpoint) == [WAITING]
