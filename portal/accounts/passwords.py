"""Passwords: how they are stored, compared, and which are refused."""

from __future__ import annotations

import unicodedata
from functools import cache
from secrets import token_urlsafe

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH = 12
# Argon2 takes any length; nobody types more than this, and megabytes would only cost time.
MAX_LENGTH = 1000
FEWEST_CHARACTERS = 5

# The defaults of argon2-cffi are the low-memory profile of RFC 9106 (64 MiB, 3 passes).
_hasher = PasswordHasher()

# What attackers try first against passwords of this length: words and keyboard walks made long enough.
# fmt: off
COMMON = frozenset((
    "123456789012", "1234567890123", "12345678901234", "123456789123", "123456123456", "1234567890ab",
    "123456789abc", "098765432109", "987654321098", "0123456789ab", "1q2w3e4r5t6y", "1qaz2wsx3edc",
    "1qazxsw23edc", "q1w2e3r4t5y6", "qwertyuiop12", "qwertyuiop123", "qwertyuiop1234", "qwertyuiopas",
    "qwertyuiopasdf", "qwertyqwerty", "qwerty123456", "qwerty12345678", "123456qwerty", "asdfghjkl123",
    "asdfghjklzxc", "zxcvbnm12345", "zxcvbnmasdfg", "abcdefghijkl", "abcdefghijklm", "abcdefghijklmnop",
    "abcdef123456", "abcd12345678", "abc123456789", "passwordpassword", "password1234", "password12345",
    "password123456", "password12345678", "password123!", "password1234!", "password2024", "password2025",
    "password2026", "mypassword12", "mypassword123", "thisisapassword", "thepassword1", "newpassword1",
    "newpassword12", "newpassword123", "changemechangeme", "changeme1234", "changeme12345", "changeme123!",
    "pleasechangeme", "letmeinletmein", "letmein12345", "letmein123456", "welcomewelcome", "welcome12345",
    "welcome123456", "welcome2024!", "welcome2025!", "welcome2026!", "iloveyou1234", "iloveyou12345",
    "iloveyouiloveyou", "iloveyouforever", "administrator", "administrator1", "adminadminadmin",
    "admin1234567", "admin12345678", "admin123456789", "superadmin123", "rootrootroot", "testtesttest",
    "test12345678", "testpassword", "testpassword1", "secretsecret", "secret123456", "supersecret1",
    "supersecret12", "defaultpassword", "temporarypassword", "temppassword1", "trustno1trustno1",
    "princess1234", "sunshine1234", "football1234", "baseball1234", "superman1234", "dragondragon",
    "monkeymonkey", "correcthorsebatterystaple", "faceportal12", "faceportal123", "faceportal1234",
    "faceportalfaceportal",
))
# fmt: on


def problem_with(password: str, email: str) -> str | None:
    """Why this password can't be taken, in words for its owner; None if it can."""
    plain = _normal(password)
    if len(plain) < MIN_LENGTH:
        return (
            f"The password has {len(plain)} characters. Use {MIN_LENGTH} or more; "
            "a few words together work well."
        )
    if len(plain) > MAX_LENGTH:
        return f"The password has {len(plain)} characters; {MAX_LENGTH} are allowed."
    lower = plain.casefold()
    if lower == email.casefold():
        return "The password is the email address. Choose another one."
    if lower in COMMON or len(set(lower)) < FEWEST_CHARACTERS:
        return "This password is among the first that others would try. Choose another one."
    return None


def hash_password(password: str) -> str:
    """The Argon2id hash to store, with its parameters and salt."""
    return _hasher.hash(_normal(password))


def matches(password: str, password_hash: str | None) -> bool:
    """Whether this is the password; without a hash (an unknown email) the answer takes as long, and is no."""
    try:
        _hasher.verify(password_hash or _nobodys_hash(), _normal(password[: MAX_LENGTH * 2]))
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


def is_outdated(password_hash: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)


def _normal(password: str) -> str:
    # The same letters typed on two keyboards can be different code points.
    return unicodedata.normalize("NFKC", password)


@cache
def _nobodys_hash() -> str:
    return _hasher.hash(token_urlsafe(32))
