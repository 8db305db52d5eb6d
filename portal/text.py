"""Text as people type it and programs send it: cleaned, and told from what is none."""

from __future__ import annotations

import unicodedata


class TextError(ValueError):
    """What is wrong with a text, in words for staff."""


def is_text(value: str) -> bool:
    """Whether every database takes this text: no NUL, no half of a character."""
    return not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in value)


def without_unseen(text: str, instead: str = "") -> str:
    """The text without control characters and halves of characters."""
    return "".join(instead if unicodedata.category(one) in {"Cc", "Cs"} else one for one in text)


def clean_line(text: str, what: str, longest: int) -> str:
    """One line in composed characters (NFC) with single spaces.

    what: the name of the field. Raises TextError if nothing is left, if it has more than `longest`
    characters, or one that no one sees.
    """
    line = " ".join(unicodedata.normalize("NFC", text).split())
    if not line:
        raise TextError(f"Enter the {what}.")
    refuse_long(line, what, longest)
    if without_unseen(line) != line:
        raise TextError(f"The {what} contains a character that can't be read. Type it again.")
    return line


def clean_note(text: str, longest: int) -> str:
    """Lines without space around them. Raises TextError if they are too long, or not text."""
    note = text.strip().replace("\r\n", "\n")
    refuse_long(note, "note", longest)
    if not is_text(note):
        raise TextError("The note contains a character that can't be read. Type it again.")
    return note


def refuse_long(text: str, what: str, longest: int) -> None:
    """Raise TextError for more than `longest` characters."""
    if len(text) > longest:
        raise TextError(f"The {what} has {len(text)} characters; {longest} are allowed.")
