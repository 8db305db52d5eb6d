"""How much the API costs beside the services behind it, and beside the engine alone.

python -m bench.api --models DIR --faces DIR [--model NAME] [--photos N]
"""

from __future__ import annotations

import http.client
import json
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

from flask import Flask

from bench import arguments, engine
from bench.client import api_key, environment_of, form_of, running_portal
from bench.rows import Row, show
from portal import create_app
from portal.audit.services import Actor
from portal.extensions import db
from portal.organizations.models import Organization
from portal.organizations.services import find_organization
from portal.people import services as people
from portal.photos.services import Upload, photos_of
from portal.search.services import create_search, find_search
from portal.settings import Settings
from portal.storage import photo_store
from portal.waiting import search_done, wait
from portal.work.models import UNFINISHED

WORKERS = 2
CLIENTS = (1, 8, 32)
ENROLLING_CLIENTS = 8
# Requests of each kind that all clients make together.
READS, SEARCHES = 400, 120
WAIT_S = 30
ACTOR = Actor(None, "bench")


class Client:
    """One connection to the API."""

    def __init__(self, port: int, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"Bearer {key}"}

    def get(self, path: str) -> Any:
        """What is at a path below the API's address."""
        return self._answer("GET", path, None, {})

    def post(self, path: str, fields: Sequence[tuple[str, str]], field: str, photo: bytes) -> Any:
        """Send a form with a photo."""
        return self._answer("POST", path, *form_of(fields, [(field, photo)]))

    def _answer(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Any:
        self._connection.request(method, f"/api/v1{path}", body, {**self._headers, **headers})
        response = self._connection.getresponse()
        content = response.read()
        if response.status >= 400:
            raise RuntimeError(f"{method} {path}: {response.status} {content[:500]!r}")
        return json.loads(content)


def run(models: Path, faces: Path, model_name: str, photos: int | None = None) -> list[Row]:
    """Rows about lists, people and searches at several numbers of clients, and about enrolment."""
    paths = sorted(faces.glob("*/*.jpg"))[:photos]
    contents = [path.read_bytes() for path in paths]
    with tempfile.TemporaryDirectory() as folder:
        environment = environment_of(Path(folder), models, model_name)
        with running_portal(Path(folder), models, model_name, WORKERS) as (_, port):
            key = api_key(environment, "admin")
            before = engine.rate(models, model_name, paths, processes=WORKERS)
            rate = _enrol(port, key, Path(folder), contents)
            after = engine.rate(models, model_name, paths, processes=WORKERS)
            alone = (before + after) / 2
            note = f"{before:.0f} before, {after:.0f} after"
            measured = [
                Row(f"engine alone, {WORKERS} processes", alone, "photos/s", note=note),
                Row(
                    f"enrolled over the API, {ENROLLING_CLIENTS} clients, one photo a person",
                    rate,
                    "photos/s",
                    rate / alone,
                    "≥ 0.8",
                ),
            ]
            app = create_app(Settings.from_environment(environment, data_dir=Path(folder)))
            return measured + _reads(app, port, key) + _searches(app, port, key, contents)


def _enrol(port: int, key: str, folder: Path, contents: Sequence[bytes]) -> float:
    """Photos a second from the first request to the last commit."""

    def send(first: int) -> None:
        client = Client(port, key)
        for number in range(first, len(contents), ENROLLING_CLIENTS):
            fields = [("external_id", f"P{number}"), ("name", f"Person {number}")]
            client.post("/people", fields, "photos", contents[number])

    began = time.perf_counter()
    with ThreadPoolExecutor(ENROLLING_CLIENTS) as pool:
        list(pool.map(send, range(ENROLLING_CLIENTS)))
    while _unfinished(folder):
        time.sleep(0.02)
    return len(contents) / (time.perf_counter() - began)


def _unfinished(folder: Path) -> int:
    with sqlite3.connect(folder / "portal.sqlite3") as database:
        unfinished = "SELECT count(*) FROM photo WHERE state IN ('queued', 'running')"
        return int(database.execute(unfinished).fetchone()[0])


def _reads(app: Flask, port: int, key: str) -> list[Row]:
    ids = [person["id"] for person in Client(port, key).get("/people?limit=200")["items"]]

    def list_in_process(session: Any, organization: Organization, _: int) -> None:
        people.list_people(session, organization, limit=50)

    def person_in_process(session: Any, organization: Organization, number: int) -> None:
        person = people.find_person(session, organization, ids[number % len(ids)])
        assert person is not None
        people.record_view(session, organization, ACTOR, person)
        photos_of(session, [person])

    measured = []
    for words, path, service in (
        ("list of 50", lambda _: "/people?limit=50", list_in_process),
        ("person", lambda number: f"/people/{ids[number % len(ids)]}", person_in_process),
    ):
        direct = statistics.median(_in_process(app, READS // 4, service))
        measured.append(Row(f"{words}, services in the process, p50", 1000 * direct, "ms"))
        for clients in CLIENTS:

            def read(client: Client, number: int, path: Callable[[int], str] = path) -> None:
                client.get(path(number))

            seconds, rate = _by_clients(port, key, clients, READS, read)
            measured += _rows(words, clients, seconds, rate, direct if clients == 1 else None)
    return measured


def _searches(app: Flask, port: int, key: str, contents: Sequence[bytes]) -> list[Row]:
    works: list[float] = []

    def search(client: Client, number: int) -> None:
        photo = contents[number * 7 % len(contents)]
        found = client.post(f"/searches?wait={WAIT_S}", [], "image", photo)
        works.append(found["processing_ms"]["total"] / 1000)

    def search_in_process(session: Any, organization: Organization, number: int) -> None:
        photo = contents[number * 7 % len(contents)]
        stored = photo_store().receive(organization.id, BytesIO(photo), len(photo))
        search_id = create_search(session, organization, ACTOR, Upload(stored, "1.jpg")).id

        def is_done() -> bool:
            found = find_search(session, organization, search_id)
            return found is not None and found.state not in UNFINISHED

        assert wait(session, search_done(search_id), WAIT_S, is_done)

    direct = statistics.median(_in_process(app, SEARCHES // 4, search_in_process))
    measured = [Row("search with wait, services in the process, p50", 1000 * direct, "ms")]
    for clients in CLIENTS:
        works.clear()
        seconds, rate = _by_clients(port, key, clients, SEARCHES, search)
        measured += _rows("search with wait", clients, seconds, rate, direct if clients == 1 else None)
        work = statistics.median(works)
        name = f"search with wait, {clients} clients: p50 beyond the work itself"
        beyond = 1000 * (statistics.median(seconds) - work)
        target = "≤ 25 ms" if clients == 1 else ""
        measured.append(Row(name, beyond, "ms", target=target, note=f"work {1000 * work:.1f} ms"))
    return measured


def _in_process(app: Flask, count: int, service: Callable[[Any, Organization, int], None]) -> list[float]:
    """Seconds of each call of a service, in this process."""
    seconds = []
    for number in range(count):
        began = time.perf_counter()
        with app.app_context():
            session = db.session()
            organization = find_organization(session, "bench")
            assert organization is not None
            service(session, organization, number)
        seconds.append(time.perf_counter() - began)
    return seconds


def _by_clients(
    port: int, key: str, clients: int, count: int, request: Callable[[Client, int], None]
) -> tuple[list[float], float]:
    """Seconds of each request, sorted, and requests a second."""
    seconds: list[float] = []
    held = threading.Lock()

    def work(first: int) -> None:
        client = Client(port, key)
        for number in range(first, count, clients):
            began = time.perf_counter()
            request(client, number)
            with held:
                seconds.append(time.perf_counter() - began)

    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(work, range(clients)))
    return sorted(seconds), count / (time.perf_counter() - began)


def _rows(words: str, clients: int, seconds: list[float], rate: float, direct: float | None) -> list[Row]:
    p50, p95, p99 = (1000 * seconds[min(len(seconds) - 1, int(len(seconds) * q))] for q in (0.5, 0.95, 0.99))
    name = f"{words}, {clients} client{'s' if clients > 1 else ''}"
    measured = [
        Row(f"{name}", rate, "requests/s", note=f"p50 {p50:.1f}, p95 {p95:.1f}, p99 {p99:.1f} ms"),
    ]
    if direct is not None:
        overhead = p50 - 1000 * direct
        measured.append(Row(f"{words}: p50 over HTTP beyond the services", overhead, "ms", target="≤ 10 ms"))
    return measured


def main() -> None:
    given = arguments.parse(__doc__ or "")
    show(run(given.models, given.faces, given.model[0], given.photos))


if __name__ == "__main__":
    main()
