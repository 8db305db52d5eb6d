"""What can go wrong with a call, as exceptions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field of a request."""

    field: str
    message: str


class PortalError(Exception):
    """Everything that this client raises of its own."""


class Unreachable(PortalError):
    """No answer came, however often it was tried. Whether the portal did what was asked is not known."""


class UnexpectedAnswer(PortalError):
    """An answer that is none of the portal's: the address may be that of something else."""


class Refused(PortalError):
    """The portal said no. `status` and `title` are HTTP's, `detail` is for people."""

    def __init__(
        self, status: int, title: str, detail: str, errors: Sequence[FieldError] = (), request_id: str = ""
    ) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        # By this the portal's logs tell the request from others.
        self.request_id = request_id

    @property
    def by_field(self) -> Mapping[str, list[str]]:
        """What is wrong, by the names of fields."""
        found = defaultdict(list)
        for error in self.errors:
            found[error.field].append(error.message)
        return found


class Unauthorized(Refused):
    """401: the key is missing, unknown, revoked or expired."""


class Forbidden(Refused):
    """403: the key's scopes don't allow this."""


class NotFound(Refused):
    """404: there is no such row in this organization."""


class Conflict(Refused):
    """409: not in the state that things are in now."""


class PreconditionFailed(Refused):
    """412: it was changed since it was read (`if_match`)."""


class Invalid(Refused):
    """400, 413 or 422: something about the request is wrong; `by_field` says what."""


class TooManyRequests(Refused):
    """429: too many requests, even after waiting."""


class ServerError(Refused):
    """5xx: the portal can't do it now."""


BY_STATUS: Mapping[int, type[Refused]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: PreconditionFailed,
    413: Invalid,
    422: Invalid,
    429: TooManyRequests,
}


def refusal(
    status: int, title: str, detail: str, errors: Sequence[FieldError] = (), request_id: str = ""
) -> Refused:
    """The exception for an answer with this status."""
    kind = ServerError if status >= 500 else BY_STATUS.get(status, Refused)
    return kind(status, title, detail, errors, request_id)
