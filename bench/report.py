"""What a report of a million pairs costs: `portal export-duplicates`, its rows a second and its memory.

python -m bench.report
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import psutil

from bench.client import PORTAL
from bench.rows import Row, show

PAIRS = (10_000, 1_000_000)
SAMPLE_EVERY_S = 0.05
SOME_DAY = "2026-01-01 00:00:00"
STATEMENTS = (
    "INSERT INTO face_model (id, fingerprint, name, source, engine, dimension, threshold, threshold_source, "
    "licence, created_at) VALUES (1, 'f', 'made up', 'm', 'insightface', 4, 0.4, '', '', :day)",
    # Each pair is of two of these people: as many as a triangle of pairs needs.
    "INSERT INTO person (organization_id, external_id, name, name_key, created_at, updated_at) "
    "SELECT 1, 'P' || value, 'Someone ' || value, 'someone', :day, :day FROM generate",
    "INSERT INTO duplicate_pair (organization_id, a_id, b_id, score, same_photo, face_model_id, threshold, "
    "found_at, stale, status, decided_by, note, unsure_by, leads) "
    "SELECT 1, a.id, b.id, 0.5, 0, 1, 0.4, :day, 0, 'distinct', 'someone@example.org', 'A note.', '', 0 "
    "FROM person AS a JOIN person AS b ON a.id < b.id LIMIT :pairs",
    "INSERT INTO pair_event (organization_id, pair_id, kind, at, actor, status, score, threshold, "
    "face_model_id, same_photo, decided_by, note) "
    "SELECT 1, id, 'found', :day, '', 'open', 0.5, 0.4, 1, 0, '', '' FROM duplicate_pair",
)


def run() -> list[Row]:
    """Rows about reports of now, and as of a day, of few pairs and of many."""
    measured: list[Row] = []
    for pairs in PAIRS:
        with tempfile.TemporaryDirectory() as folder:
            environment = {**os.environ, "PORTAL_DATA_DIR": folder}
            _fill(Path(folder), environment, pairs)
            for words, options in (("", []), (", as of a day", ["--at", SOME_DAY[:10]])):
                seconds, peak, lines = _export(environment, options)
                if lines != pairs + 1:
                    raise RuntimeError(f"The report of {pairs} pairs has {lines} lines.")
                name = f"report of {pairs:,} pairs{words}"
                measured += [
                    Row(name, pairs / seconds, "pairs/s"),
                    Row(f"memory at most, {name}", peak / 1e6, "MB resident"),
                ]
    return measured


def _fill(folder: Path, environment: dict[str, str], pairs: int) -> None:
    subprocess.run([PORTAL, "create-organization", "bench"], env=environment, check=True, capture_output=True)
    people = int((2 * pairs) ** 0.5) + 2
    numbers = (
        f"(WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < {people}) "
        "SELECT value FROM n)"
    )
    with closing(sqlite3.connect(folder / "portal.sqlite3")) as database, database:
        # It is thrown away in a minute: nothing of it need survive a power cut.
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA cache_size = -1000000")
        for statement in STATEMENTS:
            database.execute(statement.replace("generate", numbers), {"day": SOME_DAY, "pairs": pairs})


def _export(environment: dict[str, str], options: list[str]) -> tuple[float, int, int]:
    """Seconds, the most memory in bytes, and the lines of a report."""
    command = [str(PORTAL), "export-duplicates", "--organization", "bench", *options]
    with tempfile.TemporaryFile() as output:
        began, peak = time.perf_counter(), 0
        process = psutil.Popen(command, env=environment, stdout=output, stderr=sys.stderr)
        while process.poll() is None:
            try:
                peak = max(peak, process.memory_info().rss)
            except psutil.Error:
                break  # it has just ended
            time.sleep(SAMPLE_EVERY_S)
        if process.wait():
            raise RuntimeError("The report failed.")
        seconds = time.perf_counter() - began
        output.seek(0)
        return seconds, peak, sum(1 for _ in output)


def main() -> None:
    show(run())


if __name__ == "__main__":
    main()
