"""A private PostgreSQL for tests: started from the machine's own programs, thrown away afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from sqlalchemy import Engine, text

from tests.waiting import wait_until

# Where Debian and Ubuntu keep the programs of each version.
USUAL = "/usr/lib/postgresql"


class PostgresServer:
    """A server that listens on a socket only, in which each test gets a database of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._where = f"host={folder} user=portal"

    def answers(self) -> bool:
        try:
            self._administer("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def new_database(self, template: str = "template1") -> str:
        """Make a database like another one; returns its name."""
        name = f"portal_{uuid4().hex}"
        self._administer(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def url_of(self, name: str) -> str:
        """What PORTAL_DATABASE_URL is for a database."""
        return f"postgresql://portal@/{name}?{self._where.split()[0]}"

    def _administer(self, statement: str) -> None:
        with psycopg.connect(f"{self._where} dbname=postgres", autocommit=True) as connection:
            connection.execute(statement)


def find_programs() -> Path | None:
    """The folder of `initdb` and `postgres`; None where there is no PostgreSQL."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    versions = sorted(Path(USUAL).glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return versions[-1].parent if versions else None


@contextmanager
def postgres_server(programs: Path) -> Iterator[PostgresServer]:
    """A server with an empty cluster. It does not run as root: where tests do, it runs as another user."""
    with tempfile.TemporaryDirectory(prefix="fp-pg-") as folder:
        user: dict[str, Any] = {}
        if os.getuid() == 0:
            owner = _without_rights()
            os.chown(folder, owner.pw_uid, owner.pw_gid)
            user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        common: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL, **user}
        data = f"{folder}/data"
        initdb = [f"{programs}/initdb", "-D", data, "-U", "portal", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(initdb, check=True, **common)
        # Nothing here has to survive a power cut.
        careless = [f"-c{name}=off" for name in ("fsync", "full_page_writes", "synchronous_commit")]
        server = subprocess.Popen(
            [f"{programs}/postgres", "-D", data, "-k", folder, "-clisten_addresses=", *careless],
            stderr=subprocess.DEVNULL,
            **common,
        )
        try:
            running = PostgresServer(Path(folder))
            wait_until(running.answers, "PostgreSQL")
            yield running
        finally:
            server.send_signal(signal.SIGINT)  # a fast shutdown: clients are cut off
            server.wait()


def _without_rights() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise AssertionError("PostgreSQL does not run as root, and there is no user to run it as")


def someone_waits_for_a_lock(engine: Engine) -> bool:
    """Whether a transaction in the database is held up by another one."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with engine.connect() as watcher:
        return bool(watcher.scalar(text(f"{waiting} AND datname = current_database()")))
