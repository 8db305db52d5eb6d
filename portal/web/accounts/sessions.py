"""Sessions: who is signed in, for how long, and under which organization."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import cast
from urllib.parse import urlsplit

from flask import Flask, Response, flash, g, redirect, request, session, url_for
from flask.sessions import SecureCookieSessionInterface
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_user
from flask_wtf.csrf import CSRFError
from sqlalchemy import select

from portal.accounts.models import Membership, User
from portal.accounts.services import any_user
from portal.extensions import db, login_manager
from portal.http.security import API_PREFIX
from portal.web.accounts import kept_forms
from portal.web.accounts.access import current_membership

LIFETIME = timedelta(hours=12)
# The cookie is sent again this often, not with every answer: an answer under way while someone
# signed out would otherwise bring the old session back.
RENEWED_EVERY_S = 600


class _SessionInterface(SecureCookieSessionInterface):
    def get_cookie_secure(self, app: Flask) -> bool:
        """Over https the cookie stays on https; the portal also works on plain http at home (127.0.0.1)."""
        return request.is_secure


def init_app(app: Flask) -> None:
    """Set the rules of the session cookie, and make Flask-Login ask for a sign-in where one is needed."""
    app.config.update(
        # Browsers share cookies between the ports of a host: other programs there have a "session" too.
        SESSION_COOKIE_NAME="face_portal_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=LIFETIME,
        SESSION_REFRESH_EACH_REQUEST=False,
    )
    app.session_interface = _SessionInterface()
    login_manager.login_view = "accounts.sign_in"
    login_manager.session_protection = None
    login_manager.user_loader(load_user)
    login_manager.unauthorized_handler(ask_to_sign_in)
    app.before_request(renew)
    app.before_request(follow_organization)


def load_user(session_id: str) -> User | None:
    """The user whom a session remembers; None if the password changed since, or the user is gone."""
    user_id, _, version = session_id.partition(".")
    if not (user_id.isascii() and user_id.isdigit() and version.isascii() and version.isdigit()):
        return None
    return db.session.scalar(
        select(User).where(User.id == int(user_id), User.session_version == int(version))
    )


def current_account() -> User:
    """The row of the user who is signed in, for views that need one."""
    return cast(User, current_user._get_current_object())


def begin(user: User, organization_id: int | None) -> None:
    """Open a session for this user: nothing of the one before is kept, and only their own forms are taken."""
    session.clear()
    renew_csrf_token()
    session.permanent = True
    session["renewed_at"] = int(time.time())
    session["organization_id"] = organization_id
    login_user(user)
    kept_forms.mark_forms(user, organization_id)
    g.pop("membership", None)


def end() -> None:
    """Close the session."""
    session.clear()
    renew_csrf_token()
    g.pop("membership", None)
    g.pop("_login_user", None)


def switch_to(membership: Membership) -> None:
    """Go on under another organization; forms that are open under the one before are refused from now on."""
    session["organization_id"] = membership.organization_id
    renew_csrf_token()
    kept_forms.mark_forms(current_account(), membership.organization_id)
    g.membership = membership


def renew_csrf_token() -> None:
    """Make all forms that were opened before invalid."""
    session.pop("csrf_token", None)
    g.pop("csrf_token", None)


def renew() -> None:
    """Keep a session alive while it is used."""
    if _is_for_program():
        return
    if "_user_id" in session and time.time() - session.get("renewed_at", 0) > RENEWED_EVERY_S:
        session["renewed_at"] = int(time.time())


def follow_organization() -> None:
    """Where the membership that a session was under is gone, go on under the next one, and say so.

    A form that was opened before is refused, unless it is about the user alone: it would be filed in
    another organization.
    """
    if _is_for_program() or not current_user.is_authenticated or request.endpoint == "static":
        return
    membership = current_membership()
    organization_id = membership.organization_id if membership else None
    before = session.get("organization_id")
    if organization_id == before:
        return
    session["organization_id"] = organization_id
    renew_csrf_token()
    kept_forms.mark_forms(current_account(), organization_id)
    if before is None:
        return
    if request.method not in {"GET", "HEAD"} and request.blueprint != "accounts":
        raise CSRFError("You are no longer a member of the organization under which this form was opened.")
    then = f" You are now in {membership.organization.name}." if membership else ""
    flash(f"You are no longer a member of the organization you were working in.{then}", "warning")


def _is_for_program() -> bool:
    """Whether this is a request to the API, which knows no sessions."""
    return request.path.startswith(API_PREFIX)


def ask_to_sign_in() -> ResponseReturnValue:
    """Send a visitor to the sign-in page and, after it, back to where they were going."""
    is_form = request.method == "POST" and request.accept_mimetypes.best != "application/json"
    if is_form and (answer := kept_forms.answer()):
        return answer
    if not any_user(db.session):
        target = url_for("accounts.first_run")
    else:
        asked = request.full_path.rstrip("?") if request.method == "GET" else ""
        if "HX-Request" in request.headers:
            asked = _path_of(request.headers.get("HX-Current-URL", ""))
        target = url_for("accounts.sign_in", next=asked if asked not in {"", "/"} else None)
    if "HX-Request" in request.headers:
        # A redirect would put the sign-in page into the part of the page that was to be updated.
        return Response(status=401, headers={"HX-Redirect": target})
    return redirect(target)


def local_path(target: str | None) -> str | None:
    """`target` if it is a path of this portal; None for anything that a browser might take elsewhere."""
    if not target or not target.startswith("/") or target.startswith("//"):
        return None
    if any(character == "\\" or ord(character) <= 32 or ord(character) == 127 for character in target):
        return None
    return target


def _path_of(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return parts.path + (f"?{parts.query}" if parts.query else "")
