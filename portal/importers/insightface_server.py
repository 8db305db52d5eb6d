"""The database of an InsightFace Server: insightface-server.db, a SQLite file in its data folder.

`persons` has the people of each collection (id, name, external_id), `face_samples` an embedding a photo and,
where the collection saves crops, the face as a JPEG of 112 pixels: in the column crop_image, or in a file at
crop_path in older ones. The photo itself is not kept there. Boxes and landmarks are those of the photo, so
the crop is taken as a photo of its own, and the present face model looks at it again.
"""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from portal.batches.importing import Opened, UnreadablePhoto
from portal.importers.collections import chosen_collection
from portal.importers.feeding import Foreign, ForeignPhoto, ImportFailed
from portal.photos.reasons import MAX_PHOTO_BYTES
from portal.text import is_text
from portal.transfer.report import NotTaken

BEGINNING = b"SQLite format 3\0"
NO_CROP = "The server kept only an embedding of this face: its collection does not save face crops."
GONE = "The file of the face crop is not there any more."


def is_database(path: Path) -> bool:
    """Whether a file is a SQLite database; what can't be opened is none."""
    try:
        with path.open("rb") as file:
            return file.read(len(BEGINNING)) == BEGINNING
    except OSError:
        return False


def read_database(path: Path, collection: str | None) -> Foreign:
    """All face samples of one collection. Raises ImportFailed."""
    photos: list[ForeignPhoto] = []
    not_taken: list[NotTaken] = []
    with _opened(path) as database:
        there = [str(found) for (found,) in database.execute("SELECT id FROM collections")]
        chosen = chosen_collection(there, collection, "collection's ID")
        columns = {row[1] for row in database.execute("PRAGMA table_info(face_samples)")}
        # Only whether there is one: they are read one by one when their turn comes.
        has_image = "f.crop_image IS NOT NULL" if "crop_image" in columns else "0"
        rows = database.execute(
            f"SELECT f.id, p.id, p.external_id, p.name, f.crop_path, {has_image} "  # noqa: S608
            "FROM face_samples f JOIN persons p ON p.collection_id = f.collection_id AND p.id = f.person_id "
            "WHERE f.collection_id = ? ORDER BY p.id, f.id",
            (chosen,),
        )
        for sample, person, external_id, name, crop_path, image in rows:
            texts = [str(text) for text in (sample, external_id or person, name or external_id or person)]
            if not all(map(is_text, texts)):
                raise ImportFailed(f"{path} has a name or an ID that is no text.")
            opener = partial(_image, path, texts[0]) if image else partial(_file, path.parent, crop_path)
            if image or crop_path:
                photos.append(ForeignPhoto(f"{texts[0]}.jpg", texts[1], texts[2], opener))
            else:
                not_taken.append(NotTaken("face", NO_CROP, texts[1], texts[2], texts[0]))
        nobody = database.execute(
            "SELECT id, external_id, name FROM persons p WHERE collection_id = ? AND NOT EXISTS "
            "(SELECT 1 FROM face_samples f WHERE f.collection_id = p.collection_id AND f.person_id = p.id)",
            (chosen,),
        )
        not_taken += (
            NotTaken("person", "There is no face of this person in it.", str(e or i), str(n or e or i))
            for i, e, n in nobody
        )
    return Foreign(f"from {path}, collection {chosen}"[:500], photos, not_taken)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The database, to be read only, and nothing in it to be run. Raises ImportFailed."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            database.execute("PRAGMA trusted_schema = OFF")
            tables = "SELECT name FROM sqlite_master WHERE type = 'table'"
            there = {name for (name,) in database.execute(tables)}
            if not {"collections", "persons", "face_samples"} <= there:
                raise ImportFailed(f"{path} is not the database of an InsightFace Server.")
            yield database
    except sqlite3.Error as error:
        raise ImportFailed(
            f"{path} can't be read: {error}. Stop the server, and copy its whole data folder."
        ) from error


def _image(path: Path, sample: str) -> Opened:
    with _opened(path) as database:
        row = database.execute("SELECT crop_image FROM face_samples WHERE id = ?", (sample,)).fetchone()
    if row is None or not isinstance(row[0], bytes) or not row[0]:
        raise UnreadablePhoto(GONE)
    return io.BytesIO(row[0])


def _file(folder: Path, crop_path: str) -> Opened:
    """A crop in the server's data folder, and nowhere else."""
    root = (folder / "face-crops").resolve()
    try:
        path = (folder / crop_path).resolve()
        if root not in path.parents or not path.is_file():
            raise UnreadablePhoto(GONE)
        with path.open("rb") as file:
            return io.BytesIO(file.read(MAX_PHOTO_BYTES + 1))
    except (OSError, ValueError) as error:
        raise UnreadablePhoto(GONE) from error
