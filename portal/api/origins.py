"""Pages of other origins may use the API where the installation names them (CORS); never with cookies."""

from __future__ import annotations

from flask import Flask
from flask_cors import CORS

from portal.http.security import API_PREFIX

MAX_AGE_S = 3600
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
ALLOWED = ["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "X-Request-Id"]
EXPOSED = [
    *("Content-Disposition", "ETag", "Location", "RateLimit", "RateLimit-Policy", "Retry-After"),
    *("WWW-Authenticate", "X-Request-Id"),
]


def init_app(app: Flask) -> None:
    """Let browsers show answers of the API to pages of the origins in PORTAL_API_ORIGINS."""
    origins = app.config["PORTAL"].api_origins
    if origins:
        CORS(
            app,
            resources={f"{API_PREFIX}*": {"origins": list(origins)}},
            methods=METHODS,
            allow_headers=ALLOWED,
            expose_headers=EXPOSED,
            max_age=MAX_AGE_S,
            supports_credentials=False,
            always_send=False,
        )
