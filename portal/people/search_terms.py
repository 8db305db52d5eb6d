"""How names and external ids are compared: without case and accents, word by word."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from portal.text import without_unseen

KEY_LENGTH = 400
WORD_LENGTH = 200

APOSTROPHES = re.compile(r"['’‘ʼ´`]")
AT_THE_EDGES = re.compile(r"^\W+|\W+$")


def key_of(text: str) -> str:
    """Text without case, accents and doubled spaces: "Zoë  ÅSA" and "zoe asa" are the same.

    At most KEY_LENGTH characters: a few letters of Unicode stand for whole sentences.
    """
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text.casefold()).casefold())
    plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    words = without_unseen(plain, " ").split()
    return " ".join(words)[:KEY_LENGTH].rstrip()


def terms_of(*texts: str) -> set[str]:
    """The words by which these texts are found.

    Each text as a whole, and of each of its words the word ("garcia-lopez"), and the runs of letters and
    digits in it ("garcia", "lopez").
    """
    return {word[:WORD_LENGTH] for text in texts for word in _terms_of(key_of(text)) if word}


def _terms_of(key: str) -> Iterator[str]:
    yield _whole(key)
    for part in key.split():
        yield _bare(part)
        yield from re.split(r"\W+", part)


def query_terms(text: str) -> list[str]:
    """The words of what someone typed, each to be found as the beginning of a word; longest first.

    Signs around a word are not searched for, unless there is nothing else.
    """
    key = key_of(text)
    words = {_bare(part) for part in key.split()} - {""} or {_whole(key)} - {""}
    return sorted({word[:WORD_LENGTH] for word in words}, key=lambda word: (-len(word), word))


def _whole(key: str) -> str:
    return APOSTROPHES.sub("", key.replace(" ", ""))


def _bare(part: str) -> str:
    return APOSTROPHES.sub("", AT_THE_EDGES.sub("", part))
