"""Manifests: lists that say who is in which photos, one row per person.

They come from spreadsheets and systems of every country, so the delimiter, the line ends, the letters and
the order and wording of the columns are found out. What can't be found out for certain is asked or refused:
a misread manifest enrols people under each other's names.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import PurePosixPath

from portal.batches.cells import clean_cell, clean_id_cell, damage_of
from portal.batches.columns import Column, ReadColumn, problem_of_choice, understand
from portal.batches.list_lines import UTF_8, Lines, ManifestError
from portal.batches.photo_names import is_photo_name, split_photos
from portal.batches.spreadsheets import BEGINNINGS, Sheet, SpreadsheetError, read_sheets
from portal.photos.services import MAX_PHOTOS_OF_PERSON
from portal.storage import Readable

MAX_MANIFEST_BYTES = 256 * 1024**2
MOST_ROWS = 1_000_000
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
# Excel's hint in the first line of a CSV file.
SEPARATOR = re.compile(r'\s*"?sep=(.)"?\s*', re.IGNORECASE)
# Rows by which columns are understood, and shown.
SAMPLED = 200
SAMPLES = 3
# Files of these names say who is on which photos; those of the last two can't be read, which is said.
LISTS = frozenset(
    {".csv", ".tsv", ".txt", ".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers", ".gsheet"}
)  # fmt: skip
NEEDED = (
    "The first line must name the columns: one “external ID”, one “name” (for people who are not "
    "enrolled yet), and one or more “photo”."
)
TOGETHER = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


class UnclearColumns(ManifestError):
    """What the columns are is not clear: someone has to choose.

    `question` is what to choose, `columns` has a proposal.
    """

    def __init__(self, message: str, question: str, columns: tuple[ReadColumn, ...]) -> None:
        super().__init__(message)
        self.question, self.columns = question, columns


@dataclass(frozen=True)
class ManifestRow:
    """One row, unchecked: external ID and name may be empty, and there may be no photo.

    `line` is the line of the file in which it begins, 1… `problem`: why nobody can be enrolled by it as it
    stands, in words for staff.
    """

    line: int
    external_id: str
    name: str
    photos: tuple[str, ...]
    problem: str = ""


class Manifest:
    """A manifest whose columns are clear.

    `encoding` is how its letters were saved, as far as was read. Its rows can be iterated over once: they are
    read from the file as they are asked for, and ManifestError is raised where it can't be read on.
    """

    def __init__(
        self,
        columns: tuple[ReadColumn, ...],
        rows: Iterator[ManifestRow],
        delimiter: str,
        lines: Lines | None,
    ) -> None:
        self.columns = columns
        self.delimiter = delimiter
        self._rows, self._lines = rows, lines

    @property
    def encoding(self) -> str:
        return self._lines.encoding if self._lines else UTF_8

    def __iter__(self) -> Iterator[ManifestRow]:
        return self._rows


Rows = Iterator[tuple[int, list[str]]]


def is_list(name: str) -> bool:
    """Whether a file says by its name that it is a list, or (.txt) may be one."""
    return PurePosixPath(name).suffix.lower() in LISTS


def is_text(name: str) -> bool:
    """Whether a file says by its name that it is text, perhaps a list."""
    return PurePosixPath(name).suffix.lower() == ".txt"


def is_text_list(beginning: bytes) -> bool:
    """Whether a text file (.txt), which may as well be a note, begins as a list does."""
    try:
        read_manifest(io.BytesIO(beginning))
    except UnclearColumns as unclear:
        return any(column.use.is_used for column in unclear.columns)
    except ManifestError:
        return False
    return True


def read_manifest(file: Readable, chosen: Sequence[Column] | None = None) -> Manifest:
    """Begin to read a manifest: its header. The file must stay open while rows are asked for.

    chosen: what its columns are, from left to right, where staff said it. Raises ManifestError, and
    UnclearColumns if it was not said and is not clear.
    """
    beginning = file.read(len(BEGINNINGS[1]))
    if beginning.startswith(BEGINNINGS):
        return _of_spreadsheet(file, beginning, chosen)
    lines = Lines(_Rejoined(beginning, file))
    first, delimiter = _first_line(lines)
    reader = csv.reader(
        itertools.chain([first], lines), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    return _manifest(_text_rows(reader, lines), chosen, delimiter, lines)


def _of_spreadsheet(file: Readable, beginning: bytes, chosen: Sequence[Column] | None) -> Manifest:
    open_files = ExitStack()
    try:
        sheets = read_sheets(file, beginning, open_files)
        sheet = _the_list_of(sheets)
    except SpreadsheetError as error:
        open_files.close()
        raise ManifestError(str(error)) from error
    return _manifest(_sheet_rows(sheet, open_files), chosen, "", None)


def _the_list_of(sheets: Sequence[Sheet]) -> Sheet:
    """The one sheet that is a list. Raises SpreadsheetError."""
    if not sheets:
        raise SpreadsheetError(f"The spreadsheet is empty. {NEEDED}")
    clear = [sheet for sheet in sheets if not understand(next(sheet.rows())[1], [])[1]]
    if len(sheets) > 1 and len(clear) != 1:
        names = ", ".join(f"“{sheet.name[:40]}”" for sheet in sheets[:5])
        raise SpreadsheetError(
            f"The spreadsheet has several sheets, and it is not clear which one is the list: {names}. "
            "Remove the others."
        )
    return clear[0] if clear else sheets[0]


def _sheet_rows(sheet: Sheet, open_files: ExitStack) -> Rows:
    with open_files:
        try:
            yield from sheet.rows()
        except SpreadsheetError as error:
            raise ManifestError(str(error)) from error


def _first_line(lines: Lines) -> tuple[str, str]:
    """The header's first line, and what stands between its cells."""
    hint = ""
    for line in lines:
        if lines.number == 1 and (separator := SEPARATOR.fullmatch(line)):
            hint = separator[1]
        elif line.strip("".join(DELIMITERS) + " \r\n"):
            return line, hint or _delimiter(line)
        lines.begin_row()
    raise ManifestError(f"The manifest is empty. {NEEDED}")


