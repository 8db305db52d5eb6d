"""How many requests a key has a minute, and how many refused ones an address; both said in every answer.

The headers are those of the IETF draft httpapi-ratelimit-headers (10): `RateLimit-Policy` and `RateLimit`.
"""

from __future__ import annotations

import time

import structlog
from flask import Response, current_app, g
from redis.exceptions import RedisError

from portal.addresses import client_network
from portal.extensions import limiter

# A program that sends a wrong key again and again is told to stop; right keys of its address are not counted.
REFUSALS_PER_MINUTE = 60

log = structlog.get_logger()


def _requests_per_minute() -> str:
    return f"{current_app.config['PORTAL'].api_rate} per minute"


# Entered with `with`, which counts; raises RateLimitExceeded (429).
requests_of_key = limiter.shared_limit(
    _requests_per_minute, scope="requests", key_func=lambda: f"key {g.api_key.id}"
)
refusals_of_address = limiter.shared_limit(
    f"{REFUSALS_PER_MINUTE} per minute", scope="refusals", key_func=client_network
)


def add_headers(response: Response) -> Response:
    """Say what is left of the limit that this request counted for."""
    limit = limiter.current_limit
    if limit is None:
        return response
    window = limit.limit.get_expiry()
    try:
        # Flask-Limiter rounds the moment up, to beyond the window.
        seconds, left = min(window, max(1, round(limit.reset_at - time.time()))), limit.remaining
    except RedisError as error:
        log.warning("Redis did not say what is left of a limit", error=str(error))
        return response
    name = limit.request_args[-1]
    response.headers["RateLimit-Policy"] = f'"{name}";q={limit.limit.amount};w={window}'
    response.headers["RateLimit"] = f'"{name}";r={left};t={seconds}'
    if response.status_code == 429:
        # Refused by another limit (http/holding.py) it says so itself.
        response.headers.setdefault("Retry-After", str(seconds))
    return response
