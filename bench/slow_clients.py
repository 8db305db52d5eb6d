"""What slow clients cost the others: pages while uploads, readers and held answers are under way.

python -m bench.slow_clients --models DIR --faces DIR [--model NAME]
"""

from __future__ import annotations

import http.client
import json
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import psutil
from PIL import Image

from bench import arguments
from bench.client import Browser, api_key, environment_of, form_of, running_portal
from bench.rows import Row, show
from bench.slow_load import Ask, Clients, Load

UPLOADS, READERS, IDLE, WAITS, SLOW_HEADS = 200, 200, 500, 200, 100
# An upload of so many bytes takes three quarters of a minute.
UPLOAD_BYTES = 45 * 4096
# A photo without a face, large enough that no buffer on the way takes all of it.
NOISE_PIXELS = 1600
WAVES, ROUNDS = 3, 30
# Until all have begun; until uploads and waits have ended once; until threads are free again.
SETTLED_S, WHOLE_S, GONE_S = 10.0, 75.0, 5.0
PATHS = ("/", "/people", "/search", "/duplicates", "/healthz")


def run(models: Path, faces: Path, model_name: str) -> list[Row]:
    """Rows about the pages of everybody else, without and with all the slow clients."""
    photo = next(iter(sorted(faces.glob("*/*.jpg")))).read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        environment = environment_of(Path(folder), models, model_name)
        with running_portal(Path(folder), models, model_name, 1) as (pid, port):
            (web,) = [one for one in psutil.Process(pid).children(recursive=True) if _serves(one)]
            load, browser = prepare(port, environment, photo)
            with suspended(pid):
                return measure(port, web, load, browser)


def prepare(port: int, environment: dict[str, str], photo: bytes) -> tuple[Load, Browser]:
    """What the slow clients ask for, and the browser of somebody else."""
    key = {"Authorization": f"Bearer {api_key(environment, 'read', 'enrol')}"}
    browser = Browser(port)
    noise = BytesIO()
    size = (NOISE_PIXELS, NOISE_PIXELS)
    Image.frombytes("RGB", size, secrets.token_bytes(NOISE_PIXELS**2 * 3)).save(noise, "PNG")
    body, kind = form_of(
        [("external_id", secrets.token_hex(8)), ("name", "Noise")], [("photos", noise.getvalue())]
    )
    large = json.loads(_ask(port, Ask("POST", "/api/v1/people?wait=60", {**key, **kind}, body))[1])
    content = f"/api/v1/photos/{large['photos'][0]['id']}/content"
    # Padding behind the picture's end, in which each upload writes what makes it another photo.
    slow_photo = photo + b"@" * (UPLOAD_BYTES - len(photo))
    uploads = []
    for number in range(UPLOADS):
        fields = [("external_id", "@" * 16), ("name", "Slow")]
        if number % 2:
            body, kind = form_of(fields, [("photos", slow_photo)])
            uploads.append(Ask("POST", "/api/v1/people", {**key, **kind}, body))
        else:
            body, kind = form_of(fields, [("photos", slow_photo)], browser.token)
            uploads.append(Ask("POST", "/people/new", {**browser.cookie, **kind}, body))
    body, kind = form_of([], [("image", photo)])
    wait = Ask("POST", "/api/v1/searches?wait=60", {**key, **kind}, body)
    readers = [Ask("GET", content, key)] * READERS
    return Load(port, uploads, readers, IDLE, SLOW_HEADS, [wait] * WAITS), browser


def measure(port: int, web: psutil.Process, load: Load, browser: Browser) -> list[Row]:
    """Ask for pages without and with the slow clients, by turns: other programs of the machine slow both."""
    idle: list[float] = []
    busy: list[float] = []
    memory = {"before": _resident(web)}
    ended: Counter[str] = Counter()
    for wave in range(1, WAVES + 1):
        idle += _seconds(port, browser)
        with Clients(load) as clients:
            time.sleep(SETTLED_S)
            present = dict(clients.present)
            busy += _seconds(port, browser)
            memory.setdefault("with slow clients", _resident(web))
            while wave == WAVES and time.monotonic() < clients.started + WHOLE_S:
                busy += _seconds(port, browser)
                time.sleep(1)
            memory["with slow clients, at the end"] = _resident(web)
            ended = clients.ended.copy()
        time.sleep(GONE_S)
    memory["after"] = _resident(web)
    return [
        Row("pages, idle, p95", _p95(idle) * 1000, "ms", note=f"{len(idle)} requests"),
        Row(
            "pages, with slow clients, p95",
            _p95(busy) * 1000,
            "ms",
            _p95(busy) / _p95(idle),
            "≤ 2",
            f"{len(busy)} requests",
        ),
        *(Row(f"slow clients, {kind}", number, "at once") for kind, number in sorted(present.items())),
        *(Row(f"slow clients, ended: {how}", number, "times") for how, number in sorted(ended.items())),
        *(
            Row(f"memory, web, {when}", held / 1e6, "MB resident", held / memory["before"])
            for when, held in memory.items()
        ),
    ]


def _seconds(port: int, browser: Browser) -> list[float]:
    """How long pages take, each asked for on a connection of its own."""
    taken = []
    for path in PATHS * ROUNDS:
        started = time.perf_counter()
        status, _ = _ask(port, Ask("GET", path, browser.cookie))
        taken.append(time.perf_counter() - started)
        if status != 200:
            raise RuntimeError(f"{path} was answered with {status}.")
    return taken


def _ask(port: int, ask: Ask) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(ask.method, ask.path, ask.body, ask.headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _p95(seconds: Sequence[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.95)]


@contextmanager
def suspended(pid: int) -> Iterator[None]:
    """No worker works meanwhile: searches are held as long as they may be, and nothing else is measured."""
    workers = [one for one in psutil.Process(pid).children(recursive=True) if "jobs.worker" in one.cmdline()]
    for worker in workers:
        worker.suspend()
    try:
        yield
    finally:
        for worker in workers:
            worker.resume()


def _serves(process: psutil.Process) -> bool:
    """Whether this is gunicorn's process that serves, not the one that watches it."""
    return "gunicorn" in process.cmdline() and not process.children()


def _resident(process: psutil.Process) -> int:
    return int(process.memory_info().rss)


def main() -> None:
    given = arguments.parse(__doc__ or "")
    show(run(given.models, given.faces, given.model[0]))


if __name__ == "__main__":
    main()
