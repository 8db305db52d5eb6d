"""Which answer an error gets: a page for people, problem details for programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, request
from werkzeug.exceptions import HTTPException

from portal.http.security import API_PREFIX

# By the kind of error; the most specific one that fits counts, and Exception is for all the others.
Handlers = Mapping[type[Exception], Callable[[Any], Any]]


def init_app(app: Flask, pages: Handlers, api: Handlers) -> None:
    """Have the errors of addresses below API_PREFIX answered by `api`, and all others by `pages`."""

    def answer(error: Exception) -> Any:
        handlers = api if request.path.startswith(API_PREFIX) else pages
        return next(handlers[kind] for kind in type(error).__mro__ if kind in handlers)(error)

    app.register_error_handler(HTTPException, answer)
    app.register_error_handler(Exception, answer)
