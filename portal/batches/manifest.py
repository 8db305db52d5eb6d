"""Manifests: CSV files that say who is in which photos, one row per person.

They come from spreadsheets of every country, so the delimiter, the line ends and the order and wording of the
columns are found out. What can't be found out for certain is refused: a misread manifest enrols people under
each other's names.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from portal.csv_cells import plain_cell
from portal.people.search_terms import key_of
from portal.photos.services import MAX_PHOTOS_OF_PERSON
from portal.storage import Readable

MAX_MANIFEST_BYTES = 256 * 1024**2
LONGEST_LINE = 64 * 1024  # bytes; of a row of several lines too
MOST_ROWS = 1_000_000
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}

NEGLIGIBLE = re.compile(r"[\s_-]")
EXTERNAL_ID = re.compile(r"externalid|id|number|code|ref|reference|personid")
NAME = re.compile(r"name|fullname|displayname")
PHOTO = re.compile(r"(photos?|picture|image|file|filename|path)\d*")

BOM = b"\xef\xbb\xbf"
UTF_16_BOMS = (b"\xff\xfe", b"\xfe\xff")
SAVE_AS = 'In Excel, choose "Save as", then "CSV UTF-8 (comma delimited)".'
NEEDED = (
    "The first line must name the columns: one “external ID”, one “name” (for people who are not "
    "enrolled yet), and one or more “photo”."
)


class ManifestError(ValueError):
    """The whole manifest can't be used; the message says in words for staff why, and what to do."""


class Column(StrEnum):
    """What a column is read as."""

    EXTERNAL_ID = "external ID"
    NAME = "name"
    PHOTO = "photo"
    NOT_USED = "not used"


@dataclass(frozen=True)
class ManifestRow:
    """One row as it was written, unchecked: external ID and name may be empty, and there may be no photo.

    `line` is the line of the file in which it begins, 1…
    """

    line: int
    external_id: str
    name: str
    photos: tuple[str, ...]


class Manifest:
    """A manifest whose header was understood.

    `columns` are the header's cells, each with what it is read as. Its rows can be iterated over once: they
    are read from the file as they are asked for, and ManifestError is raised where it can't be read on.
    """

    def __init__(
        self, columns: tuple[tuple[str, Column], ...], delimiter: str, rows: Iterator[ManifestRow]
    ) -> None:
        self.columns = columns
        self.delimiter = delimiter
        self._rows = rows

    def __iter__(self) -> Iterator[ManifestRow]:
        return self._rows


