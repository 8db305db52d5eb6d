"""A portal that is up, someone of its staff without a browser, and what a person's photos are."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import psutil
from bs4 import BeautifulSoup
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import encode_multipart

from tests.commands import portal
from tests.portal.up.conftest import Running
from tests.support import PASSWORD, wait_until

# Each of these groups has a portal of its own, and runs in one process where there are several.
BROWSING, KILLING = "functional: pages", "functional: kills"
KILLING_IN_BULK = "functional: kills in batches"
COMPARING = "functional: duplicates"

PATIENCE_S = 90


class UpPortal:
    """`portal up` in a process of its own, on a free port."""

    def __init__(self, data_dir: Path, model_dir: Path, workers: int) -> None:
        self.data_dir = data_dir
        others = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
        self._variables = {"PORTAL_MODEL_DIR": str(model_dir), "PORTAL_FACE_MODEL": "mbf"}
        self._environment = others | self._variables | {"PORTAL_DATA_DIR": str(data_dir)}
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
        return Running([self._program, *arguments], self._environment)

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
        workers = [Running([sys.executable, "-m", "jobs.worker"], self._environment) for _ in range(number)]
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


@dataclass(frozen=True)
class Mate:
    """Someone of whom there are several photos: some to enrol, and another to search with."""

    name: str
    photos: list[Path]
    probe: Path

    @property
    def external_id(self) -> str:
        return self.name.upper().replace(" ", "-")


def mates(lfw: Path, photos: int) -> list[Mate]:
    """Everybody with that many photos and one to spare, by name."""
    found = []
    for folder in sorted(lfw.iterdir()):
        files = sorted(folder.glob("*.jpg"))
        if len(files) > photos:
            found.append(Mate(folder.name.replace("_", " "), files[:photos], files[photos]))
    return found


class Staff:
    """Someone who works with the portal by plain HTTP, as a browser without JavaScript does."""

    def __init__(self, portal: UpPortal, email: str) -> None:
        self.portal = portal
        self.cookies = CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.cookies)
        )
        self._token = self._token_on("/login")
        address, _ = self.post("/login", {"email": email, "password": PASSWORD})
        assert address == "/", address
        self._token = self._token_on("/account")

    def get(self, path: str) -> BeautifulSoup:
        return self._open(path)[1]

    @property
    def script_headers(self) -> dict[str, str]:
        """What the scripts of the pages send along."""
        return {"Accept": "application/json", "X-CSRFToken": self._token}

    def ask(self, path: str, body: bytes, content_type: str) -> Any:
        """Send what a script sends; returns the JSON of the answer. Raises HTTPError and URLError."""
        headers = {**self.script_headers, "Content-Type": content_type}
        request = urllib.request.Request(self.portal.url + path, body, headers)
        with self._opener.open(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def post(
        self, path: str, fields: Mapping[str, object], files: Mapping[str, Sequence[Path]] | None = None
    ) -> tuple[str, BeautifulSoup]:
        """Send a form; returns the path where it led, and the page there."""
        values: MultiDict[str, object] = MultiDict({"csrf_token": self._token, **fields})
        opened = [(name, path.open("rb")) for name, paths in (files or {}).items() for path in paths]
        try:
            for name, file in opened:
                values.add(name, FileStorage(file, Path(file.name).name, content_type="image/jpeg"))
            boundary, body = encode_multipart(values)
        finally:
            for _, file in opened:
                file.close()
        return self._open(path, body, {"Content-Type": f'multipart/form-data; boundary="{boundary}"'})

    def enrol(self, external_id: str, name: str, photos: Sequence[Path]) -> int:
        """Enrol someone; returns the number of their page."""
        path, _ = self.post("/people/new", {"name": name, "external_id": external_id}, {"photos": photos})
        number = re.fullmatch(r"/people/(\d+)", path)
        assert number, path
        return int(number[1])

    def search(self, photo: Path) -> BeautifulSoup:
        """Search by photo; returns the page with the result."""
        path, _ = self.post("/search", {}, {"photo": [photo]})
        assert re.fullmatch(r"/search/\d+", path), path
        return self._when_done(path)

    def enrol_and_wait(self, mate: Mate) -> int:
        number = self.enrol(mate.external_id, mate.name, mate.photos)

        def done() -> bool:
            states = [
                tile["data-photo-state"]
                for tile in self.get(f"/people/{number}").select("[data-photo-state]")
            ]
            assert "failed" not in states
            return states == ["done"] * len(mate.photos)

        wait_until(done, f"the photos of {mate.name}", PATIENCE_S)
        return number

    def _when_done(self, path: str) -> BeautifulSoup:
        def page() -> BeautifulSoup | None:
            shown = self.get(path)
            return shown if shown.select_one("[data-search-status=done]") else None

        found: BeautifulSoup = wait_until(page, f"the result at {path}", PATIENCE_S)
        return found

    def _token_on(self, path: str) -> str:
        field = self.get(path).select_one("input[name=csrf_token]")
        assert field
        return str(field["value"])

    def _open(
        self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[str, BeautifulSoup]:
        request = urllib.request.Request(self.portal.url + path, body, headers or {})
        with self._opener.open(request, timeout=PATIENCE_S) as answer:
            page = BeautifulSoup(answer.read(), "html.parser")
            return answer.url.removeprefix(self.portal.url), page
