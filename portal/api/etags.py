"""`ETag`, `If-Match` and `If-None-Match`: nobody changes what they have not seen (RFC 9110, 13)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Any, TypeVar

from flask import Response, current_app, request
from pydantic import BaseModel

from portal.api.problems import Problem
from portal.database import Precondition, unconditional
from portal.extensions import db

Model = TypeVar("Model", bound=BaseModel)

TAG_LENGTH = 32


def etag_of(model: BaseModel) -> str:
    """The tag of an answer: another one whenever anything in it is different."""
    return sha256(model.model_dump_json().encode()).hexdigest()[:TAG_LENGTH]


def tagged(
    model: Model, status: int = 200, headers: dict[str, str] | None = None
) -> tuple[Model, int, dict[str, str]]:
    """An answer with its ETag."""
    return model, status, {**(headers or {}), "ETag": f'"{etag_of(model)}"'}


def if_match(current: Callable[[], BaseModel]) -> Precondition:
    """What `If-Match` asks of the answer that `current` makes of the rows, once they are held.

    The precondition raises Problem (412).
    """
    if "If-Match" not in request.headers:
        return unconditional
    wanted = request.if_match
    # A compressed answer's tag says so behind a colon. Of an empty one werkzeug makes None.
    tags = {tag.partition(":")[0] for tag in wanted.as_set() if tag}

    def judge() -> None:
        db.session().expire_all()  # as the rows are now, not as they were read before they were held
        if etag_of(current()) not in tags and not wanted.star_tag:
            raise Problem(412, "It was changed since you read it. Read it again, and decide again.")

    return judge


def conditional(view: Callable[..., Any]) -> Callable[..., Response]:
    """A view whose GET is answered 304 if the program has the answer already (`If-None-Match`)."""

    @wraps(view)
    def answered(*args: Any, **kwargs: Any) -> Response:
        response = current_app.make_response(view(*args, **kwargs))
        if request.method in {"GET", "HEAD"} and "ETag" in response.headers:
            response.make_conditional(request)
        return response

    return answered
