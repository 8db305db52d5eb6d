"""Requests that are carried out once, however often they are sent: repeats get the answer of the first.

A request is claimed before it is carried out. The transaction of the act writes down that it was done, and
fails if the claim was taken over: so of all that may run with one key exactly one acts, wherever a process
is killed. The answer is written down afterwards; if that was cut off, it is made anew from what the act made.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from portal.database import execute_change, insert_or_leave, now, writing
from portal.keys.models import ApiKey, IdempotentRequest
from portal.locks import lock_rows
from portal.organizations.models import Organization

KEPT = timedelta(hours=24)
# A claim is renewed while the request's body comes. Without a sign for so long it may be taken over.
CLAIMED = timedelta(seconds=30)
# From the act to the answer: longer than anyone may ask to wait.
ANSWERED = timedelta(seconds=90)
FORGOTTEN_AT_ONCE = 1000


class ClaimLost(ValueError):
    """Another request with the same key took over; nothing is written by this one."""


@dataclass(frozen=True)
class Claim:
    """A request that may be carried out now."""

    request_id: int
    token: str
    organization_id: int
    # Of the organization, before the answer was made.
    deletions: int


@dataclass(frozen=True)
class Answer:
    """What a request was answered."""

    status: int
    headers: dict[str, Any]
    body: bytes


def claim_request(session: Session, key: ApiKey, name: str, target_hash: str) -> Claim | IdempotentRequest:
    """Claim the request with this Idempotency-Key; or what is known of it, if another has claimed it.

    A claim that has run out before the act is taken over; what is older than KEPT is forgotten.
    """
    token, key_hash = secrets.token_hex(16), sha256(name.encode()).hexdigest()
    # There is none if the one that was in the way is released at this very moment: then it is free.
    while (found := _claimed_or_known(session, key, key_hash, target_hash, token)) is None:
        pass
    return claim_of(session, found) if found.claim == token else found


def _claimed_or_known(
    session: Session, key: ApiKey, key_hash: str, target_hash: str, token: str
) -> IdempotentRequest | None:
    moment = now()
    mine = (IdempotentRequest.api_key_id == key.id, IdempotentRequest.key_hash == key_hash)
    with writing(session):
        session.execute(delete(IdempotentRequest).where(*mine, *_are_old()))
        session.execute(
            insert_or_leave(session, IdempotentRequest, ("api_key_id", "key_hash")).values(
                organization_id=key.organization_id,
                api_key_id=key.id,
                key_hash=key_hash,
                target_hash=target_hash,
                claim=token,
                claimed_until=moment + CLAIMED,
                created_at=moment,
            )
        )
        session.execute(
            update(IdempotentRequest)
            .where(
                *mine,
                IdempotentRequest.target_hash == target_hash,
                IdempotentRequest.acted_at.is_(None),
                IdempotentRequest.status.is_(None),
                IdempotentRequest.claimed_until < moment,
            )
            .values(claim=token, claimed_until=moment + CLAIMED, created_at=moment)
            .execution_options(synchronize_session=False)
        )
        return session.scalars(
            select(IdempotentRequest).where(*mine).execution_options(populate_existing=True)
        ).one_or_none()


def claim_of(session: Session, request: IdempotentRequest) -> Claim:
    """Who holds the request now, for an answer that is made from now on."""
    deletions = select(Organization.deletions).where(Organization.id == request.organization_id)
    return Claim(request.id, request.claim, request.organization_id, session.scalars(deletions).one())


def renew_claim(session: Session, claim: Claim) -> None:
    """Keep a claim while the request's body comes. Raises ClaimLost."""
    with writing(session):
        _change(session, claim, claimed_until=now() + CLAIMED)


def note_act(session: Session, claim: Claim, body_hash: str, subject_id: int | None) -> None:
    """Write down that the request is carried out, in the transaction of the act. Raises ClaimLost.

    Of several acts of one request the first one counts.
    """
    _change(
        session,
        claim,
        claimed_until=now() + ANSWERED,
        body_hash=body_hash,
        acted_at=func.coalesce(IdempotentRequest.acted_at, now()),
        subject_id=func.coalesce(IdempotentRequest.subject_id, subject_id),
    )


