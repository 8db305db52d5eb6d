"""The web tier's entry: `wsgi:app` for any WSGI server."""

from __future__ import annotations

from portal import create_app, logs

logs.configure()
app = create_app()
