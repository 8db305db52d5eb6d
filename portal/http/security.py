"""Headers that tell browsers what a page of the portal may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO, Any, TypeVar, cast

from flask import Flask, Request, Response, abort, current_app, request, session
from werkzeug.utils import cached_property
from werkzeug.wsgi import get_input_stream

from portal.http.bodies import MOST_AT_ONCE, Body

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        # blob: the previews of photos that were chosen but not sent yet.
        "img-src 'self' blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

API_PREFIX = "/api/"
FORM_BYTES = 256 * 1024
# Where a view's declaration is kept.
DECLARATION = "__portal_upload__"

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Upload:
    """What the body of a request to a view may be."""

    # None: as much as the photos of one person.
    most_bytes: int | None
    # The view reads it itself, piece by piece, as it comes.
    streamed: bool


def accepts_upload(most_bytes: int | None = None, *, streamed: bool = False) -> Callable[[View], View]:
    """Declare that a view takes more than a form has; goes above `requires`."""

    def declare(view: View) -> View:
        setattr(view, DECLARATION, Upload(most_bytes, streamed))
        return view

    return declare


def upload_of(endpoint: str | None) -> Upload | None:
    """What a view takes as its body; None if no more than a form has."""
    view = current_app.view_functions.get(endpoint or "")
    return getattr(view, DECLARATION, None)


class StreamableRequest(Request):
    """A request whose body may come slowly, and whose form is left to views that read it piece by piece."""

    @cached_property
    def stream(self) -> IO[bytes]:
        environ = {**self.environ, "wsgi.input": Body(self.environ["wsgi.input"])}
        return get_input_stream(environ, max_content_length=self.max_content_length)

    @property
    def want_form_data_parsed(self) -> bool:
        upload = upload_of(self.endpoint)
        return not (upload and upload.streamed) and super().want_form_data_parsed

    def _get_file_stream(self, *_: object, **__: object) -> IO[bytes]:
        return cast(IO[bytes], SpooledTemporaryFile(MOST_AT_ONCE))


def init_app(app: Flask) -> None:
    """Add the headers to every answer."""
    app.request_class = StreamableRequest

    @app.before_request
    def limit_body() -> None:
        # Forms are read before the user is known: only signed-in users may send much, and files only.
        upload = upload_of(request.endpoint)
        if upload is None or "_user_id" not in session:
            request.max_content_length = FORM_BYTES
        elif upload.most_bytes is not None:
            request.max_content_length = upload.most_bytes

    @app.before_request
    def refuse_nul() -> None:
        # PostgreSQL can't hold it, and no one types it.
        # A body for the API waits until the key has been checked; its text is cleaned by who reads it.
        form = () if request.path.startswith(API_PREFIX) else request.form.items(multi=True)
        for _, text in (*request.args.items(multi=True), *form):
            if "\0" in text:
                abort(400)

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers["Permissions-Policy"] = "camera=(self), microphone=(), geolocation=()"
        if request.is_secure:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        # Pages and photos show people: only the browser keeps them, and it asks again.
        if request.endpoint != "static" and "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "no-store"
        return response