def read_manifest(file: Readable) -> Manifest:
    """Begin to read a manifest: its header. The file must stay open while rows are asked for.

    Raises ManifestError.
    """
    lines = _Lines(file)
    first = _first_line(lines)
    delimiter = _delimiter(first)
    reader = csv.reader(
        itertools.chain([first], lines), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    header = [cell.strip() for cell in _next_cells(reader, lines) or []]
    uses = _uses(header)
    _refuse_missing(header, uses, lines.row_line)
    return Manifest(tuple(zip(header, uses, strict=True)), delimiter, _rows(reader, lines, uses))


def _first_line(lines: _Lines) -> str:
    for line in lines:
        if line.strip("".join(DELIMITERS) + " \r\n"):
            return line
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
        delimiter: sum(use is not Column.NOT_USED for use in _uses(headers[delimiter]))
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


def _uses(header: Sequence[str]) -> list[Column]:
    uses = [_use(cell) for cell in header]
    for only_one in (Column.EXTERNAL_ID, Column.NAME):
        if only_one in uses:
            after = uses.index(only_one) + 1
            uses[after:] = [Column.NOT_USED if use is only_one else use for use in uses[after:]]
    if Column.PHOTO in uses:
        last_named = max(column for column, use in enumerate(uses) if use is Column.PHOTO)
        for column in range(last_named, len(uses)):
            if not header[column].strip():
                uses[column] = Column.PHOTO
    return uses


def _use(cell: str) -> Column:
    word = NEGLIGIBLE.sub("", key_of(cell))
    for pattern, use in ((EXTERNAL_ID, Column.EXTERNAL_ID), (NAME, Column.NAME), (PHOTO, Column.PHOTO)):
        if pattern.fullmatch(word):
            return use
    return Column.NOT_USED


def _refuse_missing(header: Sequence[str], uses: Sequence[Column], line: int) -> None:
    found = ", ".join(f"“{cell[:40]}”" for cell in header[:8]) + (", …" if len(header) > 8 else "")
    if all(use is Column.NOT_USED for use in uses):
        raise ManifestError(f"Line {line} names no column that is known. Found there: {found}. {NEEDED}")
    for needed in (Column.EXTERNAL_ID, Column.PHOTO):
        if needed not in uses:
            raise ManifestError(f"Line {line} names no column “{needed}”. Found there: {found}. {NEEDED}")


def _rows(reader: Iterator[list[str]], lines: _Lines, uses: Sequence[Column]) -> Iterator[ManifestRow]:
    external_id = uses.index(Column.EXTERNAL_ID)
    name = uses.index(Column.NAME) if Column.NAME in uses else None
    count = 0
    lines.begin_row()
    while (cells := _next_cells(reader, lines)) is not None:
        line = lines.row_line
        lines.begin_row()
        texts = [plain_cell(cell.strip()) for cell in cells]
        if not any(texts):  # spreadsheets write rows of nothing but delimiters
            continue
        count += 1
        if count > MOST_ROWS:
            raise ManifestError(
                f"The manifest has more than {MOST_ROWS:,} rows; the first one too many is in line "
                f"{line}. Divide it into several manifests, each with its own header."
            )
        photos = [
            text
            for text, use in itertools.zip_longest(texts, uses[: len(texts)], fillvalue=Column.PHOTO)
            if use is Column.PHOTO and text
        ]
        if len(photos) > MAX_PHOTOS_OF_PERSON:
            raise ManifestError(
                f"The row in line {line} names {len(photos)} photos. A person can have "
                f"{MAX_PHOTOS_OF_PERSON}: leave the others out."
            )
        yield ManifestRow(line, _cell(texts, external_id), _cell(texts, name), tuple(photos))


def _cell(texts: Sequence[str], column: int | None) -> str:
    return texts[column] if column is not None and column < len(texts) else ""


def _next_cells(reader: Iterator[list[str]], lines: _Lines) -> list[str] | None:
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


class _Lines(Iterator[str]):
    """The lines of a file, with their ends, which may be LF, CR or both; UTF-8 is all that is taken.

    `number` is the line that was given last, 1…; `row_line` the one in which the present row began.
    """

    def __init__(self, file: Readable) -> None:
        self.number = 0
        self.ended = False
        self._lines = _raw_lines(file)
        self.begin_row()

    def begin_row(self) -> None:
        """The next line begins a row."""
        self.row_line = self.number + 1
        self._row_bytes = 0

    def __next__(self) -> str:
        line = next(self._lines, None)
        if line is None:
            self.ended = True
            raise StopIteration
        self.number += 1
        if self.number == 1:
            line = _without_bom(line)
        if len(line.rstrip(b"\r\n")) > LONGEST_LINE:
            raise ManifestError(
                f"Line {self.number} is longer than {LONGEST_LINE // 1024} KiB. A line is one person with "
                "the names of a few photos: check that this is the right file."
            )
        if b"\0" in line:
            raise ManifestError(
                f"Line {self.number} contains a character that no text has (NUL): this is not a CSV file, or "
                f"it is damaged. {SAVE_AS}"
            )
        self._row_bytes += len(line)
        if self.number > self.row_line and self._row_bytes > LONGEST_LINE:
            raise self.unclosed_quote()
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            raise ManifestError(
                f"Line {self.number} is not in UTF-8, so its letters can't be read for certain. {SAVE_AS}"
            ) from error

    def unclosed_quote(self) -> ManifestError:
        return ManifestError(
            f"In the row that begins in line {self.row_line} a quotation mark is opened and not closed. "
            "Remove it, or put another one at the end of the cell."
        )


def _raw_lines(file: Readable) -> Iterator[bytes]:
    """Lines with their ends; of one that is far too long, only a part that is too long as well."""
    rest = b""
    while len(rest) <= LONGEST_LINE + len(b"\r\n") and (chunk := file.read(LONGEST_LINE)):
        # The last line may go on in the next chunk; if it ends with CR, an LF of the same end may follow.
        *lines, rest = (rest + chunk).splitlines(keepends=True)
        yield from lines
    if rest:
        yield rest


def _without_bom(line: bytes) -> bytes:
    # Every other byte of Latin text in UTF-16 is a NUL.
    if line.startswith(UTF_16_BOMS) or line.count(0) * 3 > len(line):
        raise ManifestError(f"The manifest is saved as “Unicode text” (UTF-16). {SAVE_AS}")
    return line.removeprefix(BOM)
