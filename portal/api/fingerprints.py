"""What a body says, in one number, made while it is read: a repeat is known by it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from hashlib import sha256
from typing import IO, Any, Protocol

from flask import Request
from werkzeug.exceptions import BadRequest
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from portal.http.uploads import CHUNK_BYTES, MAX_BUFFERED_BYTES


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


class _FormHash:
    """Of a form with files: names, file names and contents. The boundary differs from try to try."""

    def __init__(self, boundary: str) -> None:
        self._decoder = MultipartDecoder(boundary.encode(), MAX_BUFFERED_BYTES)
        self._form, self._part = sha256(), sha256()
        self._ended = False

    def update(self, data: bytes, /) -> None:
        """Take the next bytes. Raises BadRequest if they are no form."""
        if self._ended:
            return
        try:
            self._decoder.receive_data(data)
            while not isinstance(event := self._decoder.next_event(), NeedData | Epilogue):
                if isinstance(event, Field | File):
                    file_name = event.filename if isinstance(event, File) else None
                    self._form.update(json.dumps([event.name, file_name]).encode())
                    self._part = sha256()
                elif isinstance(event, Data):
                    self._part.update(event.data)
                    if not event.more_data:
                        self._form.update(self._part.digest())
        except ValueError as error:
            raise BadRequest("The form is damaged. Send it again.") from error
        self._ended = isinstance(event, Epilogue)

    def hexdigest(self) -> str:
        return self._form.hexdigest()


class FingerprintedStream(io.RawIOBase):
    """The body of a request, which is hashed as it is read."""

    def __init__(self, request: Request, while_it_comes: Callable[[], None]) -> None:
        self._source: IO[bytes] = request.stream
        self._while_it_comes = while_it_comes
        boundary = request.mimetype_params.get("boundary", "")
        is_form = request.mimetype == "multipart/form-data" and boundary
        self._hash: _Hash = _FormHash(boundary) if is_form else sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        self._while_it_comes()
        data = self._source.read(len(buffer))
        self._hash.update(data)
        buffer[: len(data)] = data
        return len(data)

    def read_through(self) -> None:
        """Read what is left."""
        while self.read(CHUNK_BYTES):
            pass

    def fingerprint(self) -> str:
        """Of what has been read: 64 hexadecimal digits."""
        return self._hash.hexdigest()
