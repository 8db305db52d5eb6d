"""What a measurement gives: one row of the table that `make bench` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """A measured value and, where there is one, how it compares with its reference in the same run."""

    name: str
    value: float
    unit: str
    ratio: float | None = None
    target: str = ""
    note: str = ""


def show(rows: Sequence[Row]) -> None:
    """Print the rows as a table, as wide as it needs to be where the output is no terminal."""
    console = Console()
    (console if console.is_terminal else Console(width=150)).print(table(rows))


def table(rows: Sequence[Row]) -> Table:
    """The rows, for a console."""
    drawn = Table("Measurement", "Value", "Unit", "Ratio", "Target", "Note")
    drawn.columns[0].no_wrap = True
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        drawn.add_row(row.name, f"{row.value:,.4g}", row.unit, ratio, row.target, row.note)
    return drawn
