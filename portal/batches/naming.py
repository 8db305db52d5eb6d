"""How the names of dropped files and folders become people."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from portal.batches.reasons import ItemReason
from portal.people.services import PersonError, clean_external_id, clean_name

UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # Unicode's categories Cc and Cs
SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}$")
BETWEEN_WORDS = re.compile(r"[\s_]+")
# macOS keeps the picture of a folder in a file whose name ends with a carriage return.
SYSTEM_FILES = {"thumbs.db", "desktop.ini", "icon\r"}
SYSTEM_FOLDER = "__macosx"


class Grouping(StrEnum):
    """What stands for one person."""

    FOLDER = "folder"
    FILE = "file"


class Label(StrEnum):
    """What the name of that folder or file is."""

    EXTERNAL_ID = "external_id"
    NAME = "name"


@dataclass(frozen=True)
class Naming:
    grouping: Grouping
    label: Label


@dataclass(frozen=True)
class Named:
    external_id: str
    name: str


class Unnamed(ValueError):
    """A photo's path names nobody: `reason` is stored, `detail` says more, in words for staff."""

    def __init__(self, reason: ItemReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def normal_path(text: str) -> str:
    """A path as it is stored: NFC, "/" between its parts, no empty or "." parts, nothing unprintable.

    ".." stays: callers decide whether it may be there.
    """
    parts = unicodedata.normalize("NFC", UNPRINTABLE.sub("", text)).replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in {"", "."})


def path_key(path: str) -> str:
    """What two paths have in common that are the same but for case and for how accents are written."""
    # Unicode, D145 (canonical caseless matching): case is folded with the accents apart.
    folded = unicodedata.normalize("NFD", normal_path(path)).casefold()
    return unicodedata.normalize("NFC", folded)


def is_system_file(path: str) -> bool:
    """Whether a file is the operating system's, or hidden: it was not dropped on purpose."""
    *folders, name = path.replace("\\", "/").casefold().split("/")
    hidden = any(part.startswith(".") and part not in {".", ".."} for part in (*folders, name))
    return hidden or SYSTEM_FOLDER in folders or name in SYSTEM_FILES


def guess(paths: Iterable[str], grouping: Grouping | None = None, label: Label | None = None) -> Naming:
    """How these paths seem to name people, where it was not chosen.

    Memory grows with the number of folders, not of files. Folders of the same name are one person, and
    therefore count once.
    """
    folders: set[str] = set()
    files = files_like_names = 0
    for path in paths:
        if is_system_file(path):
            continue
        folder, stem = _folder_and_stem(path)
        if folder:
            folders.add(folder)
        files += 1
        files_like_names += _is_like_a_name(stem)
    grouping = grouping or (Grouping.FOLDER if len(folders) >= 2 else Grouping.FILE)
    if grouping is Grouping.FOLDER:
        labels, like_names = len(folders), sum(map(_is_like_a_name, folders))
    else:
        labels, like_names = files, files_like_names
    return Naming(grouping, label or (Label.NAME if 2 * like_names > labels else Label.EXTERNAL_ID))


def person_of(path: str, naming: Naming) -> Named:
    """The person whom a photo's path names, ready to be enrolled. Raises Unnamed."""
    folder, stem = _folder_and_stem(path)
    if naming.grouping is Grouping.FOLDER and not folder:
        raise Unnamed(ItemReason.NO_FOLDER, f"{normal_path(path)} lies in no folder.")
    label = folder if naming.grouping is Grouping.FOLDER else stem
    name = label.replace("_", " ") if naming.label is Label.NAME else label
    return Named(
        _clean(clean_external_id, label, ItemReason.NO_EXTERNAL_ID, ItemReason.BAD_EXTERNAL_ID),
        _clean(clean_name, name, ItemReason.NO_NAME, ItemReason.BAD_NAME),
    )


def _folder_and_stem(path: str) -> tuple[str, str]:
    """The name of the folder in which a file lies ("" if in none), and the file's without its suffix."""
    parts = normal_path(path).split("/")
    return parts[-2] if len(parts) > 1 else "", SUFFIX.sub("", parts[-1])


def _is_like_a_name(label: str) -> bool:
    if any(character.isdigit() for character in label):
        return False
    words = BETWEEN_WORDS.split(label)
    return sum(any(character.isalpha() for character in word) for word in words) >= 2


def _clean(clean: Callable[[str], str], text: str, missing: ItemReason, bad: ItemReason) -> str:
    try:
        return clean(text)
    except PersonError as error:
        raise Unnamed(bad if text.strip() else missing, str(error)) from error
