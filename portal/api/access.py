"""What API keys may do: a view declares the scope that it needs, checked before the body is read."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from flask import g, request

from portal.api.problems import Problem
from portal.audit.services import Actor
from portal.extensions import db
from portal.http.access import DECLARATION
from portal.http.holding import hold_if_slow
from portal.http.security import upload_of
from portal.keys.models import ApiKey, Scope
from portal.keys.services import key_of, note_use
from portal.organizations.models import Organization

View = TypeVar("View", bound=Callable[..., Any])

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="Face Portal"'}


def needs(scope: Scope) -> Callable[[View], View]:
    """Declare that a view is for keys with a scope. Raises Problem (401, 403) and TooMuchHeld."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            key = _key()
            if not key.may(scope):
                raise Problem(403, f"The key {key.name} may not do this: it needs the scope {scope.value}.")
            note_use(db.session(), key)
            g.api_key = key
            hold_if_slow()
            if (upload := upload_of(request.endpoint)) is not None:
                request.max_content_length = upload.most_bytes
            return view(*args, **kwargs)

        setattr(checked, DECLARATION, scope)
        return cast(View, checked)

    return decorate


def _key() -> ApiKey:
    given = request.authorization
    if given is None or given.type != "bearer" or not given.token:
        raise Problem(401, "Send an API key: Authorization: Bearer KEY.", headers=CHALLENGE)
    key = key_of(db.session(), given.token)
    if key is None:
        raise Problem(401, "The API key is not known, was revoked, or has expired.", headers=CHALLENGE)
    return key


def current_key() -> ApiKey:
    """The key that this request came with."""
    return cast(ApiKey, g.api_key)


def current_organization() -> Organization:
    """The organization that the key acts for."""
    return current_key().organization


def current_actor() -> Actor:
    """The key, for the audit trail."""
    return Actor(None, f"key {current_key().name}", request.remote_addr or "", g.get("note_act"))
