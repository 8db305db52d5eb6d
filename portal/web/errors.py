"""Error pages: what happened, and what to do next."""

from __future__ import annotations

import structlog
from flask import current_app, g, request
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from portal.database import DatabaseBusy, Gone
from portal.extensions import db
from portal.http.errors import Handlers
from portal.http.holding import TooMuchHeld
from portal.storage import StoreFull
from portal.web.accounts import kept_forms

PAGES = {400, 403, 404, 405, 408, 413, 429, 500, 507}

FULL = "The portal's disk is full. Nothing was lost: tell whoever runs the portal, and send it again later."

BUSY = "The portal is busy writing what others sent. Try again in a few seconds."

Said = tuple[str | dict[str, str], int, dict[str, str]]

log = structlog.get_logger()


def http_error(error: HTTPException) -> tuple[str, int] | HTTPException:
    """The page of an HTTP error; one that is not an error (a redirect) passes."""
    code = error.code or 500
    if code < 400:
        return error
    page = code if code in PAGES else (400 if code < 500 else 500)
    return _page(str(page), error=error), code


def csrf_error(error: CSRFError) -> tuple[str, int]:
    """A form of another session: its owner goes on with it, others are told what to do."""
    return kept_forms.answer() or (_page("csrf", error=error), 400)


def too_large(error: RequestEntityTooLarge) -> tuple[str, int] | HTTPException:
    """More than a form may have: photos, of someone whose session has ended, or too many of them."""
    if not current_user.is_authenticated and (answer := kept_forms.answer()):
        return answer
    return http_error(error)


def gone(_: Gone) -> tuple[str, int]:
    """What someone else deleted in the meantime."""
    return _page("gone"), 404


def too_much_held(error: TooMuchHeld) -> Said:
    """One more slow request than is allowed at once."""
    return _said("busy", str(error.description), error.code, error.headers)


def database_busy(error: DatabaseBusy) -> Said:
    """The database is written by others all the time."""
    log.error("the database is busy", problem=str(error))
    return _said("busy", BUSY, 503, {"Retry-After": "5"})


def store_full(error: StoreFull) -> Said:
    """There is no room for photos."""
    log.error("the disk of the photos is full", problem=str(error))
    return _said("507", FULL, 507, {})


def _said(page: str, words: str, status: int, headers: dict[str, str]) -> Said:
    """JSON for a script, a page for a person."""
    is_script = request.accept_mimetypes.best == "application/json"
    return {"error": words} if is_script else _page(page, words=words), status, headers


def _page(name: str, **values: object) -> str:
    """A page without what templates usually get from the database: that may be what failed."""
    template = current_app.jinja_env.get_template(f"errors/{name}.html")
    return template.render(request_id=g.get("request_id"), **values)


def failure(error: Exception) -> tuple[str, int]:
    """Something unforeseen: logged in full, shown without details."""
    log.exception("request failed", endpoint=request.endpoint)
    db.session.rollback()
    return _page("500"), 500


HANDLERS: Handlers = {
    TooMuchHeld: too_much_held,
    HTTPException: http_error,
    RequestEntityTooLarge: too_large,
    CSRFError: csrf_error,
    DatabaseBusy: database_busy,
    Gone: gone,
    StoreFull: store_full,
    Exception: failure,
}
