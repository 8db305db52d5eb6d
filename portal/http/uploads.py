"""Files of forms: streamed into the store one by one, so that no form has to fit into memory."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePath

from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import BadRequest, HTTPException
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData
from werkzeug.wrappers import Request

from portal.database import Gone, end_reading
from portal.extensions import db
from portal.organizations.models import Organization
from portal.photos.reasons import MAX_PHOTO_BYTES
from portal.photos.services import PhotoError, Upload
from portal.storage import FileTooLarge, PhotoStore, Readable

CHUNK_BYTES = 64 * 1024
MAX_FIELD_BYTES = 64 * 1024
# Of heads of parts, and of what stands before the first and behind the last.
MAX_BUFFERED_BYTES = 1024 * 1024


class FormPart:
    """A field or a file of a form, to be read before the next one; what is left unread is skipped."""

    def __init__(self, name: str, file_name: str | None, pieces: Iterator[bytes]) -> None:
        self.name = name
        # None: a field, not a file.
        self.file_name = file_name
        self._pieces = pieces

    def read(self, size: int = -1, /) -> bytes:
        """The next piece as it came, of any length; empty at the end."""
        return next((piece for piece in self._pieces if piece), b"")

    def text(self) -> str:
        """A field's value. Raises BadRequest if it is longer than any that the portal has, or no text."""
        value = b""
        while piece := self.read():
            value += piece
            if len(value) > MAX_FIELD_BYTES:
                raise BadRequest("A field of the form is too long.")
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise BadRequest("A field of the form is not text.") from error

    def skip(self) -> None:
        """Read to the end of this part."""
        while self.read():
            pass


def form_parts(request: Request) -> Iterator[FormPart]:
    """The parts of a form in the order in which they come, while they come.

    Raises BadRequest for what is no form, or breaks off.
    """
    return parts_of(request, request.stream)


def parts_of(request: Request, stream: Readable) -> Iterator[FormPart]:
    """`form_parts`, read from a stream of one's own, for a request whose body is over its limit."""
    boundary = request.mimetype_params.get("boundary", "")
    if request.mimetype != "multipart/form-data" or not boundary:
        raise BadRequest("This is not a form with files.")
    events = _form_events(stream, MultipartDecoder(boundary.encode(), MAX_BUFFERED_BYTES))
    for event in events:
        if isinstance(event, Field | File):
            file_name = event.filename if isinstance(event, File) else None
            part = FormPart(event.name or "", file_name, _pieces(events))
            yield part
            part.skip()


def _form_events(stream: Readable, decoder: MultipartDecoder) -> Iterator[Event]:
    try:
        while not isinstance(event := decoder.next_event(), Epilogue):
            if isinstance(event, NeedData):
                decoder.receive_data(stream.read(CHUNK_BYTES) or None)
            else:
                yield event
    except ValueError as error:
        raise BadRequest("The upload was interrupted. Send it again.") from error


def _pieces(events: Iterator[Event]) -> Iterator[bytes]:
    """The content of the part whose head was read last."""
    for event in events:
        assert isinstance(event, Data)
        yield event.data
        if not event.more_data:
            return


@contextmanager
def stored_uploads(
    store: PhotoStore, organization: Organization, files: Sequence[FileStorage]
) -> Iterator[list[Upload]]:
    """The files of a form, in the store under their own names; removed again if what follows raises.

    An input that was left empty counts for nothing. Raises PhotoError, which names the file, for a photo
    of more than MAX_PHOTO_BYTES.
    """
    uploads: list[Upload] = []
    end_reading(db.session())  # flushing files may take long

    def receive() -> None:
        for file in files:
            if not file.filename:
                continue
            name = shown_name(file.filename)
            try:
                stored = store.receive(organization.id, file.stream, MAX_PHOTO_BYTES)
            except FileTooLarge as error:
                raise PhotoError(
                    f"{name} is larger than {MAX_PHOTO_BYTES // 1024**2} MiB. Nothing was saved: "
                    "leave it out or save a smaller copy, and send the form again."
                ) from error
            uploads.append(Upload(stored, name))

    with removed_if_refused(store, uploads, receive):
        yield uploads


@contextmanager
def removed_if_refused(
    store: PhotoStore, uploads: Sequence[Upload], receive: Callable[[], None]
) -> Iterator[None]:
    """Have photos received, which `receive` adds to `uploads`; they are removed again if they are refused.

    That is: if receiving them raises anything, or what follows raises a refusal.
    """
    try:
        with store.together():
            receive()
    except BaseException:
        _remove(store, uploads)  # no row can have them yet
        raise
    try:
        yield
    except (ValueError, Gone, HTTPException):
        # Refused, so nothing is written. After any other error it may be; what has no row is found later.
        _remove(store, uploads)
        raise


def _remove(store: PhotoStore, uploads: Sequence[Upload]) -> None:
    for upload in uploads:
        store.delete(upload.file.key)


def shown_name(file_name: str) -> str:
    """The name of a file without folders, and without invisible characters."""
    plain = "".join(character for character in file_name if unicodedata.category(character)[0] != "C")
    return PurePath(plain.replace("\\", "/")).name or "photo"
