"""How fast many photos become people, beside the engine alone; and what 100,000 of them cost.

    python -m bench.bulk --models DIR --faces DIR [--model NAME] [--photos N] [--rows N]

Rates are from the moment at which the batch was started to the last photo's commit.
"""

from __future__ import annotations

import io
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from bench import arguments, engine
from bench.client import PORTAL, Browser, environment_of, running_portal
from bench.rows import Row, show

WORKERS = 2
# As many requests side by side as the page makes.
SENDERS = 3
PHOTOS_A_REQUEST = 20
ANNOUNCED_AT_ONCE = 500
# One synthetic photo in so many shows a face.
FACE_EVERY = 50
SYNTHETIC_SIDE = 64
PAGE_LOADS = 20
SAMPLE_EVERY_S = 2.0
# As the page does.
POLL_S = 2.0


def run(
    models: Path, faces: Path, model_name: str, photos: int | None = None, rows: int = 100_000
) -> list[Row]:
    """Rows about speed beside the engine, and about the cost of `rows` synthetic photos."""
    paths = sorted(faces.glob("*/*.jpg"))[:photos]
    before = engine.rate(models, model_name, paths, processes=WORKERS)
    measured: list[Row] = []
    for words, enrol in (("portal import", _by_command), ("HTTP", _by_http)):
        sender = time.process_time()
        with _portal(models, model_name) as portal:
            rate = enrol(portal, faces, paths)
        sender = time.process_time() - sender
        # Before and after: machines that are shared are not equally fast from minute to minute.
        after = engine.rate(models, model_name, paths, processes=WORKERS)
        alone = (before + after) / 2
        note = f"{before:.0f} before, {after:.0f} after"
        measured += [
            Row(f"engine alone, {WORKERS} processes", alone, "photos/s", note=note),
            Row(f"enrolled by {words}", rate, "photos/s", rate / alone, "≥ 0.85"),
            Row(f"CPU of this program itself, {words}", 1000 * sender / len(paths), "ms a photo"),
        ]
        before = after
    return measured + _synthetic(models, model_name, paths, rows)


