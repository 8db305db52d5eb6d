"""What API keys may do: a view declares the scope that it needs, checked before the body is read."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from flask import g, request
from sqlalchemy.orm import Session

from portal.api.limits import refusals_of_address, requests_of_key
from portal.api.problems import Problem
from portal.audit.services import Actor
from portal.extensions import db
from portal.http.access import DECLARATION
from portal.http.bodies import upload_of
from portal.http.holding import hold_if_slow
from portal.keys.models import ApiKey, Scope
from portal.keys.services import is_usable_still, key_of, note_use
from portal.organizations.models import Organization

View = TypeVar("View", bound=Callable[..., Any])

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="Face Portal"'}
UNUSABLE = "The API key is not known, was revoked, or has expired."


def needs(scope: Scope) -> Callable[[View], View]:
    """Declare that a view is for keys with a scope. Raises Problem (401, 403) and TooMuchHeld."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            key = g.api_key = _key()
            with requests_of_key:
                pass
            if not key.may(scope):
                raise Problem(403, f"The key {key.name} may not do this: it needs the scope {scope.value}.")
            note_use(db.session(), key)
            hold_if_slow()
            if (upload := upload_of(request.endpoint)) is not None:
                request.max_content_length = upload.most_bytes
            return view(*args, **kwargs)

        setattr(checked, DECLARATION, scope)
        return cast(View, checked)

    return decorate


def _key() -> ApiKey:
    given = request.authorization
    token = given.token if given is not None and given.type == "bearer" else None
    if token and (key := key_of(db.session(), token)) is not None:
        return key
    with refusals_of_address:
        raise _refused(UNUSABLE if token else "Send an API key: Authorization: Bearer KEY.")


def _refused(words: str) -> Problem:
    return Problem(401, words, headers=CHALLENGE)


def current_key() -> ApiKey:
    """The key that this request came with."""
    return cast(ApiKey, g.api_key)


def refuse_revoked_key() -> None:
    """Called when a body has come, for what is not recorded as an act of the key. Raises Problem (401)."""
    if not is_usable_still(db.session(), current_key()):
        raise _refused(UNUSABLE)


def current_organization() -> Organization:
    """The organization that the key acts for."""
    return current_key().organization


def current_actor() -> Actor:
    """The key, for the audit trail. What it does is not done if it was revoked while the request came."""
    return Actor(None, f"key {g.api_key.name}", request.remote_addr or "", _note)


def current_onlooker() -> Actor:
    """As current_actor, for what changes nothing that lasts: sent again, it may be carried out again."""
    return Actor(None, f"key {g.api_key.name}", request.remote_addr or "", _check)


def _check(session: Session, _subject_id: int | None) -> None:
    if not is_usable_still(session, g.api_key):
        raise _refused(UNUSABLE)


def _note(session: Session, subject_id: int | None) -> None:
    _check(session, subject_id)
    if "note_act" in g:
        g.note_act(session, subject_id)
