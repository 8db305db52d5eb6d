"""How lists name photos, and which file a name means.

A list names a photo as its program knew it: by a path of another computer, an address, with another case
or suffix. A name means a file if one of the two paths is the end of the other; case, the spelling of accents
and the direction of slashes don't count, and a suffix counts only where both have one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from portal.batches.naming import normal_path, path_key

# The suffixes of photos, and the one by which those that mean the same are compared.
SUFFIXES = {
    "jpg": "jpg", "jpeg": "jpg", "jpe": "jpg", "jfif": "jpg", "png": "png", "webp": "webp",
    "heic": "heic", "heif": "heic", "avif": "avif", "gif": "gif", "bmp": "bmp", "tif": "tif",
    "tiff": "tif", "jp2": "jp2", "j2k": "jp2", "jpf": "jp2", "jpx": "jp2",
}  # fmt: skip
ADDRESS = re.compile(r"(https?|file)://", re.IGNORECASE)
DRIVE = re.compile(r"[A-Za-z]:")
BETWEEN_PHOTOS = re.compile(r"\s*[;|\n\r,]\s*")
# A name by more folders than this is not understood.
MOST_ENDINGS = 20


def split_photos(cell: str) -> list[str]:
    """The photos that a cell names: several where each part of it has a photo's suffix, else one or none."""
    parts = [part for part in BETWEEN_PHOTOS.split(cell.strip()) if part]
    if len(parts) > 1 and all(_divided(part)[1] for part in parts):
        return parts
    return [cell.strip()] if cell.strip() else []


def is_photo_name(text: str) -> bool:
    """Whether a text ends as the name of a photo does."""
    return _divided(text.strip())[1] != ""


def key_of_photo(name: str) -> str:
    """What the names of one photo have in common: see `path_key`; jpeg is jpg; of an address, its end.

    "C:\\\\Users\\\\kim\\\\O1.JPEG" → "users/kim/o1.jpg"
    """
    if ADDRESS.match(name):
        address = urlsplit(name)
        path = unquote(address.path)
        name = path if address.scheme.lower() == "file" else path.rstrip("/").rpartition("/")[2] or name
    parts = [part for part in normal_path(DRIVE.sub("", name, count=1)).split("/") if part != ".."]
    stem, suffix = _divided(path_key("/".join(parts)))
    return f"{stem}.{suffix}" if suffix else stem


def endings(key: str) -> Iterator[str]:
    """The keys of the names that may mean a file by an end of its path, the best first.

    key: of the file. "a/b/c.jpg", "a/b/c", "b/c.jpg", "b/c", "c.jpg", "c".
    """
    parts = key.split("/")[-MOST_ENDINGS:]
    for start in range(len(parts)):
        ending = "/".join(parts[start:])
        yield ending
        stem, suffix = _divided(ending)
        if suffix:
            yield stem
        else:
            yield from (f"{ending}.{one}" for one in sorted(set(SUFFIXES.values())))


def stem_of_name(key: str) -> str:
    """The last part of a key, without its suffix."""
    return _divided(key.rpartition("/")[2])[0]


def is_end_of(file_key: str, key: str) -> bool:
    """Whether the whole path of a file is the end of a longer one in a list."""
    stem, suffix = _divided(file_key)
    longer, other_suffix = _divided(key)
    same = not suffix or not other_suffix or suffix == other_suffix
    return same and (longer == stem or longer.endswith(f"/{stem}"))


def has_same_suffix(path: str, name: str) -> bool:
    """Whether a file has the very suffix that a name in a list has: of two files it is the one meant."""
    return _divided(path)[1] == _divided(name)[1] and path[-4:].casefold() == name[-4:].casefold()


def means(key: str, file_key: str) -> bool:
    """Whether a name in a list may mean a file, both by their keys."""
    return is_end_of(file_key, key) or key in endings(file_key)


def _divided(path: str) -> tuple[str, str]:
    """A path without its suffix, and the suffix by which it is compared; "" if it has none of a photo's."""
    stem, dot, suffix = path.rpartition(".")
    known = SUFFIXES.get(suffix.casefold()) if dot and stem and not stem.endswith("/") else None
    return (stem, known) if known else (path, "")
