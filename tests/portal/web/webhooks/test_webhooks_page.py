"""The pages of webhooks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask.sessions import SecureCookieSessionInterface
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.audit.models import AuditEvent
from portal.database import now, writing
from portal.organizations.models import Organization
from portal.webhooks.models import (
    DeliveryState,
    OffReason,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from portal.webhooks.services import DELIVERIES_A_PAGE, MOST_ENDPOINTS
from tests.make.webhooks import Endpoint, add_endpoint, deliveries, fresh, happen, states
from tests.visitor import Visitor

Events = Callable[[str], list[AuditEvent]]
ADDRESS = "https://receiver.example/hooks/T0K3N"


@pytest.fixture
def endpoint(session: Session, clinic: Organization) -> Endpoint:
    return add_endpoint(session, clinic, ADDRESS)


def press(visitor: Visitor, endpoint: Endpoint, what: str, **fields: str) -> str:
    """Press a button of an endpoint's page; returns what the page says then."""
    visitor.post(f"/settings/webhooks/{endpoint.id}/{what}", fields, follow=True)
    return visitor.text


def look(visitor: Visitor, endpoint: Endpoint) -> str:
    visitor.get(f"/settings/webhooks/{endpoint.id}")
    return visitor.text


def create(visitor: Visitor, **fields: object) -> str:
    usual = {"address": ADDRESS, "events": ["batch.done", "search.done"]}
    visitor.post("/settings/webhooks", {**usual, **fields})
    return visitor.text


def test_a_secret_is_shown_once_and_is_nowhere_else(alice: Visitor, session: Session, events: Events) -> None:
    assert "The secret is ready." in create(alice)
    secret = alice.one("[data-copy-text]").get_text()
    assert secret.startswith("whsec_")
    cookie = alice.client.get_cookie(alice.app.config["SESSION_COOKIE_NAME"])
    assert cookie is not None
    signer = SecureCookieSessionInterface().get_signing_serializer(alice.app)
    assert signer is not None
    assert secret not in str(signer.loads(cookie.value))
    row = session.scalars(select(WebhookEndpoint)).one()
    assert row.events == ["batch.done", "search.done"]
    assert look(alice, Endpoint(row, secret)).count(secret[:10]) == 1
    assert secret not in alice.text
    (event,) = events("webhook.created")
    assert event.details == {"to": "https://receiver.example", "events": ["batch.done", "search.done"]}
    alice.get("/audit")
    assert "Created a webhook to https://receiver.example for batch.done, search.done." in alice.text
    # A form that is sent twice makes one.
    assert "There is a webhook with this address already." in create(alice)
    alice.get("/settings/webhooks")
    assert len(alice.page.select("[data-webhook]")) == 1


def test_what_is_wrong_is_told_at_its_field(alice: Visitor, endpoint: Endpoint) -> None:
    for fields, words in (
        ({"address": ""}, "Enter the address that is to be told."),
        ({"address": "http://other.example/"}, "The address must begin with https://"),
        ({"address": ADDRESS}, "There is a webhook with this address already."),
        ({"address": "https://other.example/", "events": []}, "Choose at least one event."),
        ({"events": ["everything"]}, "not a valid choice"),
    ):
        assert words in create(alice, **fields), fields
        alice.post(f"/settings/webhooks/{endpoint.id}", {"address": "https://x.example/", **fields})
        if fields.get("address") != ADDRESS:
            assert words in alice.text, fields
    for number in range(MOST_ENDPOINTS - 1):
        create(alice, address=f"https://receiver.example/{number}")
    assert "An organization can have 10 webhooks." in create(alice, address="https://receiver.example/11")


def test_an_address_and_events_are_changed(alice: Visitor, endpoint: Endpoint, session: Session) -> None:
    look(alice, endpoint)
    assert alice.one("input[name=address]")["value"] == ADDRESS
    assert len(alice.page.select("input[name=events][checked]")) == 7
    form = {"address": "https://other.example/", "events": ["photo.failed"]}
    alice.post(f"/settings/webhooks/{endpoint.id}", form, follow=True)
    assert "The webhook is saved." in alice.text
    row = fresh(session, endpoint)
    assert (row.address, row.events) == ("https://other.example/", ["photo.failed"])
    alice.post(f"/settings/webhooks/{endpoint.id}", form, follow=True)
    assert "Nothing was changed." in alice.text
    alice.get("/audit")
    assert "Changed the webhook to https://receiver.example: it goes to https://other.example" in alice.text


def test_a_secret_is_replaced_once_by_one_form(alice: Visitor, endpoint: Endpoint, session: Session) -> None:
    assert "The secret is ready." in press(alice, endpoint, "rotate", shown=endpoint.row.shown)
    secret = alice.one("[data-copy-text]").get_text()
    assert secret != endpoint.secret
    assert "The one before it is signed with as well until" in alice.text
    assert "The secret has already been replaced." in press(
        alice, endpoint, "rotate", shown=endpoint.row.shown
    )
    assert fresh(session, endpoint).shown == secret[:10]


