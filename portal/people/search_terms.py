"""How names and external ids are compared: without case and accents, word by word, in plain letters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from anyascii import anyascii

from portal.text import without_unseen

KEY_LENGTH = 400
WORD_LENGTH = 200
# A part of a name that is written without spaces is kept with so much of what follows it.
PART_LENGTH = 40

APOSTROPHES = re.compile(r"['’‘ʼ´`]")
AT_THE_EDGES = re.compile(r"^\W+|\W+$")
NEITHER_LETTER_NOR_DIGIT = re.compile(r"[\W_]+")
NEEDLESS_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")

# One letter for all its forms: what Persian, Urdu and Kurdish keyboards type, and an alef however it is
# written (the marks of others are accents, which are gone by then).
ARABIC = {
    **dict.fromkeys("یىېےۍ", "ي"),
    **dict.fromkeys("کڪ", "ك"),
    **dict.fromkeys("ةهہھەۃ", "ه"),
    "ٱ": "ا",
    "ـ": "",  # the tatweel only makes a word longer
}
# Signs of transliterations, which are typed as apostrophes or not at all.
UNTYPED = dict.fromkeys("ʻʽʾʿʹʺ′″", "")
LETTERS = {**ARABIC, **UNTYPED}
HIRAGANA_BELOW_KATAKANA = 0x60
# How those write these letters who don't have them on their keyboard, besides leaving out the accent.
SPELLED_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "đ": "dj"})
# And what may have been written so.
SPELLED_AS_TWO = re.compile(r"([aou])e|(a)a")


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
    digits in it ("garcia", "lopez"): in plain letters, as they are spelled out ("mueller"), and in Latin
    letters. Numbers without their leading zeros as well. Where no spaces are written, all parts.
    """
    return {word[:WORD_LENGTH] for text in texts for word in _terms_of(text) if word}


def _terms_of(text: str) -> Iterator[str]:
    for spelling in set(_spellings(text)):
        for word in _words_of(spelling):
            yield word
            yield NEEDLESS_ZEROS.sub("", word)
    yield from _latin_words_of(text)


def _spellings(text: str) -> Iterator[str]:
    key = key_of(text)
    plain = _plain(key)
    yield plain
    yield SPELLED_AS_TWO.sub(r"\1\2", plain)
    composed = unicodedata.normalize("NFC", text.casefold())
    yield _plain(key_of(composed.translate(SPELLED_OUT)))
    # Persian joins the parts of a word by what no one sees: some type a space there, some nothing.
    yield _plain("".join(" " if unicodedata.category(c) == "Cf" else c for c in key))


def _words_of(plain: str) -> Iterator[str]:
    yield _whole(plain)
    for part in plain.split():
        yield _bare(part)
        yield from re.split(r"\W+", part)
    letters = NEITHER_LETTER_NOR_DIGIT.sub("", plain)
    for place, letter in enumerate(letters):
        if _begins_a_part(letter):
            yield letters[place : place + PART_LENGTH]


def _latin_words_of(text: str) -> Iterator[str]:
    """The words of other scripts in Latin letters, and where no spaces are written their parts."""
    composed = unicodedata.normalize("NFKC", text.casefold())[:KEY_LENGTH]
    if all(_is_latin(c) for c in composed):
        return
    words = [[_latin(c) for c in part] for part in composed.split()]
    for word in words:
        yield "".join(word)
    whole = [letters for word in words for letters in word]
    yield "".join(whole)
    for place, letter in enumerate("".join(composed.split())):
        if _begins_a_part(unicodedata.normalize("NFD", letter)[0]):
            yield "".join(whole[place : place + PART_LENGTH])


def query_terms(text: str) -> list[str]:
    """The words of what someone typed, each to be found as the beginning of a word; longest first.

    Signs around a word are not searched for, unless there is nothing else.
    """
    return [forms[0] for forms in query_forms(text)]


def query_forms(text: str) -> list[tuple[str, ...]]:
    """The words of `query_terms`, each with the form that it has in terms of the earlier version, if another.

    Those are not in plain letters, and are searched for until nobody has them (portal.people.renewing).
    """
    key = key_of(text)
    pairs = {(_bare(_plain(part)), _bare(part)) for part in key.split()}
    words = {pair for pair in pairs if pair[0]} or {(_whole(_plain(key)), _whole(key))}
    forms = {tuple(dict.fromkeys(word[:WORD_LENGTH] for word in pair if word)) for pair in words if pair[0]}
    return sorted(forms, key=lambda form: (-len(form[0]), form))


def _plain(key: str) -> str:
    """A key in the letters that are compared: each of its characters has its own, several or none."""
    return "".join(map(_plain_letter, key))


@lru_cache(maxsize=4096)
def _plain_letter(letter: str) -> str:
    if letter.isascii():
        return letter
    if letter in LETTERS:
        return LETTERS[letter]
    if unicodedata.category(letter) == "Cf":
        return ""
    if unicodedata.category(letter) == "Nd":
        return str(unicodedata.digit(letter))
    if "ァ" <= letter <= "ヶ":
        return chr(ord(letter) - HIRAGANA_BELOW_KATAKANA)
    return (_is_latin(letter) and _latin(letter)) or letter


@lru_cache(maxsize=32768)
def _latin(letter: str) -> str:
    return NEITHER_LETTER_NOR_DIGIT.sub("", anyascii(letter)).lower()


@lru_cache(maxsize=4096)
def _is_latin(letter: str) -> bool:
    return letter.isascii() or unicodedata.name(letter, "").startswith("LATIN ")


def _begins_a_part(letter: str) -> bool:
    """Whether a name may be divided before this letter: Chinese, kana, or the first of a Korean syllable."""
    return (
        "一" <= letter <= "鿿"
        or "\u3041" <= letter <= "\u30fa"
        or "\u1100" <= letter <= "\u115f"
        or "㐀" <= letter <= "䶿"
        or letter == "々"
        or "\uf900" <= letter <= "\ufaff"
        or letter >= "\U00020000"
    )


def _whole(key: str) -> str:
    return APOSTROPHES.sub("", key.replace(" ", ""))


def _bare(part: str) -> str:
    return APOSTROPHES.sub("", AT_THE_EDGES.sub("", part))