def record_answer(session: Session, claim: Claim, body_hash: str, answer: Answer) -> Answer:
    """Keep the answer for repeats; returns the one that counts: another may have been quicker.

    It is not kept if someone was deleted since the claim: it may show them.
    """
    mine = (*_holds(claim), IdempotentRequest.status.is_(None))
    with writing(session):
        # Whoever is deleting holds the organization until the commit.
        organization = select(Organization).where(Organization.id == claim.organization_id)
        if lock_rows(session, organization, read=True).scalar_one().deletions == claim.deletions:
            execute_change(
                session,
                update(IdempotentRequest)
                .where(*mine)
                .values(body_hash=body_hash, status=answer.status, headers=answer.headers, body=answer.body)
                .execution_options(synchronize_session=False),
            )
        else:
            _forget(session, *mine)
        kept = session.scalar(
            select(IdempotentRequest)
            .where(IdempotentRequest.id == claim.request_id)
            .execution_options(populate_existing=True)
        )
    return (kept and answer_of(kept)) or answer


def answer_of(request: IdempotentRequest) -> Answer | None:
    """The answer that is kept; None if there is none."""
    if request.status is None:
        return None
    return Answer(request.status, request.headers or {}, request.body or b"")


def release(session: Session, claim: Claim) -> bool:
    """Forget a request that was refused: nothing was done, and the key may be used again.

    Returns whether it was still the one to carry it out.
    """
    with writing(session):
        is_held = session.scalar(select(IdempotentRequest.id).where(*_holds(claim))) is not None
        session.execute(
            delete(IdempotentRequest).where(
                *_holds(claim), IdempotentRequest.acted_at.is_(None), IdempotentRequest.status.is_(None)
            )
        )
    return is_held


def forget_answers(session: Session, organization_id: int) -> None:
    """Forget the answers that an organization's programs got, in the transaction that deletes someone.

    What was done stays known: a repeat is answered with what is there by then. Answers that are being made
    at the moment are not kept either.
    """
    session.execute(
        update(Organization)
        .where(Organization.id == organization_id)
        .values(deletions=Organization.deletions + 1)
        .execution_options(synchronize_session=False)
    )
    _forget(
        session, IdempotentRequest.organization_id == organization_id, IdempotentRequest.status.is_not(None)
    )


def forget_old_requests(session: Session) -> None:
    """Delete what was kept long enough, some at a time."""
    old = session.scalars(select(IdempotentRequest.id).where(*_are_old()).limit(FORGOTTEN_AT_ONCE)).all()
    if old:
        with writing(session):
            session.execute(delete(IdempotentRequest).where(IdempotentRequest.id.in_(old), *_are_old()))


def _forget(session: Session, *which: ColumnElement[bool]) -> None:
    """Forget answers; a request that noted no act may be carried out again."""
    session.execute(delete(IdempotentRequest).where(*which, IdempotentRequest.acted_at.is_(None)))
    session.execute(
        update(IdempotentRequest)
        .where(*which)
        # Nobody waits for this answer any more.
        .values(status=None, headers=None, body=None, claimed_until=now())
        .execution_options(synchronize_session=False)
    )


def _are_old() -> tuple[Any, ...]:
    moment = now()
    return IdempotentRequest.created_at < moment - KEPT, IdempotentRequest.claimed_until < moment


def _holds(claim: Claim) -> tuple[Any, ...]:
    return IdempotentRequest.id == claim.request_id, IdempotentRequest.claim == claim.token


def _change(session: Session, claim: Claim, **values: Any) -> None:
    """Raises ClaimLost."""
    held = update(IdempotentRequest).where(*_holds(claim)).values(values)
    if not execute_change(session, held.execution_options(synchronize_session=False)):
        raise ClaimLost("Another request took over.")
