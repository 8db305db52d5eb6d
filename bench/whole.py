"""How fast the whole portal is beside its engine alone: photos uploaded and committed, searches, memory.

python -m bench.whole --models DIR --faces DIR [--model NAME] [--photos N]
"""

from __future__ import annotations

import itertools
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from bench import arguments, engine
from bench.client import Browser, running_portal, search
from bench.rows import Row, show

WORKERS = 2
# Forms that are under way at the same time.
UPLOADERS = 2
PHOTOS_A_FORM = 20
SEARCHES = 60
# More photos than are worked on during all searches.
QUEUED = 8_000


def run(models: Path, faces: Path, model_name: str, photos: int | None = None) -> list[Row]:
    """Rows 2, 4 and 5: enrolment through the portal, searches behind a full queue, memory."""
    paths = sorted(faces.glob("*/*.jpg"))[:photos]
    contents = [path.read_bytes() for path in paths]
    alone = engine.rate(models, model_name, paths, processes=WORKERS)
    rows = [Row(f"engine alone, {WORKERS} processes", alone, "photos/s")]
    for words, size in ((f"{PHOTOS_A_FORM} a person", PHOTOS_A_FORM), ("1 a person", 1)):
        forms = [contents[start : start + size] for start in range(0, len(contents), size)]
        with (
            tempfile.TemporaryDirectory() as folder,
            running_portal(Path(folder), models, model_name, WORKERS) as (pid, port),
        ):
            rate = _enrol(port, Path(folder), forms)
            target = "≥ 0.75" if size > 1 else ""
            rows.append(Row(f"enrolled by forms, {words}", rate, "photos/s", rate / alone, target))
            if size == 1:
                continue
            rows += _searches("idle", port, contents)
            stop = threading.Event()
            with ThreadPoolExecutor(UPLOADERS) as background:
                uploading = [
                    background.submit(_keep_uploading, port, forms, number, stop)
                    for number in range(UPLOADERS)
                ]
                while _count(Path(folder), "queued") < QUEUED:
                    time.sleep(0.1)
                rows += _searches("enrolment queue full and filled further", port, contents, "p95 < 1 s")
                stop.set()
                for done in uploading:
                    done.result()
            rows += _searches("enrolment queue full", port, contents, "p50 ≤ 0.15 s, p95 ≤ 0.4 s")
            waiting = _count(Path(folder), "queued")
            rows.append(Row("photos waiting after these searches", waiting, "photos"))
            rows += memory(pid)
    return rows


def _enrol(port: int, folder: Path, forms: Sequence[Sequence[bytes]]) -> float:
    """Photos a second from the first upload to the last commit."""
    started = time.perf_counter()
    with ThreadPoolExecutor(UPLOADERS) as pool:
        for done in [
            pool.submit(_upload, Browser(port), forms[i::UPLOADERS], str(i)) for i in range(UPLOADERS)
        ]:
            done.result()
    count = sum(map(len, forms))
    while _count(folder, "done", "failed") < count:
        time.sleep(0.02)
    return count / (time.perf_counter() - started)


def _count(folder: Path, *states: str) -> int:
    """How many photos are in one of these states."""
    with sqlite3.connect(folder / "portal.sqlite3") as database:
        rows = database.execute("SELECT state, count(*) FROM photo GROUP BY state").fetchall()
    return sum(count for state, count in rows if state in states)


def _upload(browser: Browser, forms: Sequence[Sequence[bytes]], series: str) -> None:
    for number, form in enumerate(forms):
        fields = [("name", f"Person {number}"), ("external_id", f"{series}-{number}")]
        browser.post("/people/new", fields, [("photos", content) for content in form])


def _keep_uploading(
    port: int, forms: Sequence[Sequence[bytes]], uploader: int, stop: threading.Event
) -> None:
    """Send the photos again and again; a byte behind the picture makes each another one."""
    browser = Browser(port)
    for turn in itertools.count(1):
        for number, form in enumerate(forms):
            if stop.is_set():
                return
            _upload(
                browser, [[content + bytes(turn) for content in form]], f"turn-{uploader}-{turn}-{number}"
            )


def _searches(words: str, port: int, contents: Sequence[bytes], target: str = "") -> list[Row]:
    browser = Browser(port)
    step = max(1, len(contents) // SEARCHES)
    seconds = sorted(search(browser, content) for content in contents[::step][:SEARCHES])
    p50, p95 = statistics.median(seconds), seconds[int(len(seconds) * 0.95)]
    return [
        Row(f"search to candidates, {words}, p50", p50, "s", note=f"{len(seconds)} searches"),
        Row(f"search to candidates, {words}, p95", p95, "s", target=target),
    ]


def memory(pid: int) -> list[Row]:
    """What the processes of a portal hold in memory."""
    rows = []
    for child in psutil.Process(pid).children(recursive=True):
        command = " ".join(child.cmdline())
        kind = "worker" if "jobs.worker" in command else "web" if "gunicorn" in command else "Redis"
        rows.append(Row(f"memory, {kind} ({child.pid})", child.memory_info().rss / 1e6, "MB resident"))
    return sorted(rows, key=lambda row: row.name)


def main() -> None:
    given = arguments.parse(__doc__ or "")
    show(run(given.models, given.faces, given.model[0], given.photos))


if __name__ == "__main__":
    main()
