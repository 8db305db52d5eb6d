"""CSV files, and cells of them that a spreadsheet is to show, not to run.

A cell that begins with =, +, -, @, a tab or a carriage return is taken for a formula by spreadsheets
(OWASP, "CSV Injection"); an apostrophe before it makes it text.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

# Apostrophes before such a beginning are the text's own: one more is put before them, and removed again.
WOULD_RUN = re.compile(r"'*[=+\-@\t\r]")
MADE_SAFE = re.compile(r"'+[=+\-@\t\r]")


def safe_cell(text: str) -> str:
    """The text as a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if WOULD_RUN.match(text) else text


def plain_cell(text: str) -> str:
    """The text of which safe_cell made this cell; other cells stay as they are."""
    return text[1:] if MADE_SAFE.match(text) else text


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A CSV file, line by line, with its header first.

    With a byte order mark, without which spreadsheets take it for Latin-1. Cells that people typed are made
    safe by the caller.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    yield "\ufeff" + text.getvalue()
    for row in rows:
        text.seek(0)
        text.truncate()
        writer.writerow(row)
        yield text.getvalue()
