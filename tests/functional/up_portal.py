"""A portal that is up, in processes of its own."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.run.commands import portal
from tests.run.programs import PATIENCE_S, Running
from tests.visitor import PASSWORD
from tests.waiting import wait_until

# Each of these groups has a portal of its own, and runs in one process where there are several.
BROWSING, KILLING = "functional: pages", "functional: kills"
KILLING_IN_BULK = "functional: kills in batches"
COMPARING = "functional: duplicates"


class UpPortal:
    """`portal up` in a process of its own, on a free port."""

    def __init__(self, data_dir: Path, model_dir: Path, workers: int) -> None:
        self.data_dir = data_dir
        others = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
        self._variables = {"PORTAL_MODEL_DIR": str(model_dir), "PORTAL_FACE_MODEL": "mbf"}
        self.environment = others | self._variables | {"PORTAL_DATA_DIR": str(data_dir)}
        self._program = str(Path(sys.executable).with_name("portal"))
        self._workers = workers
        self.start()
        try:
            code = re.search(r"Code +(\S+)", self.running.until("Code"))
        except BaseException:
            self.running.close()
            raise
        assert code
        self.code = code[1]

    def start(self) -> None:
        """Start it (again) on its data folder; the port is another one each time."""
        self.running = self.begin("up", "--port", "0", "--workers", str(self._workers))
        try:
            self.url = self.running.until("Address").split()[-1]
        except BaseException:
            self.running.close()
            raise

    def begin(self, *arguments: str) -> Running:
        """Start another `portal` command, which the caller closes."""
        return Running([self._program, *arguments], self.environment)

    def stop(self) -> None:
        try:
            self.running.send(signal.SIGTERM)
            assert self.running.ended() == 0
        finally:
            self.running.close()

    @contextmanager
    def more_workers(self, number: int) -> Iterator[None]:
        """Have so many more workers than it started with."""
        before = self.one("SELECT count(*) FROM worker_process")
        workers = [Running([sys.executable, "-m", "jobs.worker"], self.environment) for _ in range(number)]
        try:
            wait_until(
                lambda: self.one("SELECT count(*) FROM worker_process") == before + number,
                "more workers",
                PATIENCE_S,
            )
            yield
        finally:
            for worker in workers:
                worker.close()

    def command(self, *arguments: str) -> str:
        """What another `portal` command prints, while the portal is up."""
        done = portal(self.data_dir, *arguments, STAFF_PASSWORD=PASSWORD, **self._variables)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def add_organization(self, name: str) -> str:
        """Make an organization; returns its slug."""
        return self.command("create-organization", name)

    def add_user(self, email: str, slug: str, role: str) -> None:
        self.command(
            "create-user", email, "--organization", slug, "--role", role, "--password-env", "STAFF_PASSWORD"
        )

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """Rows of the portal's database, which is only read."""
        connection = sqlite3.connect(f"file:{self.data_dir / 'portal.sqlite3'}?mode=ro", uri=True)
        try:
            connection.row_factory = sqlite3.Row
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    def one(self, query: str, *values: object) -> Any:
        """The first column of the only row."""
        (row,) = self.rows(query, *values)
        return row[0]

    def processes(self, words: str) -> list[psutil.Process]:
        """The portal's processes with these words in their command."""
        found = []
        for process in self.running.below():
            try:
                if words in " ".join(process.cmdline()):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        return found


@contextmanager
def up(model_dir: Path, workers: int) -> Iterator[UpPortal]:
    """A portal on an empty data folder, which is gone afterwards."""
    # Not pytest's own folder: a socket's path has to be short.
    with tempfile.TemporaryDirectory(prefix="fp-") as folder:
        portal = UpPortal(Path(folder) / "data", model_dir, workers)
        try:
            yield portal
        finally:
            portal.stop()
