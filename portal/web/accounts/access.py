"""What members may do: a view of a page declares the permission that its visitor needs."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from flask import abort, current_app, g, request, session
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from portal.accounts.models import Membership
from portal.accounts.roles import ROLES_WITH, Permission
from portal.audit.services import Actor
from portal.extensions import db, login_manager
from portal.http.access import DECLARATION
from portal.organizations.models import Organization

View = TypeVar("View", bound=Callable[..., Any])

SIGNED_IN = "signed in"


def signed_in(view: View) -> View:
    """Declare that any user may reach this view, member of an organization or not."""

    @wraps(view)
    def checked(*args: Any, **kwargs: Any) -> Any:
        if not current_user.is_authenticated:
            return login_manager.unauthorized()
        return current_app.ensure_sync(view)(*args, **kwargs)

    setattr(checked, DECLARATION, SIGNED_IN)
    return cast(View, checked)


def requires(permission: Permission) -> Callable[[View], View]:
    """Declare that a view is for members whose role has `permission` in the current organization."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            if not current_user.is_authenticated:
                return login_manager.unauthorized()
            if not may(permission):
                abort(403)
            return view(*args, **kwargs)

        setattr(checked, DECLARATION, permission)
        return cast(View, checked)

    return decorate


def current_membership() -> Membership | None:
    """The membership that this request acts under: the organization chosen in the session, else the first.

    None for a visitor, or a user who is in no organization (any more).
    """
    if "membership" not in g:
        g.membership = _load_membership() if current_user.is_authenticated else None
    return cast(Membership | None, g.membership)


def _load_membership() -> Membership | None:
    query = (
        select(Membership)
        .options(joinedload(Membership.organization))
        .where(Membership.user_id == current_user.id)
        .order_by(Membership.id)
        .limit(1)
    )
    chosen = session.get("organization_id")
    if chosen is not None:
        membership = db.session.scalar(query.where(Membership.organization_id == chosen))
        if membership is not None:
            return membership
    return db.session.scalar(query)


def may(permission: Permission) -> bool:
    """Whether the current member's role has `permission`."""
    membership = current_membership()
    return membership is not None and membership.role in ROLES_WITH[permission]


def current_organization() -> Organization:
    """The organization that this request is about; 403 where there is none."""
    membership = current_membership()
    if membership is None:
        abort(403)
    return membership.organization


def current_actor() -> Actor:
    """The user of this request, for the audit trail."""
    if current_user.is_authenticated:
        return Actor(current_user.id, current_user.email, request.remote_addr or "")
    return Actor(None, "nobody signed in", request.remote_addr or "")
