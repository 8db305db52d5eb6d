"""What an API key looks like: secret scanners find it, and a mistyped one is known without asking anyone."""

from __future__ import annotations

import secrets
import string
import zlib
from hashlib import sha256

PREFIX = "fpk_"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
# 30 of 62 characters: 178 bits, so a plain hash of it can't be searched for it.
SECRET_LENGTH = 30
CHECKSUM_LENGTH = 6
SHOWN_LENGTH = len(PREFIX) + 4


def new_token() -> str:
    """A new key: prefix, random characters, and their CRC-32 in the same alphabet."""
    body = PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))
    return body + _checksum(body)


def is_token(text: str) -> bool:
    """Whether this can be a key: prefix, length and checksum are right."""
    body, checksum = text[:-CHECKSUM_LENGTH], text[-CHECKSUM_LENGTH:]
    return (
        text.isascii()
        and len(body) == len(PREFIX) + SECRET_LENGTH
        and body.startswith(PREFIX)
        and secrets.compare_digest(checksum, _checksum(body))
    )


def hash_of(token: str) -> str:
    """What is stored of a key: its SHA-256, in hexadecimal digits."""
    return sha256(token.encode()).hexdigest()


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
