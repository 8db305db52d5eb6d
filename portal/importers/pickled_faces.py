"""Folders of DeepFace and face_recognition: the photos are taken as any folder, the pickles beside are read.

DeepFace keeps what it worked out in `representations_….pkl` or `ds_model_….pkl`: a list with an entry a face,
either a dict whose `identity` is the photo's path, or a list that begins with it. Programs around
face_recognition keep a dict of `names` and `encodings`. These numbers have no photo beside them, and nothing
proves which model made them: only photos are taken, and a name or a path without its photo is reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from portal.batches.naming import normal_path
from portal.importers.pickles import PickleError, read_pickle
from portal.transfer.report import NotTaken

SUFFIXES = (".pkl", ".pickle")
NO_PHOTO = "The photo is not in the folder; only an embedding of another face model is left of it."
NO_FOLDER = "No photo of this name is in the folder; only encodings of another face model are left."
NOT_UNDERSTOOD = "The pickle is neither DeepFace's nor one of names and encodings; it was not used."


def pickles_in(folder: Path) -> list[Path]:
    """The pickles in and below a folder, by name."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def without_photos(pickles: Sequence[Path], folder: Path, photos: Sequence[str]) -> list[NotTaken]:
    """What the pickles know and no photo shows. photos: the paths of those in the folder."""
    there = {normal_path(path) for path in photos}
    return [row for path in pickles for row in _without_photo(path, folder, there)]


def _without_photo(path: Path, folder: Path, there: set[str]) -> Iterator[NotTaken]:
    where = str(path.relative_to(folder))
    try:
        with path.open("rb") as file:
            found = read_pickle(file)
    except PickleError as error:
        yield NotTaken("pickle", str(error), detail=where)
        return
    except OSError:
        yield NotTaken("pickle", "The file can't be read.", detail=where)
        return
    if isinstance(found, dict) and isinstance(found.get("names"), list):
        yield from _names(found["names"], there)
    elif isinstance(found, list) and all(_identity(entry) for entry in found):
        for entry in found:
            if not _is_there(_identity(entry), there):
                yield NotTaken("face", NO_PHOTO, detail=_identity(entry))
    else:
        yield NotTaken("pickle", NOT_UNDERSTOOD, detail=where)


def _identity(entry: Any) -> str:
    """The path of the photo that an entry of DeepFace is about; "" if it is no such entry."""
    found = entry.get("identity") if isinstance(entry, dict) else None
    if isinstance(entry, (list, tuple)) and entry:
        found = entry[0]
    return found if isinstance(found, str) else ""


def _is_there(identity: str, there: set[str]) -> bool:
    """Whether a path that another machine knew is that of a photo here: by its end, whatever lies above."""
    parts = normal_path(identity).split("/")
    return any("/".join(parts[start:]) in there for start in range(len(parts)))


def _names(names: Sequence[Any], there: set[str]) -> Iterator[NotTaken]:
    known = {part for path in there for part in (*path.split("/")[:-1], Path(path).stem)}
    for name, count in Counter(name for name in names if isinstance(name, str)).items():
        if name not in known:
            yield NotTaken("face", NO_FOLDER, name=name, detail=f"{count} encodings")
