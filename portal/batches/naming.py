"""How the names of dropped files and folders become people."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from portal.batches.reasons import ItemReason
from portal.people.services import PersonError, clean_external_id, clean_name

UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # Unicode's categories Cc and Cs
SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}$")
# macOS keeps the picture of a folder in a file whose name ends with a carriage return.
SYSTEM_FILES = {"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "picasa.ini", "icon\r"}
# Of macOS, Synology, QNAP, Windows: previews and what was deleted. static/js/bulk/selection.js has the same.
SYSTEM_FOLDERS = {
    *("__macosx", "@eadir", "#recycle", "#snapshot", "@tmp", "@sharebin", "@recycle", "@recently-snapshot"),
    *("@__thumb", "$recycle.bin", "recycler", "system volume information", "lost+found"),
}
# What systems add to the name of a second file: "1001 (2)", "1001 - Copy", "1001 copy 3", "Copy of 1001".
WORDS_OF_A_COPY = (
    r"copy|kopie|copie|copia|cópia|kopia|kopi|kopio|kopija|másolat|копия|копія|نسخة|副本|コピー|복사본"
)
COPY_BEHIND = re.compile(
    rf"\s*\((?:{WORDS_OF_A_COPY})?\s*\d{{1,2}}\)$|(?:\s+|\s*[-–_]\s*)(?:{WORDS_OF_A_COPY})(?:\s*\d{{1,2}})?$",
    re.IGNORECASE,
)
COPY_BEFORE = re.compile(
    r"^(?:copy \(\d{1,2}\) of|copy of|kopie v[ao]n|copie de|copia d[ei]|cópia de|kopia av|kopi a[fv])\s+",
    re.IGNORECASE,
)
# An external ID with a digit in it, then a name; or the name, then the ID, in brackets or not.
ID_THEN_NAME = re.compile(r"(?P<id>[^\s_,]*?\d[^\s_,]*?)[\s_,-]+(?P<name>[^\W\d_].*)", re.DOTALL)
NAME_THEN_ID = re.compile(
    r"(?P<name>[^\d()\[\]]*[^\W\d_][^\d()\[\]]*?)"
    r"(?:[\s_-]*[(\[]\s*(?P<bracketed>[^()\[\]]*\d[^()\[\]]*?)\s*[)\]]|[\s_,-]+(?P<id>[^\s_,()\[\]]*\d[^\s_,()\[\]]*))",
    re.DOTALL,
)
# "4A", "10-b", "Class 4A", "Klasse 5", "2023-24": many people share one.
CLASS = re.compile(
    r"\d{1,2}\s*[-._/ ºª°]?\s*[^\W\d_]"
    r"|(?:19|20)\d\d(?:\s*[-_/]\s*\d{2,4})?"
    r"|(?:class|klass|klasse|classe|clase|turma|curso|classroom|grade|year|jahrgang|jahr|stufe|group|gruppe|groupe"
    r"|grupo|gruppo|grupa|kurs|course|section|room|raum|form|school|schule|team|department|abteilung|dept|shift"
    r"|клас|класс|група|группа|صف|الصف|فصل)s?(?:[\s._-]*\w{1,3}){0,2}"
    r"|(?:\d{1,2}(?:st|nd|rd|th)?|first|second|third)[\s._-]*(?:class|klasse|grade|year|form|классы?|клас)",
    re.IGNORECASE,
)
SMALL_NUMBER = 999


class Grouping(StrEnum):
    """What stands for one person."""

    FOLDER = "folder"
    FILE = "file"
    # A file whose name means someone only together with its folder's: pupil 1 of class 4A.
    BOTH = "both"


class Label(StrEnum):
    """What the name of that folder or file is."""

    EXTERNAL_ID = "external_id"
    NAME = "name"
    # "12345_Smith_Anna", and "Smith, Anna (12345)"
    ID_NAME = "id_name"
    NAME_ID = "name_id"


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
    return hidden or not SYSTEM_FOLDERS.isdisjoint(folders) or name in SYSTEM_FILES


def person_of(path: str, naming: Naming) -> Named:
    """The person whom a photo's path names, ready to be enrolled. Raises Unnamed."""
    folder, stem = folder_and_stem(path)
    if naming.grouping is not Grouping.FILE and not folder:
        raise Unnamed(ItemReason.NO_FOLDER, f"{normal_path(path)} lies in no folder.")
    if naming.grouping is Grouping.FILE and is_class(folder) and is_small_number(without_copy(stem)):
        raise Unnamed(ItemReason.NUMBER_OF_A_CLASS, f"{without_copy(stem)} in {folder}.")
    if naming.grouping is Grouping.FOLDER:
        external_id, name = _id_and_name([folder], naming.label)
    else:
        external_id, name = _id_and_name([without_copy(stem), stem], naming.label)
    if naming.grouping is Grouping.BOTH and naming.label in (Label.EXTERNAL_ID, Label.NAME):
        external_id = f"{folder} {external_id}"
        name = external_id if naming.label is Label.EXTERNAL_ID else name
    return Named(
        _clean(clean_external_id, external_id, ItemReason.NO_EXTERNAL_ID, ItemReason.BAD_EXTERNAL_ID),
        _clean(clean_name, name, ItemReason.NO_NAME, ItemReason.BAD_NAME),
    )


def _id_and_name(ways: Sequence[str], label: Label) -> tuple[str, str]:
    """The external ID and the name in a folder's or file's name, in the first of these ways that has both.

    Raises Unnamed.
    """
    if label is Label.EXTERNAL_ID:
        return ways[0], ways[0]
    if label is Label.NAME:
        return ways[0], ways[0].replace("_", " ")
    for way in ways:
        if found := apart(way, label):
            return found
    raise Unnamed(ItemReason.NOT_IN_PATTERN, f"“{ways[-1]}” is not written so.")


def apart(text: str, label: Label) -> tuple[str, str] | None:
    """The external ID and the name in a text with both, in the order that the label says; None: not in it."""
    match = (ID_THEN_NAME if label is Label.ID_NAME else NAME_THEN_ID).fullmatch(text.strip())
    if match is None:
        return None
    parts = match.groupdict()
    return parts.get("bracketed") or parts["id"], parts["name"].replace("_", " ").strip(" ,-–")


def folder_and_stem(path: str) -> tuple[str, str]:
    """The name of the folder in which a file lies ("" if in none), and the file's without its suffix."""
    parts = normal_path(path).split("/")
    return parts[-2] if len(parts) > 1 else "", SUFFIX.sub("", parts[-1])


def place_of(path: str, grouping: Grouping) -> str:
    """Where that lies which stands for a person: the folder of the file, or the one around the folder."""
    return "/".join(normal_path(path).split("/")[: -2 if grouping is Grouping.FOLDER else -1])


def without_copy(stem: str) -> str:
    """A file's name without what systems add to the name of a copy; as it is if nothing is left then."""
    while True:
        shorter = COPY_BEFORE.sub("", COPY_BEHIND.sub("", stem)).strip()
        if not shorter or shorter == stem:
            return stem
        stem = shorter


def is_class(folder: str) -> bool:
    """Whether a folder has the name of a class, a year or another group."""
    return CLASS.fullmatch(folder.replace("_", " ").strip()) is not None


def is_small_number(text: str) -> bool:
    """Whether this is a number as they begin again in every class: no external ID by itself."""
    return text.isdecimal() and int(text) <= SMALL_NUMBER


def _clean(clean: Callable[[str], str], text: str, missing: ItemReason, bad: ItemReason) -> str:
    try:
        return clean(text)
    except PersonError as error:
        raise Unnamed(bad if text.strip() else missing, str(error)) from error
