"""Headers that tell browsers what a page of the portal may do."""

from __future__ import annotations

from flask import Flask, Response, abort, request, session

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

# The routes that take photos, and what a form without photos may have.
UPLOADS = {"people.new", "people.add_photos", "search.index"}
FORM_BYTES = 256 * 1024


def init_app(app: Flask) -> None:
    """Add the headers to every answer."""

    @app.before_request
    def limit_body() -> None:
        # Forms are read before anybody is known: only who is signed in may send much, and photos only.
        if request.endpoint not in UPLOADS or "_user_id" not in session:
            request.max_content_length = FORM_BYTES

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
