"""`portal doctor`: checks every part of an installation and says "ok" or what to do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from flask import Flask
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from portal import create_app, migrations
from portal.extensions import db
from portal.installation.models import LicenceAnswer, LicenceChoice
from portal.installation.services import current_face_model
from portal.installation.workers import live_workers
from portal.setting_up.licensing import ANSWERED, current_licence
from portal.settings import Settings
from portal.up.children import ROOT
from portal.up.lock import is_up
from portal.up.private_redis import RedisUnavailable, answers, find_server
from portal.webhooks.work import is_overdue

# Below this a day's photos may not fit any more.
LOW_SPACE_BYTES = 1024**3
SHORTEST_SECRET = 32
# Enough for a large model on a slow machine to be loaded and compared with itself.
CHECK_TIMEOUT_S = 300


@dataclass(frozen=True)
class Finding:
    """What was found at one part; `ok` is None for what is no fault, and `mark` then says what it is."""

    part: str
    ok: bool | None
    text: str
    mark: str = "off"

    @property
    def state(self) -> str:
        """In a word: ok, TO DO, or what else it is."""
        return {True: "ok", False: "TO DO", None: self.mark}[self.ok]

    def __str__(self) -> str:
        return f"{self.state:<6} {self.part:<15} {self.text}"


def examine(settings: Settings) -> Iterator[Finding]:
    """Check every part, in the order in which they depend on each other."""
    yield Finding("data folder", True, str(settings.data_dir))
    yield _secret_key(settings)
    yield _storage(settings)
    yield _redis(settings)
    app = create_app(settings)
    database = _database(app)
    yield database
    if database.ok:
        yield from _face_model(app, settings)
        yield from _workers(app, settings)
        yield _webhooks(app, settings)


def _secret_key(settings: Settings) -> Finding:
    if len(settings.secret_key) < SHORTEST_SECRET:
        return Finding(
            "secret key",
            False,
            f"shorter than {SHORTEST_SECRET} characters. Set PORTAL_SECRET_KEY to a long random text, or "
            "unset it and one is made.",
        )
    return Finding("secret key", True, f"{len(settings.secret_key)} characters")


def _storage(settings: Settings) -> Finding:
    folder = settings.photo_dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = folder / f".doctor-{os.getpid()}"
        probe.write_bytes(b"written")
        probe.unlink()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding(
            "photo storage", False, f"{folder} can't be written: {error.strerror}. Check its owner."
        )
    if free < LOW_SPACE_BYTES:
        return Finding("photo storage", False, f"only {_size(free)} is free in {folder}. Make room.")
    return Finding("photo storage", True, f"{folder}, {_size(free)} free")


def _redis(settings: Settings) -> Finding:
    if answers(settings.redis_url):
        connection = Redis.from_url(settings.redis_url)
        try:
            server = cast("dict[str, str]", connection.info("server"))
        except RedisError as error:
            return Finding("redis", False, f"does not say what it is: {error}")
        finally:
            connection.close()
        whose = "private" if settings.redis_is_private else "your own"
        return Finding("redis", True, f"{whose}, version {server['redis_version']}")
    if not settings.redis_is_private:
        return Finding("redis", False, "the one at PORTAL_REDIS_URL does not answer. Start it.")
    if is_up(settings.data_dir):
        return Finding(
            "redis", False, f"does not answer; {settings.data_dir / 'logs' / 'redis.log'} may say why."
        )
    try:
        return Finding("redis", None, f"`portal up` starts {find_server()}")
    except RedisUnavailable as error:
        return Finding("redis", False, str(error))


def _database(app: Flask) -> Finding:
    try:
        migrations.upgrade(app)
        with app.app_context():
            db.session.execute(select(1))
            return Finding("database", True, f"{db.engine.dialect.name}, on the newest schema")
    except migrations.MigrationError as error:
        return Finding("database", False, str(error))
    except DBAPIError as error:
        return Finding(
            "database", False, f"does not answer: {first_line(error.orig)} Check PORTAL_DATABASE_URL."
        )


def _face_model(app: Flask, settings: Settings) -> Iterator[Finding]:
    with app.app_context():
        stored = current_face_model(db.session())
    if stored is None:
        yield Finding("face model", None, "none is chosen yet: the first `portal up` chooses and stores it")
    try:
        check = subprocess.run(
            [sys.executable, "-m", "jobs.prepare", "--check"],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
            | settings.environment(),
            capture_output=True,
            text=True,
            timeout=CHECK_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        yield Finding(
            "face model", False, f"did not load within {CHECK_TIMEOUT_S} s. Is the machine overloaded?"
        )
        return
    if check.returncode != 0:
        said = (check.stderr.strip() or check.stdout.strip() or "it did not say why").splitlines()
        yield Finding("face model", False, said[-1])
        return
    model = json.loads(check.stdout.strip().splitlines()[-1])
    if stored is not None:
        yield Finding("face model", True, f"{stored.name}, as stored, {stored.dimension} dimensions")
    yield _licence(app, model["licence"])
    if model["remark"]:
        yield Finding("remark", None, model["remark"], "NOTE")
    yield Finding("device", True, f"{model['device']}, {model['provider']}, {model['precision']}")
    yield Finding("comparison", True, model["comparison"])


def _licence(app: Flask, text: str) -> Finding:
    with app.app_context():
        licence = current_licence(db.session())
        if licence is None:
            return Finding("licence", True, text)
        text = f"{text} {licence.allows}"
        if licence.is_to_confirm:
            unanswered = f"{text} Nobody has confirmed that it may be used here: `portal licence`."
            return Finding("licence", None, unanswered, "ASK")
        return Finding("licence", True, f"{text} {_answered(licence.answer)}".rstrip())


def _answered(answer: LicenceAnswer | None) -> str:
    if answer is None:
        return ""
    words = ANSWERED[LicenceChoice(answer.choice)]
    return f"Answered by {answer.answered_by} on {answer.answered_at:%Y-%m-%d}: {words}."


def _workers(app: Flask, settings: Settings) -> Iterator[Finding]:
    with app.app_context():
        workers = live_workers(db.session())
    if workers:
        yield Finding("workers", True, f"{len(workers)} alive")
    elif is_up(settings.data_dir):
        yield Finding("workers", False, f"none is alive; see worker-*.log in {settings.data_dir / 'logs'}.")
    else:
        yield Finding("workers", None, "the portal is not up here: `portal up` starts it")


def _webhooks(app: Flask, settings: Settings) -> Finding:
    with app.app_context():
        overdue = is_overdue(db.session())
    if overdue and is_up(settings.data_dir):
        log = settings.data_dir / "logs" / "webhooks.log"
        return Finding("webhooks", False, f"events are waiting and nobody sends them; see {log}.")
    if overdue:
        return Finding("webhooks", None, "events are waiting: `portal up` sends them")
    if settings.webhook_private_addresses:
        return Finding(
            "webhooks",
            None,
            "may go to this machine and its network, also without HTTPS (PORTAL_WEBHOOK_PRIVATE_ADDRESSES=1)",
            "NOTE",
        )
    return Finding("webhooks", True, "go to addresses on the internet only")


def first_line(error: object) -> str:
    """The first line of what a driver said."""
    lines = str(error).strip().splitlines()
    return f"{lines[0].rstrip('.')}." if lines else "it did not say why."


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1024**3:.1f} GiB"
