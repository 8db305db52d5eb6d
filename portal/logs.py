"""Structured logs: one JSON object per line, with the request or job it belongs to; no names or photos."""

from __future__ import annotations

import logging
import secrets
import sys
import time

import structlog
from flask import Flask, Response, g, request

LONGEST_ID = 128

log = structlog.get_logger()


def configure() -> None:
    """Send all logs of this process, the libraries' included, to standard error as JSON lines."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    # Alembic tells each start of the web what database it found.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # RQ's own lines repeat what ours say, two per job.
    logging.getLogger("rq.worker").setLevel(logging.WARNING)


def _request_id() -> str:
    """The id that the program or a proxy gave the request, if it is one; else a new one."""
    given = request.headers.get("X-Request-Id", "")
    is_one = 0 < len(given) <= LONGEST_ID and given.isascii() and given.isprintable()
    return given if is_one else secrets.token_hex(8)


def init_app(app: Flask) -> None:
    """Give every request an id, and log its end."""

    @app.before_request
    def begin() -> None:
        g.request_started = time.perf_counter()
        g.request_id = _request_id()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    @app.after_request
    def end(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.get("request_id", "")
        if request.endpoint not in {"static", "system.healthz", "system.readyz", "system.metrics"}:
            log.info(
                "request",
                method=request.method,
                endpoint=request.endpoint,
                status=response.status_code,
                ms=round((time.perf_counter() - g.get("request_started", time.perf_counter())) * 1000, 1),
            )
        return response
