"""Deny by default: every view declares who may reach it, and what declares nothing is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, abort, current_app, request

View = TypeVar("View", bound=Callable[..., Any])

# Where a view's declaration is kept; a test reads it from every route.
DECLARATION = "__portal_access__"
PUBLIC = "public"


def public(view: View) -> View:
    """Declare that anyone may reach this view."""
    setattr(view, DECLARATION, PUBLIC)
    return view


def deny_undeclared() -> None:
    """Refuse a request whose view declares nothing (runs before every request)."""
    view = current_app.view_functions.get(request.endpoint or "")
    if view is not None and request.endpoint != "static" and not hasattr(view, DECLARATION):
        abort(403)


def init_app(app: Flask) -> None:
    """Deny by default."""
    app.before_request(deny_undeclared)
