"""Photos on their way to the portal: paths, bytes and binary streams."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias, runtime_checkable

UNNAMED = "photo"
# The portal tells the format from the content.
CONTENT_TYPE = "application/octet-stream"


@runtime_checkable
class Stream(Protocol):
    """Something to read bytes from."""

    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True)
class Upload:
    """A photo with a name of its own; without one it has that of its file."""

    content: str | os.PathLike[str] | bytes | Stream
    name: str | None = None


Source: TypeAlias = str | os.PathLike[str] | bytes | Stream | Upload
Sources: TypeAlias = Source | Iterable[Source]


def upload_of(source: Source) -> Upload:
    """A photo in whichever way it was given."""
    return source if isinstance(source, Upload) else Upload(source)


def uploads_of(sources: Sources) -> list[Upload]:
    """One photo or several."""
    if isinstance(sources, str | bytes | os.PathLike | Stream | Upload):
        return [upload_of(sources)]
    return [upload_of(source) for source in sources]


class OutgoingFile:
    """A photo that is sent as often as it takes: it is read from where it began each time."""

    def __init__(self, upload: Upload) -> None:
        self._content = upload.content
        self._start = 0
        self.can_be_sent_again = True
        if isinstance(self._content, Stream):
            self._start = _place(self._content)
            self.can_be_sent_again = self._start >= 0
        self.name = upload.name or _name(self._content)

    def opened(self, files: ExitStack) -> bytes | BinaryIO | Stream:
        """What is read this time; files that are opened for it are closed with the stack."""
        if isinstance(self._content, bytes):
            return self._content
        if isinstance(self._content, Stream):
            return _FromHere(self._content, self._start) if self.can_be_sent_again else _Once(self._content)
        return files.enter_context(open(self._content, "rb"))


class _Once:
    """A stream that can't be rewound. Its length is not known, so it is sent in chunks."""

    def __init__(self, stream: Stream) -> None:
        self.read = stream.read


class _FromHere:
    """What is left of a stream, as if it began here."""

    def __init__(self, stream: Stream, start: int) -> None:
        self.read = stream.read
        self._seek = getattr(stream, "seek")  # noqa: B009
        self._start = start
        self.seek(0)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        place: int = self._seek(offset + self._start if whence == os.SEEK_SET else offset, whence)
        return place - self._start

    def tell(self) -> int:
        return self.seek(0, os.SEEK_CUR)


def _place(stream: Stream) -> int:
    """Where a stream is; -1 for one that can't be rewound."""
    seekable = getattr(stream, "seekable", None)
    if seekable is None or not seekable():
        return -1
    place: int = stream.tell()  # type: ignore[attr-defined]
    return place


def _name(content: str | os.PathLike[str] | bytes | Stream) -> str:
    given = content if isinstance(content, str | os.PathLike) else getattr(content, "name", None)
    return Path(given).name or UNNAMED if isinstance(given, str | os.PathLike) else UNNAMED
