"""Sending a call as often as it takes: what goes out, whether to try again, and when. It sends nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar
from uuid import uuid4

import httpx

from portal_client.calls import Call, without_none
from portal_client.errors import FieldError, Refused, Unreachable, refusal
from portal_client.uploads import CONTENT_TYPE, OutgoingFile

T = TypeVar("T")

RETRIED_STATUSES = frozenset({429, 502, 503, 504})
# Nothing is wrong with the request or the answer itself.
RETRIED_ERRORS = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError)


@dataclass(frozen=True)
class Retries:
    """How often a call is tried, and how long is waited in between: twice as long each time, less chance."""

    attempts: int = 5
    first_s: float = 0.5
    # Of the portal's own wish (Retry-After) as well: one that is longer ends the call.
    longest_s: float = 60.0

    def wait_s(self, attempt: int) -> float:
        """How long to wait after the attempt of this number, the first being 1."""
        longest = min(self.first_s * 2.0 ** (attempt - 1), self.longest_s)
        return random.uniform(longest / 2, longest)  # noqa: S311


class Sending(Generic[T]):
    """One call on its way. A POST has the same Idempotency-Key each time, so it is carried out once."""

    def __init__(self, call: Call[T], retries: Retries, timeout_s: float) -> None:
        self._call, self._retries = call, retries
        self._timeout = httpx.Timeout(timeout_s, read=timeout_s + call.held_s)
        self._headers = without_none(
            {
                "Idempotency-Key": str(uuid4()) if call.method == "POST" else None,
                "If-Match": call.if_match,
            }
        )
        photos = call.form.photos if call.form else ()
        self._files = [(name, OutgoingFile(upload)) for name, upload in photos]
        self._attempt = 0
        self._answer_was_lost = False

    @contextmanager
    def attempt(self) -> Iterator[dict[str, Any]]:
        """The arguments of httpx's `request` for one more attempt; files are open meanwhile."""
        self._attempt += 1
        with ExitStack() as opened:
            yield {
                "method": self._call.method,
                "url": self._call.path.lstrip("/"),
                "params": {name: _text(value) for name, value in without_none(self._call.query).items()},
                "headers": self._headers,
                "timeout": self._timeout,
                **self._body(opened),
            }

    def _body(self, opened: ExitStack) -> dict[str, Any]:
        if self._call.form is None:
            return {} if self._call.json is None else {"json": self._call.json}
        fields = without_none(self._call.form.fields)
        files = [(name, (file.name, file.opened(opened), CONTENT_TYPE)) for name, file in self._files]
        # Without a file httpx would send no multipart form; fields go the same way as files.
        return {
            "files": [
                *(
                    (name, (None, _text(one).encode()))
                    for name, value in fields.items()
                    for one in (value if isinstance(value, list | tuple) else [value])
                ),
                *files,
            ]
        }

    def wait_after_error(self, error: httpx.RequestError) -> float:
        """How long to wait before the next attempt, in seconds. Raises Unreachable if there is none."""
        self._answer_was_lost = True
        if not isinstance(error, RETRIED_ERRORS) or not self._may_try_again():
            said = str(error) or type(error).__name__
            raise Unreachable(f"{self._call.method} {self._call.path}: {said}") from error
        return self._retries.wait_s(self._attempt)

    def wait_after_answer(self, response: httpx.Response) -> float | None:
        """How long to wait before the next attempt, in seconds; None if this answer is the last."""
        wished_s = _retry_after_s(response.headers)
        # 409 with a time: the first request with this Idempotency-Key has no answer yet.
        again = response.status_code in RETRIED_STATUSES or (
            response.status_code == 409 and wished_s is not None
        )
        if not again or not self._may_try_again() or (wished_s or 0) > self._retries.longest_s:
            return None
        return max(wished_s or 0, self._retries.wait_s(self._attempt))

    def result(self, response: httpx.Response) -> T:
        """What the answer says. Raises Refused or UnexpectedAnswer."""
        if response.is_success or self._was_deleted_before(response):
            return self._call.read(response)
        raise _refused(response)

    def _may_try_again(self) -> bool:
        return self._attempt < self._retries.attempts and all(
            file.can_be_sent_again for _, file in self._files
        )

    def _was_deleted_before(self, response: httpx.Response) -> bool:
        """Whether the answer to a deletion was lost, and sent again it finds nothing more to delete."""
        return self._call.method == "DELETE" and response.status_code == 404 and self._answer_was_lost


def _refused(response: httpx.Response) -> Refused:
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):  # a proxy's answer, not the portal's
        problem = {}
    errors = [
        FieldError(str(error.get("field", "")), str(error.get("message", "")))
        for error in problem.get("errors") or []
        if isinstance(error, dict)
    ]
    return refusal(
        response.status_code,
        str(problem.get("title") or response.reason_phrase),
        str(problem.get("detail") or "There is no explanation."),
        errors,
        str(problem.get("request_id") or response.headers.get("X-Request-Id", "")),
    )


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """What Retry-After wishes, in seconds from now: it is a number of them, or a date."""
    wish = headers.get("Retry-After", "").strip()
    if wish.isdigit():
        return float(wish)
    try:
        moment = parsedate_to_datetime(wish)
    except ValueError:
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
