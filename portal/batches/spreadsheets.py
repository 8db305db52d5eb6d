"""Lists in spreadsheets: Excel (.xlsx, .xlsm, .xlsb, .xls) and OpenDocument (.ods)."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from portal.storage import Readable

MAX_SPREADSHEET_BYTES = 32 * 1024**2
# By these a spreadsheet is known: a ZIP, and Microsoft's compound file.
BEGINNINGS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
SECONDS = 60
MOST_COLUMNS = 500
PIECE = 1024**2
SAVE_AS = 'Open it in Excel and choose "Save as", then "CSV UTF-8 (comma delimited)".'
PROGRAM = Path(__file__).with_name("spreadsheet_rows.py")


class SpreadsheetError(ValueError):
    """A spreadsheet can't be read; the message says in words for staff why, and what to do."""


class Sheet:
    """A sheet of a spreadsheet: its name, and its rows as often as they are asked for."""

    def __init__(self, name: str, file: IO[bytes], start: int) -> None:
        self.name = name
        self._file, self._start = file, start

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The number of each row that has something in it, 1…, and its cells. Raises SpreadsheetError."""
        number, place = 0, self._start
        while True:
            self._file.seek(place)
            line = self._file.readline()
            if not line.startswith(b"["):
                return
            place = self._file.tell()
            number += 1
            cells = json.loads(line)
            while cells and not cells[-1].strip():
                cells.pop()
            if len(cells) > MOST_COLUMNS:
                raise SpreadsheetError(
                    f"Row {number} has {len(cells)} columns. A list has one row per person: check that this "
                    "is the right file."
                )
            if cells:
                yield number, cells


def read_sheets(file: Readable, beginning: bytes, open_files: ExitStack) -> list[Sheet]:
    """The visible sheets of a spreadsheet that have something in them.

    beginning: what was read of the file already. open_files: closes what the sheets are read from. Raises
    SpreadsheetError.
    """
    content = open_files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
    content.write(beginning)
    while piece := file.read(PIECE):
        content.write(piece)
        if content.tell() > MAX_SPREADSHEET_BYTES:
            raise SpreadsheetError(
                f"The spreadsheet is larger than {MAX_SPREADSHEET_BYTES // 1024**2} MiB. Remove pictures and "
                f"other sheets from it. Or: {SAVE_AS}"
            )
    content.seek(0)
    rows = open_files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(PROGRAM)],
            stdin=content,
            stdout=rows,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise SpreadsheetError(f"The spreadsheet takes too long to read. {SAVE_AS}") from error
    if done.returncode != 0:
        raise SpreadsheetError(
            f"The spreadsheet can't be read: it is damaged, protected by a password, or too large. {SAVE_AS}"
        )
    return [sheet for sheet in _sheets(rows) if next(sheet.rows(), None) is not None]


def _sheets(rows: IO[bytes]) -> list[Sheet]:
    sheets = []
    rows.seek(0)
    while line := rows.readline():
        if line.startswith(b'"'):
            sheets.append(Sheet(json.loads(line), rows, rows.tell()))
    return sheets
