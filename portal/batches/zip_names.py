"""Which letters the names in a ZIP are written in, where the ZIP does not say it.

A ZIP says so by a flag or by a field of its own for UTF-8. Names of macOS and Linux are in UTF-8 also where
nothing says so. Other programs write in the code page of the computer that made the ZIP: one for all of its
names, and therefore the one that fits all of them. Where several fit, staff choose.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

# What Windows calls them: cp932 is Shift-JIS, cp949 EUC-KR, cp950 Big5, each with what Windows added.
ENCODINGS = {
    "cp437": "United States (CP437)",
    "cp850": "Western Europe (CP850)",
    "cp1252": "Western Europe (Windows-1252)",
    "cp852": "Central Europe (CP852)",
    "cp866": "Cyrillic (CP866)",
    "cp1251": "Cyrillic (Windows-1251)",
    "cp932": "Japanese (Shift-JIS)",
    "gbk": "Chinese, simplified (GBK)",
    "cp950": "Chinese, traditional (Big5)",
    "cp949": "Korean (EUC-KR)",
    "cp1250": "Central Europe (Windows-1250)",
    "cp857": "Turkish (CP857)",
    "cp1254": "Turkish (Windows-1254)",
    "cp737": "Greek (CP737)",
    "cp1253": "Greek (Windows-1253)",
    "cp720": "Arabic (CP720)",
    "cp1256": "Arabic (Windows-1256)",
    "cp862": "Hebrew (CP862)",
    "cp1255": "Hebrew (Windows-1255)",
    "mac_roman": "Western Europe (old Macs)",
}
SHOWN = 6
# So many names of one ZIP are enough to tell its letters.
MOST_LOOKED_AT = 2000
WORD = re.compile(r"[^\W\d_]+")
PUNCTUATION = frozenset("’‘“”–·・（）、，「」々ー")
EAST_ASIAN = {"CJK", "HIRAGANA", "KATAKANA"}
# In each, whole words are of letters that ASCII has not.
OTHER_SCRIPTS = {"CYRILLIC", "GREEK", "ARABIC", "HEBREW", "HANGUL", *EAST_ASIAN}
# No Latin word has so many letters of which none is in ASCII.
ONLY_ACCENTS = 5
HAN_OF_EVERY_DAY = {"cp932": "shift_jis", "gbk": "gb2312", "cp950": "big5", "cp949": "euc_kr"}


@dataclass(frozen=True)
class Reading:
    """The letters of a ZIP's names, as far as they are clear.

    `encoding` is None where staff have to choose one of `samples`: by encoding, what some names would be.
    """

    encoding: str | None
    samples: dict[str, list[str]]


def is_utf_8(name: bytes) -> bool:
    """Whether a name can be read as UTF-8."""
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def find_encoding(names: Iterable[bytes]) -> Reading:
    """The letters of names of which none says what it is written in; "utf-8" where all can be read so."""
    looked_at: dict[bytes, None] = {}
    also_utf_8: dict[bytes, None] = {}
    for name in names:
        kind = also_utf_8 if is_utf_8(name) else looked_at
        if not name.isascii() and len(kind) < MOST_LOOKED_AT:
            kind[name] = None
    if not looked_at:
        return Reading("utf-8", {})
    looked_at |= also_utf_8
    readable: dict[tuple[str, ...], str] = {}
    for encoding in ENCODINGS:
        texts = _decoded(looked_at, encoding)
        if texts is not None:
            readable.setdefault(texts, encoding)  # the same text twice is no question
    likely = [(texts, encoding) for texts, encoding in readable.items() if all(map(_is_likely, texts))]
    if len(likely) == 1:
        return Reading(likely[0][1], {})
    # In the order in which they are likely: most of all those whose letters are of everyday use.
    choice = sorted(likely or readable.items(), key=lambda one: not _is_everyday(looked_at, one[1]))
    return Reading(None, {encoding: list(texts[:SHOWN]) for texts, encoding in choice})


def text_of(name: bytes, encoding: str) -> str:
    """A name that does not say what it is written in, in a ZIP with this encoding. Raises UnicodeDecodeError.

    A name in UTF-8 stays what it is, unless it makes sense in the encoding too: "Ёлка" in CP866 is UTF-8.
    """
    if is_utf_8(name):
        try:
            text = name.decode(encoding)
        except UnicodeDecodeError:
            return name.decode()
        return text if _is_likely(text) else name.decode()
    return name.decode(encoding)


def _decoded(names: Iterable[bytes], encoding: str) -> tuple[str, ...] | None:
    try:
        return tuple(text_of(name, encoding) for name in names)
    except UnicodeDecodeError:
        return None


def _is_everyday(names: Iterable[bytes], encoding: str) -> bool:
    return _decoded(names, HAN_OF_EVERY_DAY.get(encoding, encoding)) is not None


def _is_likely(text: str) -> bool:
    """Whether a text looks like the path of a file that people named: letters, each word of one script."""
    for character in text:
        known = character.isascii() or character in PUNCTUATION
        if not known and unicodedata.category(character)[0] not in "LMN":
            return False
    return all(map(_is_likely_word, WORD.findall(text)))


def _is_likely_word(word: str) -> bool:
    if word.isascii():
        return True
    scripts = {_script(character) for character in word}
    if scripts <= EAST_ASIAN:
        return True
    if len(scripts) > 1 or not scripts <= {"LATIN", *OTHER_SCRIPTS}:
        return False
    # "JoĂo": a capital in the middle that is no ASCII letter, as "McÉ" would be, is a wrong reading.
    pairs = itertools.pairwise(word)
    if any(one.islower() and other.isupper() and not other.isascii() for one, other in pairs):
        return False
    return scripts != {"LATIN"} or len(word) < ONLY_ACCENTS or any(character.isascii() for character in word)


def _script(character: str) -> str:
    return unicodedata.name(character, "UNKNOWN").partition(" ")[0]
