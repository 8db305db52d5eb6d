"""All rows of an export, checked, in a temporary database of their own before any of them is taken.

So the memory needed does not grow with the export, and nothing is written if anything is wrong with it.
SQLite removes the database when it is closed, or its process ends.
"""

from __future__ import annotations

import math
import sqlite3
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, TypeVar, cast

from portal.storage import PhotoStore
from portal.transfer import format as fmt
from portal.transfer import npy
from portal.transfer.into import Tell
from portal.transfer.opening import ExportError, ExportFile

# Templates have unit length, but for what rounding to float32 leaves.
UNIT = 1e-3
LEFT_OUT = 1

TABLES = """
CREATE TABLE people (
    id INTEGER PRIMARY KEY, external_id TEXT UNIQUE, leader INTEGER, body BLOB, new_id INTEGER
);
CREATE INDEX by_leader ON people (leader, id);
CREATE TABLE merges (
    id INTEGER PRIMARY KEY, survivor INTEGER, absorbed INTEGER UNIQUE, body BLOB, new_id INTEGER
);
CREATE TABLE photos (
    id INTEGER PRIMARY KEY, person INTEGER, sha256 TEXT, size INTEGER, main_face INTEGER, left_out INTEGER,
    body BLOB, UNIQUE (person, sha256)
);
CREATE TABLE faces (
    id INTEGER PRIMARY KEY, photo INTEGER, template INTEGER UNIQUE, body BLOB, new_id INTEGER
);
CREATE INDEX by_photo ON faces (photo, id);
CREATE TABLE pairs (
    id INTEGER PRIMARY KEY, a INTEGER, b INTEGER, face_a INTEGER, face_b INTEGER, merge_id INTEGER, body BLOB,
    UNIQUE (a, b)
);
CREATE TABLE events (id INTEGER PRIMARY KEY, pair INTEGER, body BLOB);
CREATE INDEX by_pair ON events (pair, id);
CREATE TABLE checks (photo INTEGER PRIMARY KEY, body BLOB);
"""
INSERTS: dict[str, tuple[str, Callable[[Any], tuple[Any, ...]]]] = {
    "people.jsonl": (
        "INSERT INTO people (id, external_id, leader, body) VALUES (?, ?, ?, ?)",
        lambda row: (row.id, row.external_id, row.merged_into or row.id),
    ),
    "merges.jsonl": (
        "INSERT INTO merges (id, survivor, absorbed, body) VALUES (?, ?, ?, ?)",
        lambda row: (row.id, row.survivor, row.absorbed),
    ),
    "photos.jsonl": (
        "INSERT INTO photos (id, person, sha256, size, main_face, body) VALUES (?, ?, ?, ?, ?, ?)",
        lambda row: (row.id, row.person, row.sha256, row.size_bytes, row.main_face),
    ),
    "faces.jsonl": (
        "INSERT INTO faces (id, photo, template, body) VALUES (?, ?, ?, ?)",
        lambda row: (row.id, row.photo, row.template),
    ),
    "pairs.jsonl": (
        "INSERT INTO pairs (id, a, b, face_a, face_b, merge_id, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
        lambda row: (row.id, row.a, row.b, row.face_a, row.face_b, row.merge),
    ),
    "pair_events.jsonl": ("INSERT INTO events (pair, body) VALUES (?, ?)", lambda row: (row.pair,)),
    "checked_photos.jsonl": ("INSERT INTO checks (photo, body) VALUES (?, ?)", lambda row: (row.photo,)),
}
# What has to be there, and what must not be: a query for the first row of which that is not so.
RULES = {
    "people.jsonl: person {} was merged into someone who is not in the export, or was merged too.": """
        SELECT p.id FROM people p LEFT JOIN people l ON l.id = p.leader
        WHERE l.id IS NULL OR l.leader != l.id""",
    "people.jsonl: person {} was merged, and no merge says how.": """
        SELECT p.id FROM people p LEFT JOIN merges m ON m.absorbed = p.id
        WHERE p.leader != p.id AND m.id IS NULL""",
    "merges.jsonl: merge {} is not of two people of one name in the end.": """
        SELECT m.id FROM merges m LEFT JOIN people s ON s.id = m.survivor
        LEFT JOIN people a ON a.id = m.absorbed
        WHERE s.id IS NULL OR a.id IS NULL OR s.id = a.id OR s.leader != a.leader OR a.leader = a.id""",
    "photos.jsonl: photo {} is of nobody in the export.": """
        SELECT f.id FROM photos f LEFT JOIN people p ON p.id = f.person WHERE p.id IS NULL""",
    "photos.jsonl: the main face of photo {} is not in it.": """
        SELECT f.id FROM photos f LEFT JOIN faces m ON m.id = f.main_face AND m.photo = f.id
        WHERE f.main_face IS NOT NULL AND m.id IS NULL""",
    "faces.jsonl: face {} is in no photo of the export.": """
        SELECT f.id FROM faces f LEFT JOIN photos p ON p.id = f.photo WHERE p.id IS NULL""",
    "faces.jsonl: face {} has a template that is not in templates.npy.": """
        SELECT id FROM faces WHERE template >= :templates""",
    "pairs.jsonl: pair {} is not of two people of the export, the first enrolled first.": """
        SELECT q.id FROM pairs q LEFT JOIN people a ON a.id = q.a LEFT JOIN people b ON b.id = q.b
        WHERE a.id IS NULL OR b.id IS NULL OR q.a >= q.b""",
    "pair_events.jsonl: pair {} is not in the export.": """
        SELECT e.pair FROM events e LEFT JOIN pairs q ON q.id = e.pair WHERE q.id IS NULL""",
    "checked_photos.jsonl: photo {} is not in the export.": """
        SELECT c.photo FROM checks c LEFT JOIN photos f ON f.id = c.photo WHERE f.id IS NULL""",
}

