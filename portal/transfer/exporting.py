"""An organization as it is at one moment, in temporary files, ready to be sent as a ZIP.

All rows are read in one transaction that only reads: nobody waits for it, and it is over before the first
photo is sent, however slowly that is done. Photos are read when their turn comes. A file that was deleted
since is not in the ZIP; left_out.jsonl, the last member, says which.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import IO

from sqlalchemy.orm import Session

from portal.audit.services import Action, Actor, record
from portal.database import now, snapshot, writing
from portal.installation.models import FaceModel
from portal.installation.services import current_face_model
from portal.installation.thresholds import chosen_for
from portal.organizations.models import Organization
from portal.storage import PhotoStore
from portal.transfer import format as fmt
from portal.transfer import npy, rows


@dataclass
class Member:
    """A member that is written before the ZIP is begun, in a temporary file."""

    file: IO[bytes]
    rows: int = 0
    digest: str = ""


@dataclass
class Export:
    """An organization at a moment: what `zipping.pieces` needs for the ZIP."""

    manifest: fmt.Manifest
    members: dict[str, Member]
    # Lines of "id sha256 key", those of one SHA-256 together.
    files: IO[bytes]
    photos: int = 0
    # Photos whose files are gone, or damaged: known when the ZIP is written.
    left_out: list[fmt.LeftOutRow] = field(default_factory=list)


@dataclass
class _Writing:
    """The members so far."""

    store: PhotoStore
    open_files: ExitStack
    members: dict[str, Member] = field(default_factory=dict)

    def file(self) -> IO[bytes]:
        """A temporary file that is closed, and gone, with the export."""
        return self.open_files.enter_context(self.store.temporary_file())

    def add(self, name: str, lines: Iterable[bytes], *, uncounted: int = 0) -> None:
        """Write a member; of its lines so many are no rows."""
        member = self.members[name] = Member(self.file(), -uncounted)
        for line in lines:
            member.file.write(line)
            member.rows += 1


@contextmanager
def exported(session: Session, organization: Organization, store: PhotoStore) -> Iterator[Export]:
    """Read everything of an organization but its photos' files, for as long as the context is open."""
    with ExitStack() as open_files:
        writing_down = _Writing(store, open_files)
        with snapshot(session) as reading:
            moment = now()
            one = reading.get_one(Organization, organization.id)
            model = current_face_model(reading)
            _write_rows(reading, one, model, writing_down)
            files, photos = writing_down.file(), 0
            for photo_id, sha256, key in rows.files(reading, one):
                files.write(f"{photo_id} {sha256} {key}\n".encode())
                photos += 1
            manifest = _manifest(one, model, writing_down.members, moment)
        yield Export(manifest, writing_down.members, files, photos)


def record_export(session: Session, organization: Organization, actor: Actor) -> None:
    """Write down that someone took everything out of the portal."""
    with writing(session):
        record(
            session,
            actor,
            Action.DATA_EXPORTED,
            organization_id=organization.id,
            subject_type="organization",
            subject_id=organization.id,
        )


def _write_rows(
    session: Session, organization: Organization, model: FaceModel | None, writing_down: _Writing
) -> None:
    found = {
        "people.jsonl": rows.people(session, organization),
        "merges.jsonl": rows.merges(session, organization),
        "photos.jsonl": rows.photos(session, organization, model.id if model else None),
        "faces.jsonl": _faces(session, organization, model, writing_down),
        "pairs.jsonl": rows.pairs(session, organization),
        "pair_events.jsonl": rows.pair_events(session, organization),
        "checked_photos.jsonl": rows.checked_photos(session, organization),
    }
    assert found.keys() == fmt.ROWS.keys()
    for name, members in found.items():
        writing_down.add(name, (f"{row.model_dump_json()}\n".encode() for row in members))
    audit = (line.encode() for line in rows.audit_lines(session, organization))
    writing_down.add(fmt.AUDIT, audit, uncounted=1)


def _faces(
    session: Session, organization: Organization, model: FaceModel | None, writing_down: _Writing
) -> Iterator[fmt.Row]:
    """The faces; their templates are written beside, and a header before these when there are no more."""
    member = writing_down.members[fmt.TEMPLATES] = Member(writing_down.file())
    dimension = model.dimension if model else 1
    member.file.write(bytes(len(npy.header(0, dimension))))
    if model is not None:
        for row, template in rows.faces(session, organization, model.id):
            if template is not None:
                if len(template) != dimension * npy.FLOAT:
                    raise RuntimeError(f"The template of face {row} is not of {dimension} numbers.")
                member.file.write(template)
                member.rows += 1
            yield row
    header = npy.header(member.rows, dimension)
    member.file.seek(0)
    member.file.write(header)


def _manifest(
    organization: Organization, model: FaceModel | None, members: dict[str, Member], moment: object
) -> fmt.Manifest:
    for member in members.values():
        member.file.seek(0)
        member.digest = hashlib.file_digest(member.file, "sha256").hexdigest()  # type: ignore[arg-type]
    search, duplicates = chosen_for(organization, model) if model else (None, None)
    return fmt.Manifest.model_validate(
        {
            "format": fmt.FORMAT,
            "version": fmt.VERSION,
            "moment": moment,
            "organization": {"slug": organization.slug, "name": organization.name},
            "face_model": model
            and {name: getattr(model, name) for name in ("fingerprint", "name", "engine", "dimension")},
            "thresholds": {"search": search, "duplicates": duplicates},
            "counts": {name: member.rows for name, member in members.items()},
            "sha256": {name: member.digest for name, member in members.items()},
        }
    )
