"""`Idempotency-Key`: a POST that is sent again is not done again (IETF httpapi-idempotency-key-header)."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial, wraps
from hashlib import sha256
from typing import Any

from flask import Response, current_app, g, request
from sqlalchemy.orm import Session

from portal.api.fingerprints import FingerprintedStream
from portal.api.problems import Problem
from portal.database import now
from portal.extensions import db
from portal.http.bodies import upload_of
from portal.http.holding import hold
from portal.keys.idempotency import (
    CLAIMED,
    Answer,
    Claim,
    answer_of,
    claim_of,
    claim_request,
    note_act,
    record_answer,
    release,
    renew_claim,
)
from portal.keys.models import IdempotentRequest
from portal.waiting import request_done, tell, wait

HEADER = "Idempotency-Key"
LONGEST = 255
# How long a repeat waits for the first request, and how soon it may ask again.
PATIENCE_S, RETRY_AFTER_S = 10, 5
RENEWED_EVERY_S = CLAIMED.total_seconds() / 3
KEPT_HEADERS = ("Content-Type", "Location", "ETag")

View = Callable[..., Any]


def once(view: View, again: View | None) -> View:
    """A view that carries out a POST with an Idempotency-Key once, and answers repeats as the first.

    again: the answer anew, for repeats of which the first answer was lost or deleted. It gets the ids in the
    address, or where there are none that of the row that the act made. Without it they are told that there
    is no answer any more. Raises Problem (400, 409, 422).
    """

    @wraps(view)
    def answered(*args: Any, **kwargs: Any) -> Any:
        name = request.headers.get(HEADER)
        if request.method != "POST" or name is None:
            return view(*args, **kwargs)
        found = _claimed_or_known(_checked(name), is_repeatable=again is not None)
        if isinstance(found, Claim):
            return _carried_out(found, lambda: view(*args, **kwargs))
        return _repeated(found, again, kwargs)

    return answered


def _checked(name: str) -> str:
    if not (0 < len(name) <= LONGEST and name.isascii() and name.isprintable()):
        raise Problem(400, f"An {HEADER} has 1 to {LONGEST} printable characters of ASCII.")
    return name


def _claimed_or_known(name: str, *, is_repeatable: bool) -> Claim | IdempotentRequest:
    """A claim; or the request that was carried out already, for which a short time is waited.

    Raises TooMuchHeld: the wait holds a place, whether the request has a body or not.
    """
    session, key = db.session(), g.api_key
    query = request.query_string.decode(errors="replace")
    target = sha256(f"{request.method} {request.path}?{query}".encode()).hexdigest()
    found = claim_request(session, key, name, target)

    def is_settled() -> bool:
        nonlocal found
        if isinstance(found, IdempotentRequest):
            found = claim_request(session, key, name, target)
        if isinstance(found, Claim) or found.target_hash != target or found.status is not None:
            return True
        return found.acted_at is not None and (is_repeatable or found.claimed_until < now())

    if isinstance(found, Claim):
        return found
    hold()
    if not wait(session, request_done(found.id), PATIENCE_S, is_settled):
        raise Problem(
            409,
            f"The first request with this {HEADER} has no answer yet. Ask again.",
            headers={"Retry-After": str(RETRY_AFTER_S)},
        )
    if isinstance(found, IdempotentRequest) and found.target_hash != target:
        raise Problem(422, f"This {HEADER} was used for a request to another address.")
    return found


def _carried_out(claim: Claim, view: Callable[[], Any]) -> Response:
    session, renewed_at = db.session(), time.monotonic()

    def renew() -> None:
        nonlocal renewed_at
        if time.monotonic() - renewed_at > RENEWED_EVERY_S:
            renew_claim(session, claim)
            renewed_at = time.monotonic()

    body = _fingerprinted(renew)
    g.note_act = partial(_note, claim, body)
    try:
        if not _is_streamed():
            request.get_data()  # the views find it there
        response = current_app.make_response(view())
    except BaseException as error:
        session.rollback()
        is_held = release(session, claim)
        tell(request_done(claim.request_id))
        if is_held or not isinstance(error, Exception):
            raise
        words = f"Another request with this {HEADER} took over, as this one gave no sign for too long."
        raise Problem(409, words, headers={"Retry-After": str(RETRY_AFTER_S)}) from error
    return _kept(claim, body.fingerprint(), response)


def _repeated(first: IdempotentRequest, again: View | None, arguments: dict[str, Any]) -> Response:
    body = _fingerprinted(lambda: None)
    body.read_through()
    if body.fingerprint() != first.body_hash:
        raise Problem(422, f"This {HEADER} was used for a request with another body.")
    if answer := answer_of(first):
        return _sent(answer)
    ids = arguments.values() or [first.subject_id]
    if again is None or None in ids:
        words = (
            "This request was carried out, but its answer is not there any more. Look before you send more."
        )
        raise Problem(409, words)
    claim = claim_of(db.session(), first)
    response = current_app.make_response(again(*ids))
    return _kept(claim, body.fingerprint(), response)


def _kept(claim: Claim, fingerprint: str, response: Response) -> Response:
    """The answer that counts, which is kept for repeats unless it is one that nobody may store."""
    if response.cache_control.no_store:
        release(db.session(), claim)
        tell(request_done(claim.request_id))
        return response
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    answer = Answer(response.status_code, headers, response.get_data())
    answer = record_answer(db.session(), claim, fingerprint, answer)
    tell(request_done(claim.request_id))
    return _sent(answer)


def _sent(answer: Answer) -> Response:
    return Response(answer.body, answer.status, answer.headers)


def _note(claim: Claim, body: FingerprintedStream, session: Session, subject_id: int | None) -> None:
    note_act(session, claim, body.fingerprint(), subject_id)


def _fingerprinted(while_it_comes: Callable[[], None]) -> FingerprintedStream:
    """The body of this request, which whoever reads it now reads by way of the hash."""
    body = FingerprintedStream(request, while_it_comes)
    request.stream = body  # type: ignore[assignment]
    return body


def _is_streamed() -> bool:
    upload = upload_of(request.endpoint)
    return upload is not None and upload.streamed
