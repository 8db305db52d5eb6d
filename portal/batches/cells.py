"""Cells of lists that a spreadsheet has damaged: cleaned where that is certain, else told."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from portal.csv_cells import plain_cell

# ="00123": a text that a spreadsheet is to leave as it is.
EXACT_TEXT = re.compile(r'="((?:[^"]|"")*)"')
FORMULA = re.compile(r"=\s*[A-Za-z$+@]")
# Also in the languages of Excel (#BEZUG!, #¡REF!, #NOM?), a column that was too narrow, LibreOffice.
ERROR = re.compile(r"#\S*[!?]|#N/?[ADV]\w*|#{2,}|#GETTING_DATA|Err:\d+", re.IGNORECASE)
SCIENTIFIC = re.compile(r"[+-]?\d+([.,]\d+)?E\+\d+", re.IGNORECASE)
DECIMAL = re.compile(r"\d+[.,]0+")
# As Excel writes them: an ID "MAR-21" of one's own has other capitals.
MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|Mrz|Mai|Okt|Dez"
DATE = re.compile(rf"\d{{1,2}}[-. /]({MONTHS})|({MONTHS})[-. /]\d{{2}}|\d{{4}}-\d\d-\d\d( 00:00:00)?")
FEWEST_DIGITS = 4
# Letters that a file could not hold ("S?ren", "S\ufffdren").
LOST_LETTER = re.compile(r"\ufffd|\w\?+\w|^\?+\w")
# They join letters in Persian and Indian names.
JOINERS = {"\u200c", "\u200d"}
AS_TEXT = (
    "In Excel, give the column the format “Text”, enter the cell again, and save the list again. If it is "
    "right as it is, enrol this person singly."
)


def clean_cell(cell: str) -> str:
    """A cell without what a spreadsheet put around it, and without characters that no one sees."""
    text = cell.strip()
    exact = EXACT_TEXT.fullmatch(text)
    text = exact[1].replace('""', '"') if exact else plain_cell(text)
    seen = "".join(one for one in text if unicodedata.category(one) != "Cf" or one in JOINERS)
    return seen.strip().strip("".join(JOINERS)).strip()


def clean_id_cell(cell: str) -> str:
    """The same for an external ID, in which characters that no one sees have no place at all."""
    return "".join(one for one in clean_cell(cell) if one not in JOINERS)


def damage_of(cell: str, what: str) -> str:
    """What is wrong with a cell as it was written, and what to do about it; "" for a sound one.

    what: "external ID", "name" or "photo".
    """
    raw, text = cell.strip(), clean_cell(cell)
    exact = EXACT_TEXT.fullmatch(raw) is not None
    if ERROR.fullmatch(text):
        return f"The {what} is an error of the spreadsheet ({text}). Correct the formula, or type the {what}."
    if not exact and FORMULA.match(raw):
        return f"The {what} is a formula ({text[:40]}), not its result. In Excel, paste the values only."
    if what != "photo" and (LOST_LETTER.search(text) or _is_misread(text)):
        return f"Letters of the {what} were lost ({text[:60]}). Save the original again as “CSV UTF-8”."
    if what == "external ID" and not exact:
        return _damage_of_id(text)
    return ""


def _damage_of_id(text: str) -> str:
    if SCIENTIFIC.fullmatch(text):
        return f"Excel has shortened the external ID to {text}: digits are lost. {AS_TEXT}"
    if DECIMAL.fullmatch(text):
        return f"The external ID was taken for a number: {text}. {AS_TEXT}"
    if DATE.fullmatch(text):
        return f"The external ID may have been taken for a date: {text}. {AS_TEXT}"
    return ""


def _is_misread(text: str) -> bool:
    """Whether UTF-8 was taken for the letters of Windows somewhere: "JÃ¶rg"."""
    try:
        return not text.isascii() and text.encode("cp1252").decode() != text
    except UnicodeError:
        return False


class IdsOfList:
    """All external IDs of a list, and those that look as if they were not what was meant."""

    def __init__(self, ids: Iterable[str]) -> None:
        spellings: dict[str, str] = {}
        self._alike: set[str] = set()
        self._numbers: Counter[int] = Counter()
        least, most, padded = 0, 0, set()
        self._all_digits = True
        for one in ids:
            key = unicodedata.normalize("NFKC", one).casefold()
            if spellings.setdefault(key, one) != one:
                self._alike.add(key)
            if not (one.isascii() and one.isdigit()):
                self._all_digits = False
                continue
            least, most = min(least or int(one[:30]), int(one[:30])), max(most, int(one[:30]))
            self._numbers[len(one)] += 1
            if one.startswith("0"):
                padded.add(len(one))
        count = self._numbers.total()
        self._digits = max(self._numbers, default=0)
        # 1 … 999 have no zeros to lose; of 100000 … 999999 a tenth had one in front.
        in_turn = most - least + 1 <= 2 * count
        mostly = 3 * self._numbers[self._digits] >= 2 * count
        self._lost_zeros = (
            self._all_digits
            and mostly
            and (self._digits in padded or (self._digits >= FEWEST_DIGITS and not in_turn))
        )

    def doubt_about(self, external_id: str) -> str:
        """Why one of these IDs may not be what was meant, and what to do; "" where there is no doubt."""
        if unicodedata.normalize("NFKC", external_id).casefold() in self._alike:
            return (
                f"Another row has the same external ID but for capital letters ({external_id}). Write both "
                "alike if they are one person, else give them different IDs."
            )
        if self._lost_zeros and len(external_id) < self._digits:
            return (
                f"The external ID {external_id} has {len(external_id)} digits, others have {self._digits}: "
                f"zeros in front may be lost. {AS_TEXT}"
            )
        return ""
