"""What the columns of a list are: understood from their headers, chosen by staff, or asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from portal.batches.column_words import (
    DOUBLE_LAST_NAME_WORDS,
    FIRST_NAME_WORDS,
    ID_WORDS,
    ID_WORDS_OF_DOUBT,
    LAST_NAME_WORDS,
    NAME_WORDS,
    NAME_WORDS_OF_DOUBT,
    is_file_word,
    is_photo_word,
    word_of,
)
from portal.batches.photo_names import is_photo_name

# The header that the documentation and the portal's own lists have; beside others it is what is meant.
OWN_ID = "externalid"


class Column(StrEnum):
    """What a column is read as."""

    EXTERNAL_ID = "external_id"
    NAME = "name"
    FIRST_NAME = "first_name"
    LAST_NAME = "last_name"
    PHOTO = "photo"
    NOT_USED = "not_used"

    @property
    def is_used(self) -> bool:
        return self is not Column.NOT_USED

    @property
    def words(self) -> str:
        return self.replace("_", " ").replace("external id", "external ID")


@dataclass(frozen=True)
class ReadColumn:
    """A column: its header, what it is read as, and a few of its cells."""

    header: str
    use: Column
    samples: tuple[str, ...] = ()


def columns_of(text: str) -> list[Column] | None:
    """What columns are, written from left to right: "external_id,name,-,photo"; None for an empty text.

    Raises ValueError for a word that is none of these.
    """
    words = [word.strip() for word in text.split(",")] if text.strip() else None
    return None if words is None else [Column.NOT_USED if word == "-" else Column(word) for word in words]


def understand(header: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[list[Column], str]:
    """What each column seems to be, and what is not clear about that ("" if all is clear).

    rows: the cells of the first rows, by which a guess is checked.
    """
    words = [word_of(cell) for cell in header]
    uses = [Column.NOT_USED] * len(header)
    doubts = [_find_id(words, uses), _find_name(words, uses, rows), _find_photos(header, words, uses)]
    if Column.PHOTO not in uses:
        # A proposal: the question remains.
        for column, use in enumerate(uses):
            samples = [row[column] for row in rows if column < len(row) and row[column].strip()]
            if use is Column.NOT_USED and samples and all(map(is_photo_name, samples)):
                uses[column] = Column.PHOTO
    return uses, " ".join(doubt for doubt in doubts if doubt)


def problem_of_choice(uses: Sequence[Column], columns: int) -> str:
    """Why columns can't be what staff chose; "" if they can."""
    if len(uses) > columns:
        return f"The list has {columns} columns, and {len(uses)} were described."
    for use in (Column.EXTERNAL_ID, Column.NAME):
        if uses.count(use) > 1:
            return f"Choose one column as {use.words}, not several."
    if Column.NAME in uses and {Column.FIRST_NAME, Column.LAST_NAME} & set(uses):
        return "Choose either a column with the whole name, or those with its parts."
    for use in (Column.EXTERNAL_ID, Column.PHOTO):
        if use not in uses:
            return f"Choose the column with the {use.words}."
    return ""


def _find_id(words: Sequence[str], uses: list[Column]) -> str:
    found = [column for column, word in enumerate(words) if word in ID_WORDS | ID_WORDS_OF_DOUBT]
    own = [column for column in found if words[column] == OWN_ID]
    if len(own) == 1:
        found = own
    if len(found) == 1:
        uses[found[0]] = Column.EXTERNAL_ID
        return ""
    return "Which column is the external ID?" if not found else "Several columns could be the external ID."


def _find_name(words: Sequence[str], uses: list[Column], rows: Sequence[Sequence[str]]) -> str:
    def of(known: frozenset[str]) -> list[int]:
        return [column for column, word in enumerate(words) if word in known and not uses[column].is_used]

    whole, either = of(NAME_WORDS), of(NAME_WORDS_OF_DOUBT)
    first, last, double = of(FIRST_NAME_WORDS), of(LAST_NAME_WORDS), of(DOUBLE_LAST_NAME_WORDS)
    last = sorted([*last, *double])
    if len(whole) == 1:
        uses[whole[0]] = Column.NAME
        return ""
    if not first and not last and len(either) == 1 and not whole:
        uses[either[0]] = Column.NAME
        return ""
    doubt = "Which columns are the name?"
    if not (whole or either or first or last):
        return ""  # people who are enrolled need none
    if not whole and len(either) == 1 and bool(first) != bool(last):
        # "Name, Surname", "Vorname, Name": unless the one holds the other already.
        doubt = doubt if _holds(rows, either[0], [*first, *last]) else ""
        first, last = (first, either) if first else (either, last)
    elif not whole and first and last:
        doubt = ""
    if len(first) != 1 or not (len(last) == 1 or (last and set(last) == set(double))):
        doubt = doubt or "Which columns are the name?"
    for column in first:
        uses[column] = Column.FIRST_NAME
    for column in last:
        uses[column] = Column.LAST_NAME
    if doubt and (whole or (either and not first and not last)):
        uses[(whole or either)[0]] = Column.NAME
    return doubt


def _holds(rows: Sequence[Sequence[str]], column: int, others: Sequence[int]) -> bool:
    """Whether a column repeats what stands in another one in some row: it is the whole name then."""
    for row in rows:
        cells = [set(row[one].casefold().split()) if one < len(row) else set() for one in (column, *others)]
        if len(cells[0]) > 1 and any(cell and cell <= cells[0] for cell in cells[1:]):
            return True
    return False


def _find_photos(header: Sequence[str], words: Sequence[str], uses: list[Column]) -> str:
    photos = [column for column, word in enumerate(words) if is_photo_word(word) and not uses[column].is_used]
    files = [column for column, word in enumerate(words) if is_file_word(word) and not uses[column].is_used]
    for column in photos or files:
        uses[column] = Column.PHOTO
    if Column.PHOTO not in uses:
        return "Which column names the photo?"
    # Cells without a header behind the last photo go on with photos.
    for column in range(max(photos or files), len(uses)):
        if not header[column].strip():
            uses[column] = Column.PHOTO
    return "Which columns name the photos?" if photos and files else ""
