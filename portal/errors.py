"""Error pages: what happened, and what to do next."""

from __future__ import annotations

import structlog
from flask import Flask, current_app, g, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from portal.database import Gone
from portal.extensions import db

PAGES = {400, 403, 404, 405, 413, 429, 500}

log = structlog.get_logger()


def init_app(app: Flask) -> None:
    """Answer every error with a page of the portal."""
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(CSRFError, csrf_error)
    app.register_error_handler(Gone, gone)
    app.register_error_handler(Exception, failure)


def http_error(error: HTTPException) -> tuple[str, int] | HTTPException:
    """The page of an HTTP error; one that is not an error (a redirect) passes."""
    code = error.code or 500
    if code < 400:
        return error
    page = code if code in PAGES else (400 if code < 500 else 500)
    return _page(str(page), error=error), code


def csrf_error(error: CSRFError) -> tuple[str, int]:
    """A form that is too old, or was opened under another organization or before signing in."""
    return _page("csrf", error=error), 400


def gone(_: Gone) -> tuple[str, int]:
    """What somebody else deleted in the meantime."""
    return _page("gone"), 404


def _page(name: str, **values: object) -> str:
    """A page without what templates usually get from the database: that may be what failed."""
    template = current_app.jinja_env.get_template(f"errors/{name}.html")
    return template.render(request_id=g.get("request_id"), **values)


def failure(error: Exception) -> tuple[str, int]:
    """Something that nobody foresaw: logged whole, shown without details."""
    log.exception("request failed", endpoint=request.endpoint)
    db.session.rollback()
    return _page("500"), 500
