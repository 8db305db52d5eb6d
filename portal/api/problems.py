"""Errors as other programs read them: problem details (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import structlog
from flask import Response, g, request
from flask_limiter import RateLimitExceeded
from pydantic import BaseModel, Field, ValidationError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from portal.database import DatabaseBusy, Gone
from portal.extensions import db
from portal.http.errors import Handlers
from portal.http.holding import TooMuchHeld
from portal.paging import CursorError
from portal.people.services import PersonError
from portal.photos.services import PhotoError
from portal.storage import StoreFull

# As RFC 9110 has them; Python before 3.13 has older ones.
PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}

log = structlog.get_logger()


class FieldError(BaseModel):
    """What is wrong with one field of the request."""

    field: str = Field(examples=["external_id"])
    message: str = Field(examples=["Enter the external ID."])


class ProblemDetails(BaseModel):
    """Why a request was refused, and where to look for more."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["Enter the external ID."])
    request_id: str = Field(examples=["9f86d081884c7d65"])
    errors: list[FieldError] = []


class Problem(ValueError):
    """A request that is refused."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, errors
        self.headers = headers or {}

    @classmethod
    def of_field(cls, field: str, detail: str, status: int = 422) -> Problem:
        """A request that is refused because of one field."""
        return cls(status, detail, [FieldError(field=field, message=detail)])


def phrase_of(status: int) -> str:
    """The words of a status code."""
    return PHRASES.get(status) or HTTPStatus(status).phrase


def invalid(error: ValidationError) -> Problem:
    """What a model says of a request, by field."""
    errors = [
        FieldError(field=".".join(str(part) for part in one["loc"]), message=one["msg"])
        for one in error.errors()
    ]
    return Problem(422, "; ".join(f"{one.field}: {one.message}" for one in errors), errors)


def answer(problem: Problem) -> Response:
    """A problem as it is sent."""
    details = ProblemDetails(
        type="about:blank",
        title=phrase_of(problem.status),
        status=problem.status,
        detail=problem.detail,
        request_id=g.get("request_id", ""),
        errors=list(problem.errors),
    )
    return Response(
        details.model_dump_json(),
        problem.status,
        headers=problem.headers,
        content_type="application/problem+json",
    )


def http_error(error: HTTPException) -> Response:
    """What Flask and Werkzeug refuse."""
    return answer(Problem(error.code or 500, error.description or ""))


def too_much_held(error: TooMuchHeld) -> Response:
    """One more slow request than is allowed at once."""
    return answer(Problem(error.code, str(error.description), headers=error.headers))


def wrong_method(error: MethodNotAllowed) -> Response:
    """A method that this address does not have."""
    methods = ", ".join(error.valid_methods or ())
    return answer(Problem(405, f"This address takes {methods}.", headers={"Allow": methods}))


def wrong_field(error: PersonError) -> Response:
    """A value that a person can't have."""
    return answer(Problem.of_field(error.field, str(error)))


def wrong_photo(error: PhotoError) -> Response:
    """A photo that can't be taken."""
    return answer(Problem.of_field("photos", str(error)))


def damaged_cursor(_: CursorError) -> Response:
    """A cursor that is none, or that of another list."""
    words = "The cursor is damaged, or comes from a list with other filters. Start at the first page."
    return answer(Problem.of_field("cursor", words, 400))


def too_many(_: RateLimitExceeded) -> Response:
    """More requests than the limit allows; `Retry-After` is added with the other headers of the limit."""
    return answer(Problem(429, "Too many requests. Send the next one after the seconds in Retry-After."))


def folder_missing(error: NotADirectoryError) -> Response:
    """The folder of the photos is not there: a disk that is not mounted."""
    log.error("the folder of the photos is not there", problem=str(error))
    words = "The portal can't read its photos at the moment. Nothing is lost: ask again later."
    return answer(Problem(503, words, headers={"Retry-After": "60"}))


def database_busy(error: DatabaseBusy) -> Response:
    """The database is written by others all the time."""
    log.error("the database is busy", problem=str(error))
    words = "The portal is busy, and nothing of this was done. Send it again."
    return answer(Problem(503, words, headers={"Retry-After": "5"}))


def gone(_: Gone) -> Response:
    """What was deleted in the meantime."""
    return answer(Problem(404, "It was deleted in the meantime."))


def store_full(error: StoreFull) -> Response:
    """No room for photos."""
    log.error("the disk of the photos is full", problem=str(error))
    return answer(Problem(507, "The portal's disk is full. Nothing was saved: send it again later."))


def failure(error: Exception) -> Response:
    """Something unforeseen: logged in full, answered without details."""
    log.exception("request failed", endpoint=request.endpoint)
    db.session.rollback()
    return answer(Problem(500, "Something went wrong. Tell whoever runs the portal the request ID."))


HANDLERS: Handlers = {
    Problem: answer,
    MethodNotAllowed: wrong_method,
    TooMuchHeld: too_much_held,
    RateLimitExceeded: too_many,
    HTTPException: http_error,
    PersonError: wrong_field,
    PhotoError: wrong_photo,
    CursorError: damaged_cursor,
    DatabaseBusy: database_busy,
    Gone: gone,
    StoreFull: store_full,
    NotADirectoryError: folder_missing,
    Exception: failure,
}
