"""A dump of a CompreFace database: what `pg_dump` writes as plain text.

Three of its tables matter (CompreFace 0.6 and later): `subject` (id, api_key, subject_name), `embedding`
(subject_id, img_id, and numbers that mean something to CompreFace's own model only) and `img` (id, content:
the photo). In a dump a table is a line COPY … FROM stdin; then one line a row, cells divided by tabs, and a
backslash with a full stop at the end.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

from portal.batches.importing import Opened, UnreadablePhoto
from portal.importers.collections import chosen_collection
from portal.importers.feeding import Foreign, ForeignPhoto, ImportFailed
from portal.text import is_text
from portal.transfer.report import NotTaken

COPY = re.compile(rb'COPY (?:"?\w+"?\.)?"?(subject|embedding|img)"? \((.*)\) FROM stdin;\s*')
# A photo of 25 MiB, two digits a byte, and what is around it.
LONGEST_LINE = 64 * 1024**2
NULL = b"\\N"
ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
MEANT = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
NO_PHOTO = "The dump has no photo of this example, only an embedding: CompreFace was set not to save photos."
NOT_HEX = "The photo is not written in hexadecimal digits, as pg_dump does."


@dataclass
class _Dump:
    """What is in a dump; of the photos, where they are."""

    subjects: dict[bytes, tuple[str, str]] = field(default_factory=dict)
    examples: list[tuple[bytes, bytes, bytes]] = field(default_factory=list)
    photos: dict[bytes, tuple[int, int]] = field(default_factory=dict)


def read_dump(path: Path, collection: str | None) -> Foreign:
    """All examples of one face collection, named by its API key. Raises ImportFailed."""
    try:
        dump = _read(path)
    except OSError as error:
        raise ImportFailed(f"{path} can't be read: {error.strerror or error}.") from error
    if not dump.subjects:
        raise ImportFailed(
            f"{path} has no subjects of CompreFace. Make it with: pg_dump --format=plain --file={path.name}"
        )
    keys = {api_key for api_key, _ in dump.subjects.values()}
    chosen = chosen_collection(keys, collection, "API key of its recognition service")
    photos: list[ForeignPhoto] = []
    not_taken: list[NotTaken] = []
    for example, subject_id, image_id in dump.examples:
        api_key, subject = dump.subjects.get(subject_id, ("", ""))
        if api_key != chosen:
            continue
        if image_id not in dump.photos:
            not_taken.append(NotTaken("face", NO_PHOTO, subject, subject, example.decode(errors="replace")))
            continue
        opener = partial(_photo, path, *dump.photos[image_id])
        photos.append(ForeignPhoto(f"{example.decode(errors='replace')}.jpg", subject, subject, opener))
    return Foreign(f"from {path}", photos, not_taken)


def _read(path: Path) -> _Dump:
    dump = _Dump()
    with path.open("rb") as file:
        if file.read(5) == b"PGDMP":
            raise ImportFailed(f"{path} is in PostgreSQL's own format. Make it with: pg_dump --format=plain")
        file.seek(0)
        while line := _line(file):
            found = COPY.fullmatch(line)
            if found:
                columns = [name.strip(b' "') for name in found[2].split(b",")]
                _table(file, path, found[1].decode(), columns, dump)
    return dump


def _table(file: IO[bytes], path: Path, table: str, columns: list[bytes], dump: _Dump) -> None:
    """Read the rows of a table that matters."""
    rows: dict[str, tuple[tuple[bytes, ...], Callable[..., None]]] = {
        "subject": ((b"id", b"api_key", b"subject_name"), partial(_add_subject, path, dump)),
        "embedding": ((b"id", b"subject_id", b"img_id"), lambda *cells: dump.examples.append(cells)),
    }
    wanted, add = rows.get(table, ((b"id", b"content"), None))
    if not set(wanted) <= set(columns):
        raise ImportFailed(
            f"{path} is of a CompreFace that is too old, or too new: its table {table} differs."
        )
    places = [columns.index(name) for name in wanted]
    while True:
        begins = file.tell()
        line = _line(file)
        if line.rstrip(b"\r\n") == b"\\.":
            return
        cells = line.rstrip(b"\r\n").split(b"\t")
        if not line or len(cells) != len(columns):
            raise ImportFailed(f"{path} is cut off or damaged in its table {table}.")
        values = [cells[place] for place in places]
        if add is not None:
            add(*values)
        elif values[1] != NULL:
            at = begins + sum(len(cell) + 1 for cell in cells[: places[1]])
            dump.photos[values[0]] = (at, len(values[1]))


def _add_subject(path: Path, dump: _Dump, subject_id: bytes, api_key: bytes, name: bytes) -> None:
    try:
        text = ESCAPED.sub(lambda found: MEANT.get(found[1], found[1]), name).decode()
    except UnicodeDecodeError as error:
        raise ImportFailed(f"{path} is not in UTF-8. Make it with: pg_dump --encoding=UTF8") from error
    if not is_text(text):
        raise ImportFailed(f"{path} has the name of a subject that is no text.")
    dump.subjects[subject_id] = (api_key.decode(errors="replace"), text)


def _line(file: IO[bytes]) -> bytes:
    """The next line; of one that is longer than any photo, the rest is passed over."""
    line = file.readline(LONGEST_LINE)
    rest = line
    while rest and not rest.endswith(b"\n"):
        rest = file.readline(LONGEST_LINE)
    return line


def _photo(path: Path, at: int, length: int) -> Opened:
    with path.open("rb") as file:
        file.seek(at)
        cell = file.read(length)
    if not cell.startswith(b"\\\\x"):
        raise UnreadablePhoto(NOT_HEX)
    try:
        content = bytes.fromhex(cell[3:].decode("ascii"))
    except ValueError as error:
        raise UnreadablePhoto(NOT_HEX) from error
    if not content:
        raise UnreadablePhoto(NO_PHOTO)
    return io.BytesIO(content)