def _delimiter(line: str) -> str:
    """What stands between the cells of the header; a comma if there is but one cell."""
    headers = {delimiter: next(csv.reader([line], delimiter=delimiter)) for delimiter in DELIMITERS}
    splitting = [delimiter for delimiter in DELIMITERS if len(headers[delimiter]) > 1]
    if len(splitting) < 2:
        return splitting[0] if splitting else ","
    # Several are in the line: the one that makes the most columns that are known.
    known = {
        delimiter: sum(use.is_used for use in understand(_whole_cells(headers[delimiter]), [])[0])
        for delimiter in splitting
    }
    best = [delimiter for delimiter in splitting if known[delimiter] == max(known.values())]
    if len(best) > 1:
        words = " and ".join(DELIMITERS[delimiter] for delimiter in splitting)
        raise ManifestError(
            f"There are {words} in the header, so it is not clear which of them separates the columns. "
            "Use only one of them."
        )
    return best[0]


def _whole_cells(header: Sequence[str]) -> list[str]:
    """A header whose cells have no other delimiter in them."""
    return ["" if any(delimiter in cell for delimiter in DELIMITERS) else cell for cell in header]


def _text_rows(reader: Iterator[list[str]], lines: Lines) -> Rows:
    """The line of each row, and its cells."""
    while (cells := _next_cells(reader, lines)) is not None:
        line = lines.row_line
        lines.begin_row()
        yield line, cells


def _next_cells(reader: Iterator[list[str]], lines: Lines) -> list[str] | None:
    """The cells of the next row; None at the end of the file."""
    try:
        return next(reader, None)
    except csv.Error as error:
        if lines.ended:
            raise lines.unclosed_quote() from error
        raise ManifestError(
            f"The row that begins in line {lines.row_line} has a quotation mark in the wrong place. A cell "
            "in quotation marks ends with its second one; write those inside it twice."
        ) from error


def _manifest(rows: Rows, chosen: Sequence[Column] | None, delimiter: str, lines: Lines | None) -> Manifest:
    line, header = next(rows)
    header = [clean_cell(cell) for cell in header]
    if any(map(is_photo_name, header)):
        raise ManifestError(f"Line {line} already names a photo, so the header is missing. {NEEDED}")
    sampled, rows = _sampled(rows)
    uses, question = understand(header, [cells for _, cells in sampled])
    if chosen is not None:
        question = problem_of_choice(chosen, len(header))
        uses = [*chosen, *[Column.NOT_USED] * len(header)][: len(header)]
    columns = tuple(
        ReadColumn(cell, use, _samples(number, sampled))
        for number, (cell, use) in enumerate(zip(header, uses, strict=True))
    )
    if question:
        found = ", ".join(f"“{cell[:40]}”" for cell in header[:8]) + (", …" if len(header) > 8 else "")
        message = f"{question} Line {line} names these columns: {found}. {NEEDED}"
        raise UnclearColumns(message, question, columns)
    return Manifest(columns, _read_rows(rows, uses), delimiter, lines)


