"""API keys: what they look like, what they may do, and when they end."""

from __future__ import annotations

import string
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from portal.database import now, writing
from portal.keys.models import ApiKey, Scope
from portal.keys.services import (
    EXPIRES_DAYS,
    KeyRefused,
    create_key,
    key_of,
    list_keys,
    note_use,
    revoke_key,
)
from portal.keys.tokens import is_token, new_token
from portal.organizations.models import Organization
from tests.databases import on_both_databases
from tests.make.people import TESTER


def test_a_token_is_known_by_its_prefix_and_checksum() -> None:
    token = new_token()
    assert token.startswith("fpk_")
    assert len(token) == 40
    assert is_token(token)
    assert new_token() != token


@given(st.integers(0, 39), st.sampled_from(string.ascii_letters + string.digits + "_é"))
def test_one_wrong_character_makes_it_none(place: int, character: str) -> None:
    token = new_token()
    other = token[:place] + character + token[place + 1 :]
    assert is_token(other) == (other == token)
    assert not is_token(token[:place])


@on_both_databases
def test_a_key_is_found_by_its_token_and_by_nothing_else(session: Session, clinic: Organization) -> None:
    key, token = create_key(session, clinic, TESTER, "  Case   system ", [Scope.DECIDE, Scope.READ], 30)
    assert (key.name, key.scopes, key.shown) == ("Case system", ["read", "decide"], token[:8])
    assert token not in str(vars(key))
    assert key_of(session, token) is key
    assert key_of(session, new_token()) is None
    assert key.expires_at
    assert timedelta(days=29) < key.expires_at - now() <= timedelta(days=30)
    assert (key.may(Scope.READ), key.may(Scope.ENROL)) == (True, False)


def test_admin_includes_all(session: Session, clinic: Organization) -> None:
    key, _ = create_key(session, clinic, TESTER, "Case system", [Scope.ADMIN])
    assert all(key.may(scope) for scope in Scope)


def test_a_key_that_is_revoked_or_too_old_is_none(session: Session, clinic: Organization) -> None:
    revoked, first = create_key(session, clinic, TESTER, "First", [Scope.READ])
    old, second = create_key(session, clinic, TESTER, "Second", [Scope.READ], 1)
    revoke_key(session, TESTER, revoked)
    with writing(session):
        session.get_one(ApiKey, old.id).expires_at = now()
    assert key_of(session, first) is key_of(session, second) is None
    assert [key.name for key in list_keys(session, clinic)] == ["Second"]


@pytest.mark.parametrize(
    ("name", "scopes", "days", "field"),
    [
        ("", [Scope.READ], None, "name"),
        ("x" * 61, [Scope.READ], None, "name"),
        ("Taken", [Scope.READ], None, "name"),
        ("Case system", [], None, "scopes"),
        ("Case system", [Scope.READ], 0, "expires_days"),
        ("Case system", [Scope.READ], EXPIRES_DAYS.stop, "expires_days"),
    ],
)
def test_what_makes_no_key_is_told(
    name: str, scopes: list[Scope], days: int | None, field: str, session: Session, clinic: Organization
) -> None:
    create_key(session, clinic, TESTER, "Taken", [Scope.READ])
    with pytest.raises(KeyRefused) as refusal:
        create_key(session, clinic, TESTER, name, scopes, days)
    assert refusal.value.field == field
    assert len(list_keys(session, clinic)) == 1


def test_the_last_use_is_known_to_a_minute(session: Session, clinic: Organization) -> None:
    key, _ = create_key(session, clinic, TESTER, "Case system", [Scope.READ])
    note_use(session, key)
    session.refresh(key)
    first = key.last_used_at
    assert first
    note_use(session, key)
    session.refresh(key)
    assert key.last_used_at == first
