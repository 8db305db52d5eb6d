"""Figures for Prometheus: sums over the installation, nothing of a single organization."""

from __future__ import annotations

from collections.abc import Iterable

from flask import current_app
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError
from sqlalchemy import func, select

from portal.extensions import db
from portal.http.holding import places
from portal.installation.workers import live_workers
from portal.people.models import Merge, Person
from portal.photos.models import Photo
from portal.queues import QUEUES, connect, queue
from portal.search.models import Search


class _Figures(Collector):
    def collect(self) -> Iterable[Metric]:
        session = db.session
        aliases = select(func.count()).select_from(Merge).where(Merge.undone_at.is_(None)).scalar_subquery()
        people = session.scalar(select(func.count() - aliases).select_from(Person)) or 0
        yield GaugeMetricFamily("portal_people", "Enrolled people", value=people)
        for name, table in (("photos", Photo), ("searches", Search)):
            family = GaugeMetricFamily(f"portal_{name}", f"{name.capitalize()} by state", labels=["state"])
            for state, count in session.execute(select(table.state, func.count()).group_by(table.state)):
                family.add_metric([state], count)
            yield family
        workers = live_workers(session)
        yield GaugeMetricFamily("portal_workers", "Workers with a heartbeat", value=len(workers))
        memory = GaugeMetricFamily("portal_worker_memory_bytes", "Resident memory", labels=["worker"])
        for number, worker in enumerate(workers, start=1):
            memory.add_metric([str(number)], worker.memory_bytes)
        yield memory
        yield GaugeMetricFamily(
            "portal_held_requests", "Slow uploads and answers of this process", value=len(places())
        )
        yield from _waiting_jobs()


def _waiting_jobs() -> Iterable[Metric]:
    connection = connect(current_app.config["PORTAL"].redis_url)
    jobs = GaugeMetricFamily("portal_waiting_jobs", "Jobs waiting in Redis", labels=["queue"])
    try:
        for name in QUEUES:
            jobs.add_metric([name], queue(name, connection).count)
    except RedisError:
        yield GaugeMetricFamily("portal_redis_up", "Whether Redis answers", value=0)
    else:
        yield GaugeMetricFamily("portal_redis_up", "Whether Redis answers", value=1)
        yield jobs


def collect() -> CollectorRegistry:
    """A registry that reads the figures when it is asked."""
    registry = CollectorRegistry()
    registry.register(_Figures())
    return registry