Row = TypeVar("Row", bound=fmt.Row)


@dataclass
class Staged:
    """An export whose rows are all sound."""

    export: ExportFile
    database: sqlite3.Connection
    templates: IO[bytes]
    templates_at: int
    dimension: int

    def template(self, number: int) -> bytes:
        """A template: float32, little-endian, unit length."""
        length = self.dimension * npy.FLOAT
        self.templates.seek(self.templates_at + number * length)
        return self.templates.read(length)

    def rows(self, kind: type[Row], query: str, *values: Any) -> list[Row]:
        """The rows whose bodies a query selects."""
        return [kind.model_validate_json(body) for (body,) in self.database.execute(query, values)]

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Forget what was noted here of new rows if these are not committed: other rows may get their ids."""
        self.database.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            self.database.execute("ROLLBACK TO part")
            raise
        finally:
            self.database.execute("RELEASE part")

    def count(self, table: str) -> int:
        """How many rows a table has."""
        return int(self.database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608


@contextmanager
def staged(export: ExportFile, store: PhotoStore, tell: Tell) -> Iterator[Staged]:
    """Read and check all of an export, photos included. Raises ExportError."""
    with closing(sqlite3.connect("", isolation_level=None)) as database, store.temporary_file() as templates:
        database.executescript(TABLES)
        database.execute("BEGIN")
        try:
            for name, kind in fmt.ROWS.items():
                _fill(database, export, name, kind)
        except sqlite3.OperationalError as error:
            raise ExportError(f"The rows can't be put into the temporary folder: {error}.") from error
        for _ in export.lines(fmt.AUDIT):
            pass  # it is the trail of another portal, and only has to be whole
        rows, dimension, begins = _copy_templates(export, templates)
        _check(database, rows)
        _check_templates(database, templates, rows, dimension, begins)
        _check_photos(database, export, tell)
        yield Staged(export, database, templates, begins, dimension)


def _fill(database: sqlite3.Connection, export: ExportFile, name: str, kind: type[fmt.Row]) -> None:
    statement, values = INSERTS[name]
    for row in export.rows(name, kind):
        try:
            database.execute(statement, (*values(row), row.model_dump_json()))
        except sqlite3.IntegrityError as error:
            number = getattr(row, "id", getattr(row, "photo", "?"))
            raise ExportError(f"{name} has something twice, at row {number}.") from error


def _copy_templates(export: ExportFile, templates: IO[bytes]) -> tuple[int, int, int]:
    """Copy the templates to where they can be read in any order: how many, of what dimension, and from where.

    Raises ExportError.
    """
    export.copy(fmt.TEMPLATES, templates)
    length = templates.tell()
    templates.seek(0)
    try:
        rows, dimension = npy.read_header(cast(BinaryIO, templates))
    except npy.NpyError as error:
        raise ExportError(f"{fmt.TEMPLATES} can't be read: {error}.") from error
    begins, model = templates.tell(), export.manifest.face_model
    if rows and (model is None or model.dimension != dimension):
        raise ExportError(f"{fmt.TEMPLATES} has {dimension} numbers a template, and the face model not.")
    if rows != export.manifest.counts[fmt.TEMPLATES] or length != begins + rows * dimension * npy.FLOAT:
        raise ExportError(f"{fmt.TEMPLATES} is not as long as it says.")
    return rows, dimension, begins


def _check(database: sqlite3.Connection, templates: int) -> None:
    for words, query in RULES.items():
        found = database.execute(f"{query} LIMIT 1", {"templates": templates}).fetchone()
        if found is not None:
            raise ExportError(words.format(found[0]))


def _check_templates(
    database: sqlite3.Connection, templates: IO[bytes], rows: int, dimension: int, begins: int
) -> None:
    used = database.execute("SELECT count(template) FROM faces").fetchone()[0]
    if used != rows:
        raise ExportError(f"{fmt.TEMPLATES} has {rows:,} templates, and {used:,} faces have one.")
    numbers = struct.Struct(f"<{dimension}f")
    templates.seek(begins)
    for row in range(rows):
        length = math.hypot(*numbers.unpack(templates.read(numbers.size)))
        # Also False where one of the numbers is none (NaN), or has no end.
        if not abs(length - 1) <= UNIT:
            raise ExportError(f"Template {row} of {fmt.TEMPLATES} is not of unit length.")


def _check_photos(database: sqlite3.Connection, export: ExportFile, tell: Tell) -> None:
    for photo_id in export.left_out():
        database.execute("UPDATE photos SET left_out = ? WHERE id = ?", (LEFT_OUT, photo_id))
    photos = database.execute("SELECT count(*) FROM photos WHERE left_out IS NULL").fetchone()[0]
    tell("Checked", photos, 0)
    query = "SELECT id, sha256, size FROM photos WHERE left_out IS NULL ORDER BY id"
    for done, (photo_id, sha256, size) in enumerate(database.execute(query), 1):
        export.photo(sha256, size)
        for rendition in fmt.RENDITIONS:
            export.rendition(photo_id, rendition)
        tell("Checked", photos, done)
