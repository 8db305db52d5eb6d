"""How the names of dropped files and folders seem to name people, where it was not chosen.

What is unclear is asked: a class that is taken for a person puts many people under one name, and a person's
folder that is taken for a class makes people of their photos.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from portal.batches.naming import (
    Grouping,
    Label,
    Naming,
    apart,
    folder_and_stem,
    is_class,
    is_small_number,
    is_system_file,
    without_copy,
)

BETWEEN_WORDS = re.compile(r"[\s_]+")
# Names that cameras, telephones and people give to photos, and to folders of them: they name nobody.
OF_A_PHOTO = re.compile(
    r"(?:img|dsc|dscf|dscn|dcim|pxl|gopr|mvimg|p|pic|picture|photo|foto|image|bild|scan|snapshot|screenshot|selfie"
    r"|whatsapp|signal|fullsizerender|unnamed|untitled|download|attachment|file|webcam|capture|portrait|passport"
    r"|passfoto|face|gesicht|front|frontal|back|left|right|links|rechts|side|profile|profil|smile|neutral"
    r"|new|old|neu|alt|crop|cropped|edited|with|without|glasses|id|card|ausweis|size|small|large|thumb|at|am|pm|am"
    r"|x|dsc_?|no|nr|#|and|of|the)*",
    re.IGNORECASE,
)
CONTAINER = re.compile(
    r"(?:photos?|pictures?|pics?|images?|fotos?|bilder|bild|imágenes|imagens|photographs|portraits?|faces?"
    r"|gesichter|files?|uploads?|downloads?|exports?|people|persons?|personen|all|lfw"
    r"|new ?folder|neuer ordner|dcim|camera"
    r"|staff|employees|students|pupils|members|participants|visitors|schüler|mitarbeiter|desktop"
    r"|documents)(?:\s*\(?\d{0,4}\)?)",
    re.IGNORECASE,
)
HASH = re.compile(r"[0-9a-f]{12,}(?:-?[0-9a-f]+)*", re.IGNORECASE)
# Only so many names of files are remembered.
MOST_REMEMBERED = 500


class UnclearNames(ValueError):
    """It is not clear how names become people; the message asks, in words for staff."""


class _Stem(StrEnum):
    """What the name of a file seems to be."""

    PHOTO = "photo"  # of a photo, not of a person
    NAME = "name"  # of two words or more
    WORD = "word"
    CODE = "code"  # an external ID or a number too large for a class


@dataclass
class _Seen:
    """What there is in the names, without remembering the files."""

    files: int = 0
    stems: Counter[_Stem] = field(default_factory=Counter)
    names: int = 0
    id_names: int = 0
    name_ids: int = 0
    # Names of files that say something, and how many files have one that another has, too.
    remembered: set[str] = field(default_factory=set)
    repeated: int = 0


def guess(paths: Iterable[str], grouping: Grouping | None = None, label: Label | None = None) -> Naming:
    """How these paths seem to name people, where it was not chosen. Raises UnclearNames.

    Memory grows with the number of folders, not of files. It is unclear only where `grouping` is None.
    """
    folders: set[str] = set()
    seen = _Seen()
    for path in paths:
        if is_system_file(path):
            continue
        folder, stem = folder_and_stem(path)
        if folder:
            folders.add(folder)
        _look_at(folder, stem, seen)
    grouping = grouping or _grouping(folders, seen)
    if label is None and grouping is Grouping.FOLDER:
        label = _label(
            len(folders),
            sum(map(_is_like_a_name, folders)),
            sum(_has_id_and_name(folder, Label.ID_NAME) for folder in folders),
            sum(_has_id_and_name(folder, Label.NAME_ID) for folder in folders),
        )
    return Naming(grouping, label or _label(seen.files, seen.names, seen.id_names, seen.name_ids))


def _look_at(folder: str, stem: str, seen: _Seen) -> None:
    plain = without_copy(stem)
    kind = _kind(folder, plain)
    seen.files += 1
    seen.stems[kind] += 1
    seen.names += _is_like_a_name(plain)
    seen.id_names += _has_id_and_name(plain, Label.ID_NAME)
    seen.name_ids += _has_id_and_name(plain, Label.NAME_ID) or _has_id_and_name(stem, Label.NAME_ID)
    if kind is not _Stem.PHOTO:
        seen.repeated += plain in seen.remembered
        if len(seen.remembered) < MOST_REMEMBERED:
            seen.remembered.add(plain)


def _label(labels: int, names: int, id_names: int, name_ids: int) -> Label:
    # Only where all of them are written so: the parts are taken for what they are not, otherwise.
    if labels and id_names == labels:
        return Label.ID_NAME
    if labels and name_ids == labels:
        return Label.NAME_ID
    return Label.NAME if 2 * names > labels else Label.EXTERNAL_ID


def _grouping(folders: set[str], seen: _Seen) -> Grouping:
    folders = {folder for folder in folders if not CONTAINER.fullmatch(folder.replace("_", " ").strip())}
    if not folders:
        return Grouping.FILE
    usual = seen.stems.most_common(1)[0][0]
    example = min(folders)
    if 2 * sum(map(is_class, folders)) >= len(folders):
        if usual is _Stem.PHOTO:
            raise UnclearNames(
                f"Folders like “{example}” look like classes or years, and the names of the photos in them "
                "name nobody by themselves. Say who is on a photo: its folder, or its folder and file name "
                "together (for numbers that begin again in each class); or add a list."
            )
        return Grouping.FILE
    people = 2 * sum(map(_is_like_a_name, folders)) > len(folders)
    with_digits = 2 * sum(any(map(str.isdigit, folder)) for folder in folders) > len(folders)
    if usual is _Stem.PHOTO:
        if people or len(folders) > 1:
            return Grouping.FOLDER
        raise _unclear(example)
    apart_in_all = seen.repeated == 0
    if usual is _Stem.NAME and people and apart_in_all and seen.files > 1:
        raise _unclear(example)
    if usual is _Stem.NAME:
        return Grouping.FOLDER if people else Grouping.FILE
    if len(folders) == 1 and not people:
        return Grouping.FILE
    if usual is _Stem.WORD and apart_in_all and seen.files > len(folders) and not with_digits:
        raise _unclear(example)
    if usual is _Stem.CODE and apart_in_all and seen.files > len(folders) and not (people or with_digits):
        raise _unclear(example)
    return Grouping.FOLDER


def _unclear(folder: str) -> UnclearNames:
    return UnclearNames(
        f"It is not clear whether “{folder}” is one person with several photos, or a folder with photos of "
        "many people. Say who is on a photo: its folder, or its file name."
    )


def _kind(folder: str, stem: str) -> _Stem:
    words = [word for word in re.split(r"[\s_.,\-()#]+", stem) if word]
    if folder and _words(folder) and _words(folder) <= _words(stem):
        return _Stem.PHOTO  # "Anna_Smith/Anna_Smith_0001": the folder says as much
    telling = [word for word in words if not OF_A_PHOTO.fullmatch(word.strip("0123456789"))]
    if not telling or HASH.fullmatch(stem):
        # Numbers only, if anything: large ones may be external IDs.
        codes = [word for word in words if word.isdecimal() and not is_small_number(word)]
        return _Stem.CODE if len(words) == 1 and len(codes) == 1 and len(stem) < 12 else _Stem.PHOTO
    if len(telling) == 1 and len(telling[0]) == 1:
        return _Stem.PHOTO
    if any(character.isdigit() for character in stem) and not _is_like_a_name(re.sub(r"[\d()]+", "", stem)):
        return _Stem.CODE
    return _Stem.NAME if len(telling) > 1 else _Stem.WORD


def _words(text: str) -> set[str]:
    return {word for word in re.split(r"[\W\d_]+", text.casefold()) if len(word) > 1}


def _is_like_a_name(label: str) -> bool:
    if any(character.isdigit() for character in label) or is_class(label):
        return False
    words = BETWEEN_WORDS.split(label)
    return sum(any(character.isalpha() for character in word) for word in words) >= 2


def _has_id_and_name(text: str, label: Label) -> bool:
    """Whether a text is for certain an external ID and a name: with names of photos it is not."""
    found = apart(text, label)
    if found is None or (label is Label.NAME_ID and text.strip()[-1] not in ")]"):
        return False
    words = [word for word in re.split(r"[\W\d_]+", found[1]) if len(word) > 1]
    return bool(words) and not all(OF_A_PHOTO.fullmatch(word) for word in words)
