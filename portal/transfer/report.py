"""What could not be taken: one row for each thing, so that someone can go through them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from portal.csv_cells import csv_lines, safe_cell

COLUMNS = ("what", "external_id", "name", "detail", "reason")


@dataclass(frozen=True)
class NotTaken:
    """Something that was not taken, and why, in words for staff.

    what: "person", "photo", "pair", "threshold", "face" …; `detail` says which one, a path for example.
    """

    what: str
    reason: str
    external_id: str = ""
    name: str = ""
    detail: str = ""


def write_report(path: Path, rows: Iterable[NotTaken]) -> None:
    """Write a CSV of what was not taken; cells that people typed are safe in spreadsheets."""
    cells = ([row.what, *map(safe_cell, (row.external_id, row.name, row.detail)), row.reason] for row in rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(csv_lines(COLUMNS, cells))


def counted(rows: Iterable[NotTaken]) -> list[tuple[tuple[str, str], int]]:
    """What was not taken for which reason, and how many of it, the most frequent first."""
    return Counter((row.what, row.reason) for row in rows).most_common()