def _sampled(rows: Rows) -> tuple[list[tuple[int, list[str]]], Rows]:
    """The first rows, and all of them; what is wrong with a row is raised when its turn comes."""
    sampled: list[tuple[int, list[str]]] = []
    try:
        sampled += itertools.islice(rows, SAMPLED)
    except ManifestError as error:
        return sampled, itertools.chain(sampled, _raising(error))
    return sampled, itertools.chain(sampled, rows)


def _raising(error: ManifestError) -> Rows:
    raise error
    yield


def _samples(column: int, rows: Sequence[tuple[int, list[str]]]) -> tuple[str, ...]:
    cells = (clean_cell(cells[column])[:60] for _, cells in rows if column < len(cells))
    return tuple(itertools.islice(dict.fromkeys(cell for cell in cells if cell), SAMPLES))


def _read_rows(rows: Rows, uses: Sequence[Column]) -> Iterator[ManifestRow]:
    count = 0
    for line, cells in rows:
        if not any(clean_cell(cell) for cell in cells):  # spreadsheets write rows of nothing but delimiters
            continue
        count += 1
        if count > MOST_ROWS:
            raise ManifestError(
                f"The manifest has more than {MOST_ROWS:,} rows; the first one too many is in line "
                f"{line}. Divide it into several manifests, each with its own header."
            )
        row = _row(line, cells, uses)
        if len(row.photos) > MAX_PHOTOS_OF_PERSON:
            raise ManifestError(
                f"The row in line {line} names {len(row.photos)} photos. A person can have "
                f"{MAX_PHOTOS_OF_PERSON}: leave the others out."
            )
        yield row


def _row(line: int, cells: Sequence[str], uses: Sequence[Column]) -> ManifestRow:
    by_use: dict[Column, list[str]] = {use: [] for use in Column}
    for cell, use in itertools.zip_longest(cells, uses[: len(cells)], fillvalue=Column.PHOTO):
        by_use[Column(use)].append(cell)
    external_id = "".join(map(clean_id_cell, by_use[Column.EXTERNAL_ID]))
    photos = [photo for cell in by_use[Column.PHOTO] for photo in split_photos(clean_cell(cell))]
    parts = [clean_cell(cell) for use in (Column.FIRST_NAME, Column.LAST_NAME) for cell in by_use[use]]
    problems = [damage_of(cell, "external ID") for cell in by_use[Column.EXTERNAL_ID]]
    for use in (Column.NAME, Column.FIRST_NAME, Column.LAST_NAME):
        problems += [damage_of(cell, "name") for cell in by_use[use]]
    problems += [damage_of(cell, "photo") for cell in by_use[Column.PHOTO]]
    if any(parts) and not _is_whole(parts, by_use):
        problems.append("A part of the name is missing. Fill it in, or name a column for the whole name.")
    if len(cells) > len(uses) and not all(map(is_photo_name, photos)):
        problems.append(
            "The row has more cells than the header. Put a cell in which the separator stands in "
            "quotation marks."
        )
    name = clean_cell(by_use[Column.NAME][0]) if by_use[Column.NAME] else _joined(parts)
    return ManifestRow(
        line, external_id, name, tuple(photos), " ".join(dict.fromkeys(filter(None, problems)))
    )


def _is_whole(parts: Sequence[str], by_use: dict[Column, list[str]]) -> bool:
    """Whether a name has its first and a last part."""
    first = len(by_use[Column.FIRST_NAME])
    return any(parts[:first]) and any(parts[first:])


def _joined(parts: Sequence[str]) -> str:
    if parts and all(map(TOGETHER.fullmatch, parts)):
        return "".join(reversed(parts))  # 姓 and 名: the family's name stands first
    return " ".join(part for part in parts if part)


class _Rejoined:
    """A file from which a beginning was read already."""

    def __init__(self, beginning: bytes, file: Readable) -> None:
        self._beginning, self._file = beginning, file

    def read(self, size: int = -1, /) -> bytes:
        beginning, self._beginning = self._beginning, b""
        return beginning + self._file.read(size - len(beginning) if size >= 0 else size)
