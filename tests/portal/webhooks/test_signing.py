"""Signatures that receivers check with the library of Standard Webhooks."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from portal.database import now
from portal.webhooks.models import WebhookEvent
from portal.webhooks.signing import SHOWN_LENGTH, body_of, headers_of, new_salt, secret_of

KEY = "the portal's secret key"


def test_a_secret_follows_from_its_salt_and_the_key_of_the_portal() -> None:
    salt = new_salt()
    secret = secret_of(salt, KEY)
    assert secret == secret_of(salt, KEY)
    assert secret.startswith("whsec_")
    assert len(Webhook(secret)._whsecret) == 32
    assert {secret_of(new_salt(), KEY)[SHOWN_LENGTH:], secret_of(salt, "another")[SHOWN_LENGTH:]}.isdisjoint(
        {secret[SHOWN_LENGTH:]}
    )


def test_either_of_two_secrets_is_enough_to_check_and_a_third_is_not() -> None:
    old, new, other = (secret_of(new_salt(), KEY) for _ in range(3))
    headers = headers_of("evt_1", "{}", [new, old], now())
    for secret in (old, new):
        assert Webhook(secret).verify("{}", headers) == {}
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify("{}", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify("{ }", headers)
    late = headers_of("evt_1", "{}", [new], now() - timedelta(minutes=6))
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(new).verify("{}", late)


def test_an_event_is_sent_in_the_envelope_of_standard_webhooks() -> None:
    event = WebhookEvent(
        type="search.done",
        data={"search_id": 7, "state": "done"},
        created_at=datetime(2026, 11, 28, 7, 5, 1, 250_000, UTC),
    )
    assert json.loads(body_of(event)) == {
        "type": "search.done",
        "timestamp": "2026-11-28T07:05:01.250Z",
        "data": {"search_id": 7, "state": "done"},
    }
