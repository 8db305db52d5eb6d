"""What `portal up` does: from a data folder to a portal that serves, until it is told to stop."""

from __future__ import annotations

import http.client
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask
from sqlalchemy.engine import make_url

from portal import create_app, migrations
from portal.accounts.services import any_user
from portal.extensions import db
from portal.setting_up.first_run import first_run_code
from portal.setting_up.licensing import current_licence
from portal.settings import Settings
from portal.up import private_redis
from portal.up.children import Program, Stage
from portal.up.listener import Listener
from portal.up.lock import only_one
from portal.up.private_redis import RedisUnavailable
from portal.up.supervisor import StopRequested, Supervisor

MOST_WORKERS_BY_DEFAULT = 4
REDIS_START_S = 10.0
POLL_S = 0.25
# After this the console says what is missing, and goes on waiting.
SLOW_START_S = 60.0

Say = Callable[[str], None]


class StartError(RuntimeError):
    """Something that the portal needs did not start; the message says what to do."""


@dataclass(frozen=True)
class Options:
    """The options of `portal up`."""

    host: str
    port: int
    workers: int | None = None
    demo: bool = False


def up(settings: Settings, options: Options, say: Say) -> None:
    """Run the portal until SIGINT or SIGTERM.

    Raises StartError, RedisUnavailable, ListenError, AlreadyUp or MigrationError where it can't start.
    """
    with only_one(settings.data_dir), Listener(options.host, options.port) as listener:
        if not listener.is_local:
            say(
                f"Warning: {options.host} can be reached from other machines. Put an HTTPS proxy in front "
                "and set PORTAL_TRUSTED_PROXIES=1: without it passwords and photos travel unencrypted."
            )
        app = create_app(settings)
        migrations.upgrade(app)
        try:
            with Supervisor(say, _environment(settings), settings.data_dir / "logs") as supervisor:
                try:
                    _run(supervisor, settings, options, listener, app, say)
                except StopRequested:
                    say("Stopping. Press Ctrl-C again to kill what is still running.")
                    listener.close()
                    raise
        except StopRequested:
            say("Stopped.")


def _run(
    supervisor: Supervisor, settings: Settings, options: Options, listener: Listener, app: Flask, say: Say
) -> None:
    _start_redis(supervisor, settings)
    model = _prepare(supervisor, say)
    for number in range(1, (options.workers or default_workers()) + 1):
        supervisor.keep(Program(f"worker-{number}", [sys.executable, "-m", "jobs.worker"], Stage.WORKERS))
    supervisor.keep(Program("webhooks", [sys.executable, "-m", "jobs.deliver"], Stage.WORKERS))
    supervisor.keep(
        Program(
            "web",
            [
                *(sys.executable, "-m", "gunicorn", "--config", "python:portal.up.gunicorn_conf"),
                *("--bind", f"fd://{listener.descriptor}", "wsgi:app"),
            ],
            Stage.WEB,
            pass_fds=(listener.descriptor,),
        )
    )
    _wait_until_ready(supervisor, listener, say)
    if options.demo:
        supervisor.run(Program("demo", [sys.executable, "-m", "jobs.demo"], Stage.ERRAND), say)
    # The banner comes after the demo, whose user is a first user: then no code is needed.
    say(_banner(settings, listener, model, app))
    supervisor.serve(lambda: False)


def default_workers() -> int:
    """One worker per core, and no more than are useful before the database is the bottleneck."""
    return min(MOST_WORKERS_BY_DEFAULT, os.cpu_count() or 1)


def _environment(settings: Settings) -> dict[str, str]:
    """The environment of the children: this one, with the settings as they were understood here."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
    return others | settings.environment()


def _start_redis(supervisor: Supervisor, settings: Settings) -> None:
    if not settings.redis_is_private:
        if not private_redis.answers(settings.redis_url):
            raise RedisUnavailable(
                f"Redis does not answer at {_without_password(settings.redis_url)} (PORTAL_REDIS_URL). "
                "Start it, or unset PORTAL_REDIS_URL and the portal starts one of its own."
            )
        return
    program = private_redis.program(settings)
    supervisor.keep(program)
    deadline = time.monotonic() + REDIS_START_S
    supervisor.serve(
        lambda: time.monotonic() > deadline or private_redis.answers(settings.redis_url), every_s=0.05
    )
    if not private_redis.answers(settings.redis_url):
        said = "\n".join(f"  {line}" for line in supervisor.last_lines(program.name))
        raise StartError(f"The private Redis ({program.command[0]}) does not start.\n{said}".rstrip())


def _prepare(supervisor: Supervisor, say: Say) -> dict[str, str]:
    """Choose and test the face model, and return what is known about it."""
    last = ""

    def take(line: str) -> None:
        nonlocal last
        if last:
            say(last)
        last = line

    code = supervisor.run(Program("prepare", [sys.executable, "-m", "jobs.prepare"], Stage.ERRAND), take)
    if code != 0:
        if last:
            say(last)
        raise StartError("The face model is not ready, so the portal does not start.")
    model: dict[str, str] = json.loads(last)
    return model


def _wait_until_ready(supervisor: Supervisor, listener: Listener, say: Say) -> None:
    slow_at = time.monotonic() + SLOW_START_S

    def ready() -> bool:
        nonlocal slow_at
        state = _readiness(listener)
        if state == "ok":
            return True
        if time.monotonic() > slow_at:
            slow_at += SLOW_START_S
            say(f"Still starting: {state}. See the folder logs in the data folder.")
        return False

    supervisor.serve(ready, every_s=POLL_S)


def _readiness(listener: Listener) -> str:
    """What /readyz says, in one line."""
    connection = http.client.HTTPConnection(listener.own_host, listener.port, timeout=1)
    try:
        connection.request("GET", "/readyz")
        answer = json.loads(connection.getresponse().read())
        return "; ".join(state for state in answer.values() if state not in {"ok", "not ready"}) or "ok"
    except (OSError, http.client.HTTPException, ValueError):
        return "the web server does not answer yet"
    finally:
        connection.close()


def _banner(settings: Settings, listener: Listener, model: dict[str, str], app: Flask) -> str:
    lines = [
        "",
        "Face Portal is ready.",
        f"  Address      {listener.url}",
        f"  Face model   {model['model']}",
        f"  Licence      {model['licence']}",
        *_what_is_allowed(app),
        f"  Device       {model['device']}, {model['provider']}, {model['precision']}",
        f"  Data folder  {settings.data_dir}",
    ]
    with app.app_context():
        if not any_user(db.session()):
            lines += [
                f"  First user   {listener.url}/first-run",
                f"  Code         {first_run_code(settings.data_dir)}   (asked for there, once)",
            ]
    return "\n".join([*lines, "  Ctrl-C stops it.", ""])


def _what_is_allowed(app: Flask) -> list[str]:
    with app.app_context():
        licence = current_licence(db.session())
        if licence is None:
            return []
        lines = [licence.allows]
        if licence.is_to_confirm:
            how = "`portal licence`" if any_user(db.session()) else "the first-run page"
            lines.append(f"Not confirmed yet: {how} asks how you may use it.")
        return [f"               {line}" for line in lines]


def _without_password(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)
