"""Exports, and how they are taken back."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path

from sqlalchemy.orm import Session

from portal.organizations.models import Organization
from portal.storage import photo_store
from portal.transfer.exporting import exported
from portal.transfer.importing import import_export
from portal.transfer.into import Taken
from portal.transfer.zipping import pieces
from tests.make.people import TESTER


def export(session: Session, organization: Organization, path: Path) -> Path:
    """Write an organization's export to a path."""
    with path.open("wb") as file, exported(session, organization, photo_store()) as ready:
        file.writelines(pieces(ready, photo_store(), lambda total, done: None))
    return path


def take(session: Session, organization: Organization, path: Path) -> Taken:
    """Take an export into an organization."""
    return import_export(session, organization, TESTER, path, photo_store(), lambda *_: None)[0]


def members(path: Path) -> dict[str, bytes]:
    """The members of a ZIP, in their order."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rows(path: Path, member: str) -> list[dict[str, object]]:
    """The rows of a member."""
    return [json.loads(line) for line in members(path)[member].splitlines()]


def rezipped(target: Path, files: dict[str, bytes], *, sound: bool = True) -> Path:
    """A ZIP of members as an export has them; with `sound`, the manifest has their SHA-256."""
    if sound:
        manifest = json.loads(files["manifest.json"])
        for name in manifest["sha256"]:
            if name in files:
                manifest["sha256"][name] = hashlib.sha256(files[name]).hexdigest()
        files = {**files, "manifest.json": json.dumps(manifest).encode()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    target.write_bytes(buffer.getvalue())
    return target
