"""How often a password or a code may be wrong before its page says to wait."""

from __future__ import annotations

from flask import Response, g, request
from flask_login import current_user

from portal.addresses import client_network
from portal.extensions import limiter


def count_failure() -> None:
    """Count this attempt."""
    g.attempt_failed = True


def _failed(_response: Response) -> bool:
    return bool(g.get("attempt_failed", False))


def _address_and_account() -> str:
    if current_user.is_authenticated:
        account = str(current_user.id)
    else:
        account = request.form.get("email", "").strip().casefold()
    return f"{client_network()} {account}"


# One count for all pages where a secret is typed: changing pages gives no more tries.
by_address = limiter.shared_limit("30 per minute", scope="secrets", methods=["POST"], deduct_when=_failed)
# By address as well: else anyone could lock someone out by failing in their name.
by_account = limiter.shared_limit(
    "10 per minute",
    scope="secrets of an account",
    key_func=_address_and_account,
    methods=["POST"],
    deduct_when=_failed,
)
