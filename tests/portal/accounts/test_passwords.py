"""Passwords are stored as Argon2id and the weak ones refused."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from portal.accounts import passwords


def test_a_password_is_stored_as_argon2id_with_its_own_salt() -> None:
    first, second = (
        passwords.hash_password("a lamp on the stairs"),
        passwords.hash_password("a lamp on the stairs"),
    )
    assert first.startswith("$argon2id$")
    assert first != second
    assert passwords.matches("a lamp on the stairs", first)
    assert not passwords.matches("a lamp on the stair", first)


def test_the_same_letters_from_another_keyboard_match() -> None:
    composed, decomposed = "caf\u00e9 au lait froid", "cafe\u0301 au lait froid"
    assert passwords.matches(decomposed, passwords.hash_password(composed))


def test_nothing_matches_where_there_is_no_account() -> None:
    assert not passwords.matches("", None)
    assert not passwords.matches("a lamp on the stairs", None)


def test_a_hash_of_weaker_parameters_is_outdated() -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=1024).hash("a lamp on the stairs")
    assert passwords.is_outdated(weak)
    assert not passwords.is_outdated(passwords.hash_password("a lamp on the stairs"))


@pytest.mark.parametrize(
    ("password", "word"),
    [
        ("elevenchars", "11 characters"),
        ("", "0 characters"),
        ("x1!" * 400, "1000 are allowed"),
        ("Maria@Harbour.Example", "email"),
        ("PasswordPassword", "first that others would try"),
        ("abababababab", "first that others would try"),
        ("111122223333", "first that others would try"),
    ],
)
def test_weak_passwords_are_refused_with_the_reason(password: str, word: str) -> None:
    problem = passwords.problem_with(password, "maria@harbour.example")
    assert problem is not None
    assert word in problem


def test_a_few_words_are_a_good_password() -> None:
    assert passwords.problem_with("seven quiet herons", "maria@harbour.example") is None
    assert passwords.problem_with("пароль из слов", "maria@harbour.example") is None
