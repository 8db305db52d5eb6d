"""API keys of an organization: made, listed, checked, revoked."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session, joinedload

from portal.audit.services import Action, Actor, record
from portal.database import now, writing
from portal.keys.models import ApiKey, Scope
from portal.keys.tokens import SHOWN_LENGTH, hash_of, is_token, new_token
from portal.locks import lock
from portal.organizations.models import Organization
from portal.text import TextError, clean_line

NAME_LENGTH = 60
EXPIRES_DAYS = range(1, 3651)
# How exactly the last use of a key is known: a row a request would be written otherwise.
USE_NOTED_EVERY = timedelta(minutes=1)


class KeyRefused(ValueError):
    """What is wrong with a key that is to be made, in words for staff; `field` names it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def create_key(
    session: Session,
    organization: Organization,
    actor: Actor,
    name: str,
    scopes: Collection[Scope],
    expires_days: int | None = None,
) -> tuple[ApiKey, str]:
    """Make a key; returns its row and the key itself, which is stored nowhere.

    expires_days: None for a key that does not expire. Raises KeyRefused.
    """
    try:
        name = clean_line(name, "name", NAME_LENGTH)
    except TextError as error:
        raise KeyRefused("name", str(error)) from error
    if not scopes:
        raise KeyRefused("scopes", "Choose what the key may do.")
    if expires_days is not None and expires_days not in EXPIRES_DAYS:
        raise KeyRefused(
            "expires_days", f"A key can expire after {EXPIRES_DAYS.start} to {EXPIRES_DAYS.stop - 1} days."
        )
    token = new_token()
    with writing(session):
        taken = select(ApiKey.id).where(
            ApiKey.organization_id == organization.id, ApiKey.name == name, ApiKey.revoked_at.is_(None)
        )
        if session.scalar(taken) is not None:
            # The audit trail names the key that acted: of two with one name nobody could tell which.
            raise KeyRefused("name", f"There is a key named {name} already. Revoke it, or choose another.")
        key = ApiKey(
            organization_id=organization.id,
            name=name,
            shown=token[:SHOWN_LENGTH],
            token_hash=hash_of(token),
            scopes=[scope.value for scope in Scope if scope in scopes],
            created_by=actor.name,
            expires_at=now() + timedelta(days=expires_days) if expires_days else None,
        )
        session.add(key)
        session.flush()
        _record(session, actor, Action.KEY_CREATED, key)
    return key, token


def list_keys(session: Session, organization: Organization) -> list[ApiKey]:
    """The organization's keys that are not revoked, newest first; those that have expired are among them."""
    keys = select(ApiKey).where(ApiKey.organization_id == organization.id, ApiKey.revoked_at.is_(None))
    return list(session.scalars(keys.order_by(ApiKey.id.desc())))


def find_key(session: Session, organization: Organization, key_id: int) -> ApiKey | None:
    """A key of this organization; None for one that is not there or another's."""
    return session.scalar(
        select(ApiKey).where(ApiKey.id == key_id, ApiKey.organization_id == organization.id)
    )


def key_of(session: Session, token: str) -> ApiKey | None:
    """The usable key that this token is, with its organization; None if it is none, revoked or too old."""
    if not is_token(token):
        return None
    key = session.scalar(
        select(ApiKey).options(joinedload(ApiKey.organization)).where(ApiKey.token_hash == hash_of(token))
    )
    return key if key is not None and key.is_usable() else None


def is_usable_still(session: Session, key: ApiKey) -> bool:
    """Whether a key that was usable when it was read is so now, as the caller's transaction sees it."""
    there = session.get(ApiKey, key.id, populate_existing=True)
    return there is not None and there.is_usable()


def note_use(session: Session, key: ApiKey) -> None:
    """Remember that a key was used, to about a minute."""
    before = now() - USE_NOTED_EVERY
    if key.last_used_at is not None and key.last_used_at > before:
        return
    with writing(session):
        session.execute(
            update(ApiKey)
            .where(ApiKey.id == key.id, or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= before))
            .values(last_used_at=now())
        )


def revoke_key(session: Session, actor: Actor, key: ApiKey) -> None:
    """Make a key unusable from now on. Raises Gone."""
    with writing(session):
        lock(session, key)
        if key.revoked_at is None:
            key.revoked_at = now()
            _record(session, actor, Action.KEY_REVOKED, key)


def _record(session: Session, actor: Actor, action: Action, key: ApiKey) -> None:
    record(
        session,
        actor,
        action,
        organization_id=key.organization_id,
        subject_type="key",
        subject_id=key.id,
        details={"name": key.name, "shown": key.shown, "scopes": key.scopes},
    )
