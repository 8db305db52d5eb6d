"""Health and metrics, for whoever runs the portal."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, jsonify
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from portal.extensions import db, limiter
from portal.http.access import public
from portal.installation.workers import live_workers
from portal.queues import connect
from portal.web.system.metrics import collect

blueprint = Blueprint("system", __name__)


@blueprint.get("/healthz")
@limiter.exempt
@public
def healthz() -> ResponseReturnValue:
    """Alive: this process answers."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
@limiter.exempt
@public
def readyz() -> ResponseReturnValue:
    """Ready: the database and Redis answer, and a worker has its face model loaded."""
    checks = {"database": "ok", "redis": "ok", "worker": "ok"}
    try:
        db.session.execute(select(1))
        if not live_workers(db.session):
            checks["worker"] = "no worker has been heard from lately"
    except SQLAlchemyError:
        checks["database"] = checks["worker"] = "the database does not answer"
    try:
        connect(current_app.config["PORTAL"].redis_url).ping()
    except RedisError:
        checks["redis"] = "Redis does not answer"
    ready = all(state == "ok" for state in checks.values())
    return jsonify(status="ok" if ready else "not ready", **checks), 200 if ready else 503


@blueprint.get("/metrics")
@limiter.exempt
@public
def metrics() -> ResponseReturnValue:
    """Counts over all organizations together, in Prometheus' text format."""
    return Response(generate_latest(collect()), content_type=CONTENT_TYPE_LATEST)
