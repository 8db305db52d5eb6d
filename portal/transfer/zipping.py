"""An export as a ZIP, piece by piece: the memory that it takes is that of the ZIP's directory."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import groupby
from typing import Any

from portal.storage import PhotoStore, Rendition
from portal.transfer import format as fmt
from portal.transfer.exporting import Export

PIECE = 256 * 1024


class _Sink(io.RawIOBase):
    """What was written since it was asked last; it can't be sought in, so the ZIP is one that streams."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any, /) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def take(self) -> bytes:
        """What was written, once."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def pieces(export: Export, store: PhotoStore, tell: Callable[[int, int], None]) -> Iterator[bytes]:
    """The bytes of the ZIP. `tell` is called with how many photos there are, and how many are in it."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as archive:
        for _ in _members(archive, export, store, tell):
            yield sink.take()
        lines = "".join(f"{row.model_dump_json()}\n" for row in export.left_out)
        archive.writestr(_info(export, fmt.LEFT_OUT, zipfile.ZIP_DEFLATED), lines)
    yield sink.take()


def _members(
    archive: zipfile.ZipFile,
    export: Export,
    store: PhotoStore,
    tell: Callable[[int, int], None],
) -> Iterator[None]:
    """Write everything but the last member; what was written can be taken whenever this yields."""
    manifest = export.manifest.model_dump_json(indent=2)
    archive.writestr(_info(export, fmt.MANIFEST, zipfile.ZIP_DEFLATED), manifest)
    for name, member in export.members.items():
        member.file.seek(0)
        # Templates hardly shrink, and stored as they are any program can read them in place.
        how = zipfile.ZIP_STORED if name == fmt.TEMPLATES else zipfile.ZIP_DEFLATED
        with archive.open(_info(export, name, how), "w", force_zip64=True) as target:
            while piece := member.file.read(PIECE):
                target.write(piece)
                yield
    done = 0
    export.files.seek(0)
    lines = (line.decode().split() for line in export.files)
    for sha256, same in groupby(lines, lambda line: line[1]):
        copies = [(int(photo_id), key) for photo_id, _, key in same]
        content = next((one for _, key in copies if (one := _sound(store, key, sha256))), None)
        if content is None:
            export.left_out += (fmt.LeftOutRow(photo=photo_id) for photo_id, _ in copies)
        else:
            archive.writestr(_info(export, fmt.photo_member(sha256)), content)
            for photo_id, key in copies:
                for rendition in fmt.RENDITIONS:
                    _add_rendition(archive, export, store, photo_id, key, rendition)
        done += len(copies)
        tell(export.photos, done)
        yield


def _add_rendition(
    archive: zipfile.ZipFile, export: Export, store: PhotoStore, photo_id: int, key: str, rendition: Rendition
) -> None:
    try:
        content = store.read(key, rendition)
    except FileNotFoundError:
        return  # not every photo has every one
    archive.writestr(_info(export, fmt.rendition_member(photo_id, rendition)), content)


def _sound(store: PhotoStore, key: str, sha256: str) -> bytes | None:
    """A photo's file; None if it was deleted meanwhile, or is not what it was."""
    try:
        content = store.read(key)
    except FileNotFoundError:
        return None
    return content if hashlib.sha256(content).hexdigest() == sha256 else None


def _info(export: Export, name: str, how: int = zipfile.ZIP_STORED) -> zipfile.ZipInfo:
    moment: datetime = export.manifest.moment
    info = zipfile.ZipInfo(name, moment.timetuple()[:6])
    info.compress_type, info.external_attr = how, 0o600 << 16
    return info
