"""A program of its own that writes the rows of a spreadsheet (standard input) as lines of JSON.

It is run as a child with limits of memory, time and disk: a workbook of a few kilobytes can claim 17 thousand
million cells. A line is the name of a sheet, or the cells of its next row; hidden sheets are left out.
"""

from __future__ import annotations

import json
import resource
import sys
from datetime import date, datetime, time, timedelta

from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

MEMORY_BYTES = 1536 * 1024**2
CPU_SECONDS = 30
MOST_WRITTEN_BYTES = 256 * 1024**2
# Excel keeps 15 digits of a number; what it shows of longer ones is not what was typed.
EXACT_BELOW = 1e15


def text_of(value: int | float | str | bool | time | date | datetime | timedelta) -> str:
    """A cell as the spreadsheet's reader would type it."""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        if value.is_integer() and abs(value) < EXACT_BELOW:
            return str(int(value))
        return f"{value:.5E}" if abs(value) >= EXACT_BELOW else str(value)
    return str(value)


def main() -> None:
    """Write all rows that have something in them; empty ones as well, so that rows can be counted."""
    for limit, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, MOST_WRITTEN_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    workbook = CalamineWorkbook.from_filelike(sys.stdin.buffer)
    for number, sheet in enumerate(workbook.sheets_metadata):
        if sheet.visible != SheetVisibleEnum.Visible or sheet.typ != SheetTypeEnum.WorkSheet:
            continue
        print(json.dumps(sheet.name))
        for row in workbook.get_sheet_by_index(number).iter_rows():
            print(json.dumps([text_of(cell) for cell in row]))


if __name__ == "__main__":
    main()
