"""How names and external ids are compared: without case and accents, word by word."""

from __future__ import annotations

import re
import unicodedata


def key_of(text: str) -> str:
    """Text without case, accents and doubled spaces: "Zoë  ÅSA" and "zoe asa" are the same."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in decomposed if not unicodedata.combining(c)).split())


def words_of(*texts: str) -> set[str]:
    """The words by which these texts are found: each whole, and each run of letters and digits in it."""
    words: set[str] = set()
    for text in texts:
        key = key_of(text)
        words.update(part[:200] for part in (key.replace(" ", ""), *re.split(r"\W+", key)) if part)
    return words


def query_words(text: str) -> list[str]:
    """The words of what somebody typed, each to be found as the beginning of a word; longest first."""
    return sorted({part[:200] for part in key_of(text).split()}, key=lambda word: (-len(word), word))
