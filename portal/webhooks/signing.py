"""Secrets of endpoints, and signatures after Standard Webhooks.

No secret is stored: it is worked out from a random salt, which the endpoint's row has, and the portal's
secret key, which the database does not have. So a copy of the database signs nothing.
"""

from __future__ import annotations

import hmac
import json
import secrets
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256

from standardwebhooks.webhooks import Webhook

from portal.webhooks.models import WebhookEndpoint, WebhookEvent

PURPOSE = b"face portal webhook secret"
SALT_BYTES = 32
SHOWN_LENGTH = len("whsec_") + 4


def new_salt() -> bytes:
    """What makes one secret different from all others."""
    return secrets.token_bytes(SALT_BYTES)


def secret_of(salt: bytes, secret_key: str) -> str:
    """The secret that belongs to a salt: "whsec_" and 256 bits in Base64, as Standard Webhooks has it."""
    derived = hmac.digest(secret_key.encode(), PURPOSE + salt, sha256)
    return "whsec_" + b64encode(derived).decode()


def can_sign(endpoint: WebhookEndpoint, secret_key: str) -> bool:
    """Whether the endpoint's secret is still the one that was shown: not under another secret key."""
    return secret_of(endpoint.salt, secret_key)[:SHOWN_LENGTH] == endpoint.shown


def body_of(event: WebhookEvent) -> str:
    """An event as it is sent, the same each time."""
    happened = event.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    envelope = {"type": event.type, "timestamp": happened, "data": event.data}
    return json.dumps(envelope, separators=(",", ":"))


def headers_of(message_id: str, body: str, secrets_: Sequence[str], moment: datetime) -> dict[str, str]:
    """The headers with which a body is sent at a moment: signed with each secret, so that either one fits."""
    moment = moment.astimezone(UTC)
    signatures = (Webhook(secret).sign(message_id, moment, body) for secret in secrets_)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
