"""The body of a request: how large it may be, and how it is read, as slowly as it comes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from threading import local
from typing import IO, Any, TypeVar, cast

from flask import Flask, Request, current_app, request, session
from werkzeug.exceptions import ClientDisconnected, RequestTimeout
from werkzeug.utils import cached_property
from werkzeug.wsgi import get_input_stream

from portal.database import end_reading
from portal.extensions import db

# However much a reader asks for at once: a slow body takes no more memory than that.
MOST_AT_ONCE = 64 * 1024
FORM_BYTES = 256 * 1024
# A form without files has so long to come in all; an upload as long as it takes, while it moves.
FORM_S = 60.0
# Where a view's declaration is kept.
DECLARATION = "__portal_upload__"

View = TypeVar("View", bound=Callable[..., Any])


class _Time(local):
    """Of the body that this thread reads: when it has to be there, by time.monotonic()."""

    ends_at = math.inf


_time = _Time()


def refuse_if_late() -> None:
    """Called by the server before each piece that it waits for. Raises BlockingIOError, as silence does."""
    if time.monotonic() >= _time.ends_at:
        raise BlockingIOError("The time of this body is over.")


class Body:
    """What the server gives as a request's body. No connection to the database waits for it."""

    def __init__(self, stream: IO[bytes], seconds: float = math.inf) -> None:
        self._stream = stream
        self._ends_at = time.monotonic() + seconds

    def read(self, size: int = -1, /) -> bytes:
        """The next piece, or with a negative size all.

        Raises RequestTimeout if nothing has come for too long, or not all of a form in its time;
        ClientDisconnected if nothing will.
        """
        end_reading(db.session())
        _time.ends_at = self._ends_at
        try:
            return self._stream.read(min(size, MOST_AT_ONCE))
        except BlockingIOError as error:  # the listener's SO_RCVTIMEO, or refuse_if_late
            raise RequestTimeout("It came too slowly, or not at all. Send it again.") from error
        except OSError as error:
            raise ClientDisconnected("The connection was lost.") from error
        finally:
            _time.ends_at = math.inf


@dataclass(frozen=True)
class AcceptedUpload:
    """What the body of a request to a view may be."""

    # None: as much as the photos of one person.
    most_bytes: int | None
    # The view reads it itself, piece by piece, as it comes.
    streamed: bool


def accepts_upload(most_bytes: int | None = None, *, streamed: bool = False) -> Callable[[View], View]:
    """Declare that a view takes more than a form has; goes above `requires`."""

    def declare(view: View) -> View:
        setattr(view, DECLARATION, AcceptedUpload(most_bytes, streamed))
        return view

    return declare


def upload_of(endpoint: str | None) -> AcceptedUpload | None:
    """What a view takes as its body; None if no more than a form has."""
    view = current_app.view_functions.get(endpoint or "")
    return getattr(view, DECLARATION, None)


class StreamableRequest(Request):
    """A request whose body may come slowly, and whose form is left to views that read it piece by piece."""

    @cached_property
    def stream(self) -> IO[bytes]:
        seconds = FORM_S if self.max_content_length == FORM_BYTES else math.inf
        environ = {**self.environ, "wsgi.input": Body(self.environ["wsgi.input"], seconds)}
        return get_input_stream(environ, max_content_length=self.max_content_length)

    @property
    def want_form_data_parsed(self) -> bool:
        upload = upload_of(self.endpoint)
        return not (upload and upload.streamed) and super().want_form_data_parsed

    def _get_file_stream(self, *_: object, **__: object) -> IO[bytes]:
        return cast(IO[bytes], SpooledTemporaryFile(MOST_AT_ONCE))


def init_app(app: Flask) -> None:
    """Read bodies in this way, and limit them."""
    app.request_class = StreamableRequest

    @app.before_request
    def limit_body() -> None:
        # Forms are read before the user is known: only signed-in users may send much, and files only.
        upload = upload_of(request.endpoint)
        if upload is None or "_user_id" not in session:
            request.max_content_length = FORM_BYTES
        elif upload.most_bytes is not None:
            request.max_content_length = upload.most_bytes
