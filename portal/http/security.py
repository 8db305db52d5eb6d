"""What no request may contain, and the headers that tell browsers what a page of the portal may do."""

from __future__ import annotations

from flask import Flask, Response, abort, request

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


def init_app(app: Flask) -> None:
    """Refuse NUL characters, and add the headers to every answer."""

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