class _Portal:
    def __init__(self, folder: Path, environment: dict[str, str], pid: int, port: int) -> None:
        self.folder, self.environment, self.pid, self.port = folder, environment, pid, port

    def import_folder(self, folder: Path) -> float:
        """Photos a second of `portal import`."""
        command = [str(PORTAL), "import", str(folder), "--organization", "bench", "--grouping", "folder"]
        subprocess.run(command, env=self.environment, check=True, stdout=subprocess.DEVNULL)
        return self.rate()

    def rate(self) -> float:
        """Photos a second of the newest batch, which has ended."""
        with sqlite3.connect(self.folder / "portal.sqlite3") as database:
            began, ended, count = database.execute(
                "SELECT batch.created_at, max(item.finished_at), count(*) FROM batch_item AS item "
                "JOIN batch ON batch.id = batch_id WHERE batch_id = (SELECT max(id) FROM batch)"
            ).fetchone()
        seconds = (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
        return float(count / seconds)

    def newest(self) -> int:
        with sqlite3.connect(self.folder / "portal.sqlite3") as database:
            return int(database.execute("SELECT max(id) FROM batch").fetchone()[0])


@contextmanager
def _portal(models: Path, model_name: str) -> Iterator[_Portal]:
    with (
        tempfile.TemporaryDirectory() as folder,
        running_portal(Path(folder), models, model_name, WORKERS) as (pid, port),
    ):
        yield _Portal(Path(folder), environment_of(Path(folder), models, model_name), pid, port)


def _by_command(portal: _Portal, faces: Path, paths: Sequence[Path]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            copy = Path(folder) / path.relative_to(faces)
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(path.read_bytes())
        return portal.import_folder(Path(folder))


def _by_http(portal: _Portal, faces: Path, paths: Sequence[Path]) -> float:
    contents = {str(path.relative_to(faces)): path.read_bytes() for path in paths}
    browser = Browser(portal.port)
    batch = browser.send("/enrol/start", [("grouping", "folder"), ("label", "name")])["url"]
    wanted: list[tuple[str, bytes]] = []
    names = list(contents)
    for start in range(0, len(names), ANNOUNCED_AT_ONCE):
        part = names[start : start + ANNOUNCED_AT_ONCE]
        files = [{"path": name, "size": len(contents[name])} for name in part]
        items = browser.ask(f"{batch}/files", {"files": files})["files"]
        wanted += [(str(item["id"]), contents[name]) for item, name in zip(items, part, strict=True)]
    browser.send(f"{batch}/announced", [])
    requests = [wanted[start : start + PHOTOS_A_REQUEST] for start in range(0, len(wanted), PHOTOS_A_REQUEST)]
    with ThreadPoolExecutor(SENDERS) as pool:
        for done in [
            pool.submit(_send, Browser(portal.port), batch, requests[i::SENDERS]) for i in range(SENDERS)
        ]:
            done.result()
    browser = Browser(portal.port)  # the other one was idle for too long
    while 'data-batch-status="done"' not in browser.get(f"{batch}/progress"):
        time.sleep(POLL_S)
    return portal.rate()


def _send(browser: Browser, batch: str, requests: Sequence[Sequence[tuple[str, bytes]]]) -> None:
    for files in requests:
        browser.send(f"{batch}/photos", [], files)


def _synthetic(models: Path, model_name: str, paths: Sequence[Path], rows: int) -> list[Row]:
    """Batches of a hundredth, a tenth and all of `rows` small photos, one after the other in one portal."""
    measured: list[Row] = []
    with _portal(models, model_name) as portal, tempfile.TemporaryDirectory() as folder:
        cost, first = 0.0, 0
        for count in (rows // 100, rows // 10, rows):
            source = Path(folder) / str(count)
            _make_photos(source, paths, first, count)
            first += count
            with _memory_watched(portal.pid) as peak:
                rate = portal.import_folder(source)
            cost_before, cost = cost, 1000 / rate
            growth = cost / cost_before if cost_before else None
            measured.append(
                Row(f"synthetic, {count:,} photos", rate, "photos/s", note=f"{cost:.2f} ms a photo")
            )
            if growth is not None:
                measured.append(Row("cost a photo against the batch before", growth, "times", target="≈ 1"))
            measured += [
                Row(f"memory at most, {kind}, {count:,}", size / 1e6, "MB resident")
                for kind, size in sorted(peak.items())
            ]
            page, browser = f"/enrol/{portal.newest()}", Browser(portal.port)
            for words, path in (("page", page), ("poll", f"{page}/progress"), ("list", "/enrol")):
                seconds = _median(partial(browser.get, path))
                measured.append(
                    Row(f"batch {words}, {count:,} rows", 1000 * seconds, "ms", target="< 100 ms")
                )
    return measured


def _median(load: Callable[[], object]) -> float:
    seconds = []
    for _ in range(PAGE_LOADS):
        began = time.perf_counter()
        load()
        seconds.append(time.perf_counter() - began)
    return sorted(seconds)[len(seconds) // 2]


def _make_photos(folder: Path, paths: Sequence[Path], first: int, count: int) -> None:
    """Small JPEGs that differ from each other, one folder each; most are noise."""
    faces = []
    for path in paths[:200]:
        with Image.open(path) as photo:
            faces.append(photo.convert("RGB").resize((SYNTHETIC_SIDE, SYNTHETIC_SIDE)))
    for number in range(first, first + count):
        random = np.random.default_rng(number)
        if number % FACE_EVERY == 0 and faces:
            image = faces[number // FACE_EVERY % len(faces)].copy()
            image.putpixel((0, 0), tuple(random.integers(0, 256, 3).tolist()))
        else:
            coarse = random.integers(0, 256, (8, 8, 3), np.uint8)
            image = Image.fromarray(coarse).resize((SYNTHETIC_SIDE, SYNTHETIC_SIDE))
        file = io.BytesIO()
        image.save(file, "JPEG", quality=80, comment=str(number).encode())
        person = folder / f"S-{number:07}"
        person.mkdir(parents=True)
        (person / "photo.jpg").write_bytes(file.getvalue())


@contextmanager
def _memory_watched(pid: int) -> Iterator[dict[str, float]]:
    """The most that each kind of process held while this was open, in bytes; looked at now and then."""
    peak: dict[str, float] = {}
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(SAMPLE_EVERY_S):
            for child in psutil.Process(pid).children(recursive=True):
                command = " ".join(child.cmdline())
                kind = "worker" if "jobs.worker" in command else "web" if "gunicorn" in command else "Redis"
                peak[kind] = max(peak.get(kind, 0), child.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        stop.set()
        watcher.join()


def main() -> None:
    given = arguments.parse(__doc__ or "")
    show(run(given.models, given.faces, given.model[0], given.photos, given.rows))


if __name__ == "__main__":
    main()
