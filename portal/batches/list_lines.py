"""Lists that are text (CSV): their lines, in the letters in which they were saved."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from portal.storage import Readable

LONGEST_LINE = 64 * 1024  # bytes; of a row of several lines too

BOM = b"\xef\xbb\xbf"
UTF_16_BOMS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
SAVE_AS = 'In Excel, choose "Save as", then "CSV UTF-8 (comma delimited)".'
UTF_8, UTF_16, WINDOWS = "UTF-8", "UTF-16", "Windows-1252"
# What stands in lists of Western Europe beside letters.
SIGNS = frozenset("\u2019\u2018\u201c\u201d\u201e\u2013\u2014\u2026\xa0°ªº´«»·€§¿¡")
# Turkey's encoding has other letters in their place.
LETTERS_OF_DOUBT = frozenset("ðþýÐÞÝƒˆ")
FOREIGN_WORD = re.compile(r"[^\W\d_a-zA-Z]{3,}")
CAPITAL_INSIDE = re.compile(r"[a-z][À-ÞŠŽŒŸ]")


class ManifestError(ValueError):
    """The whole manifest can't be used; the message says in words for staff why, and what to do."""


class Lines(Iterator[str]):
    """The lines of a file, with their ends, which may be LF, CR or both.

    UTF-8, UTF-16 and Windows-1252 are read; `encoding` is what it was so far. `number` is the line that was
    given last, 1…; `row_line` the one in which the present row began.
    """

    def __init__(self, file: Readable) -> None:
        self.number = 0
        self.ended = False
        self.encoding = UTF_8
        beginning = file.read(LONGEST_LINE)
        if (utf_16 := _utf_16_of(beginning)) is not None:
            self.encoding = UTF_16
            self._lines = _raw_lines(_inside_utf_16(beginning, file, utf_16))
        else:
            self._lines = _raw_lines(_pieces(beginning, file))
        self._only_ascii = True
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
            line = line.removeprefix(BOM)
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
        return self._decoded(line)

    def _decoded(self, line: bytes) -> str:
        if self.encoding != WINDOWS:
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                if not self._only_ascii or self.encoding == UTF_16:
                    raise self._unreadable() from error
                self.encoding = WINDOWS
            else:
                self._only_ascii = self._only_ascii and text.isascii()
                return text
        try:
            text = line.decode("cp1252")
        except UnicodeDecodeError as error:
            raise self._unreadable() from error
        if not _is_western(text):
            raise self._unreadable()
        return text

    def _unreadable(self) -> ManifestError:
        return ManifestError(
            f"Line {self.number} is not in UTF-8, so its letters can't be read for certain. {SAVE_AS}"
        )

    def unclosed_quote(self) -> ManifestError:
        return ManifestError(
            f"In the row that begins in line {self.row_line} a quotation mark is opened and not closed. "
            "Remove it, or put another one at the end of the cell."
        )


def whole_lines(head: bytes) -> bytes:
    """The beginning of a list without the line that is cut off at its end."""
    if (utf_16 := _utf_16_of(head)) is not None:
        head = _without_mark(head).decode(utf_16, "ignore").encode()
    return head[: max(head.rfind(b"\n"), head.rfind(b"\r")) + 1]


def _raw_lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Lines with their ends; of one that is far too long, only a part that is too long as well."""
    rest = b""
    while len(rest) <= LONGEST_LINE + len(b"\r\n") and (piece := next(pieces, b"")):
        # The last line may go on in the next piece; if it ends with CR, an LF of the same end may follow.
        *lines, rest = (rest + piece).splitlines(keepends=True)
        yield from lines
    if rest:
        yield rest


def _pieces(beginning: bytes, file: Readable) -> Iterator[bytes]:
    piece = beginning
    while piece:
        yield piece
        piece = file.read(LONGEST_LINE)


def _inside_utf_16(beginning: bytes, file: Readable, encoding: str) -> Iterator[bytes]:
    """The same text in UTF-8."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for piece in _pieces(_without_mark(beginning), file):
            if text := decoder.decode(piece):
                yield text.encode()
        decoder.decode(b"", final=True)
    except UnicodeError as error:
        raise ManifestError(
            f"The list is saved as “Unicode text” (UTF-16), and is damaged. {SAVE_AS}"
        ) from error


def _without_mark(text: bytes) -> bytes:
    """UTF-16 without the mark at its beginning."""
    return text.removeprefix(codecs.BOM_UTF16_LE).removeprefix(codecs.BOM_UTF16_BE)


def _utf_16_of(beginning: bytes) -> str | None:
    """The UTF-16 of a text, if it is: by its mark, or as every other byte of Latin text is NUL."""
    if beginning[:2] in UTF_16_BOMS:
        return UTF_16_BOMS[beginning[:2]]
    sample = beginning[:200]
    if sample.count(0) * 3 <= len(sample) or b"\0\0" in sample:
        return None
    return "utf-16-be" if sample[0] == 0 else "utf-16-le"


def _is_western(text: str) -> bool:
    """Whether this is what Windows-1252 is used for, rather than letters of other encodings misread."""
    for one in text:
        if not one.isascii() and one not in SIGNS and (not one.isalpha() or one in LETTERS_OF_DOUBT):
            return False
    return not FOREIGN_WORD.search(text) and not CAPITAL_INSIDE.search(text)