def test_off_and_on_again(alice: Visitor, endpoint: Endpoint, session: Session, clinic: Organization) -> None:
    assert "This webhook is switched off. What happens is kept for up to 30 days" in press(
        alice, endpoint, "off"
    )
    happen(session, clinic, 1)
    assert "This webhook is off. Switch it on first" in press(alice, endpoint, "test")
    assert "The webhook is on. What was waiting is being sent." in press(alice, endpoint, "on")
    assert alice.one("[data-webhook-state]")["data-webhook-state"] == "On"
    assert "A test event is on its way." in press(alice, endpoint, "test")
    assert [one["data-delivery-state"] for one in alice.page.select("[data-delivery]")] == ["waiting"] * 2
    alice.get("/audit")
    for words in ("Switched the webhook to https://receiver.example off.", "on.", "Sent a test event to the"):
        assert words in alice.text


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (OffReason.FAILING, "its address had taken nothing for five days"),
        (OffReason.GONE, "its address answered that it is gone for good"),
        (OffReason.KEY_CHANGED, "the portal has another secret key"),
    ],
)
def test_one_that_went_off_by_itself_is_told_and_on_the_dashboard_too(
    reason: OffReason, words: str, alice: Visitor, bob: Visitor, endpoint: Endpoint, session: Session
) -> None:
    for visitor in (alice, bob):
        visitor.get("/")
        assert "webhook" not in visitor.text.casefold()
    with writing(session):
        session.execute(update(WebhookEndpoint).values(off_reason=reason, off_at=now()))
    assert words in look(alice, endpoint)
    alice.get("/settings/webhooks")
    assert "Off" in alice.one("[data-webhook]").get_text(" ")
    alice.get("/")
    assert "A webhook was switched off." in alice.text
    bob.get("/")
    assert "webhook" not in bob.text.casefold()


def test_deliveries_say_what_was_answered_and_can_be_sent_again(
    alice: Visitor, endpoint: Endpoint, session: Session, clinic: Organization
) -> None:
    happen(session, clinic, 1, 2, 3)
    with writing(session):
        taken, failing, _ = session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.id)).all()
        taken.state, taken.status, taken.attempts = DeliveryState.DELIVERED, 204, 1
        failing.problem, failing.attempts = "timeout", 4
        row = session.get_one(WebhookEndpoint, endpoint.id)
        row.failing_since = row.next_attempt_at = now() + timedelta(hours=1)
    text = look(alice, endpoint)
    assert "The last attempts failed." in text
    rows = [one.get_text(" ", strip=True) for one in alice.page.select("[data-delivery]")]
    assert "search 3, done" in rows[0]
    assert "none yet" in rows[0]
    assert "Waiting No answer within 10 seconds. 4 attempts" in rows[1]
    assert "Delivered 204 No Content" in rows[2]
    (button,) = alice.page.select("[data-delivery] form")
    assert "The event is sent once more." in press(alice, endpoint, f"deliveries/{taken.id}/replay")
    assert str(button["action"]).endswith(f"/deliveries/{taken.id}/replay")
    assert f"sent by {alice.user.email}" in alice.text
    assert states(session, endpoint)[3] == DeliveryState.WAITING
    assert fresh(session, endpoint).next_attempt_at is None  # and everything that waits is tried at once
    assert "still being tried" in press(alice, endpoint, f"deliveries/{failing.id}/replay")
    alice.get("/audit")
    assert f"Sent an event once more to the webhook to https://receiver.example (delivery {taken.id})." in (
        alice.text
    )


def test_many_deliveries_are_read_page_by_page(
    alice: Visitor, endpoint: Endpoint, session: Session, clinic: Organization
) -> None:
    happen(session, clinic, *range(DELIVERIES_A_PAGE + 1))
    look(alice, endpoint)
    assert len(alice.page.select("[data-delivery]")) == DELIVERIES_A_PAGE
    alice.get(alice.link("a[rel=next]"))
    assert "search 0, done" in alice.one("[data-delivery]").get_text(" ")
    assert alice.get(f"/settings/webhooks/{endpoint.id}?after=damaged").status_code == 400


def test_a_deleted_one_is_gone_with_what_waited_for_it(
    alice: Visitor, endpoint: Endpoint, session: Session, clinic: Organization
) -> None:
    happen(session, clinic, 1)
    assert "The webhook is deleted." in press(alice, endpoint, "delete")
    assert "No other program is told what happens here." in alice.text
    assert deliveries(session, endpoint) == []
    assert alice.get(f"/settings/webhooks/{endpoint.id}").status_code == 404
    assert len(session.scalars(select(WebhookEvent)).all()) == 1  # until it is old
