"""Headers that tell browsers what a page of the portal may do."""

from __future__ import annotations

from flask import Flask, Request, Response, abort, request, session

from portal.batches.unpacking import MAX_ARCHIVE_BYTES

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

FORM_BYTES = 256 * 1024
MIB = 1024**2
# The routes that take more than a form has, and how many bytes; None: photos of one person.
UPLOADS: dict[str, int | None] = {
    "people.new": None,
    "people.add_photos": None,
    "search.index": None,
    "batches.create": MAX_ARCHIVE_BYTES,
    "batch_uploads.reading": MIB,
    "batch_uploads.manifest": 256 * MIB,
    "batch_uploads.files": MIB,
    "batch_uploads.photos": None,
    "batch_uploads.archive_piece": 16 * MIB,
    "batches.replace": None,
}
# Those whose bodies are read by the view itself, as they come.
STREAMED = {"batches.create", "batch_uploads.manifest", "batch_uploads.photos", "batch_uploads.archive_piece"}


class StreamableRequest(Request):
    """A request whose form is not parsed where the view wants to read it piece by piece."""

    @property
    def want_form_data_parsed(self) -> bool:
        return self.endpoint not in STREAMED and super().want_form_data_parsed


def init_app(app: Flask) -> None:
    """Add the headers to every answer."""
    app.request_class = StreamableRequest

    @app.before_request
    def limit_body() -> None:
        # Forms are read before anybody is known: only who is signed in may send much, and files only.
        endpoint = request.endpoint or ""
        if endpoint not in UPLOADS or "_user_id" not in session:
            request.max_content_length = FORM_BYTES
        elif (limit := UPLOADS[endpoint]) is not None:
            request.max_content_length = limit

    @app.before_request
    def refuse_nul() -> None:
        # PostgreSQL can't hold it, and nobody types it.
        for _, text in (*request.args.items(multi=True), *request.form.items(multi=True)):
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
        # Pages and photos show people: nobody but the browser keeps them, and it asks again.
        if request.endpoint != "static" and "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "no-store"
        return response
