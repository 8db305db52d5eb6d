"""The address of an endpoint, as an admin types it, and as much of it as the audit may show."""

from __future__ import annotations

import re

import httpx

from portal.text import TextError, clean_line

ADDRESS_LENGTH = 2000


class TargetError(ValueError):
    """What is wrong with the address of an endpoint, in words for staff."""


def clean_target(text: str, *, private_allowed: bool) -> str:
    """The address of an endpoint. Raises TargetError.

    Where its name leads is not asked here, but each time that something is sent.
    """
    try:
        text = clean_line(text, "address", ADDRESS_LENGTH)
        url = httpx.URL(text)
    except (TextError, httpx.InvalidURL) as error:
        raise TargetError(str(error) if isinstance(error, TextError) else _EXAMPLE) from error
    if url.scheme not in ("https", "http") or not re.fullmatch(rb"[a-z0-9._:-]+", url.raw_host):
        raise TargetError(_EXAMPLE)
    if url.scheme == "http" and not private_allowed:
        raise TargetError("The address must begin with https://, so that nobody on the way can read along.")
    if url.userinfo:
        raise TargetError("Leave user name and password out of the address: requests are signed instead.")
    if url.fragment:
        raise TargetError("Leave out what stands behind # in the address: it is never sent.")
    return text


def origin_of(address: str) -> str:
    """Scheme, name and port of an address. What follows them may be a password of the receiver."""
    url = httpx.URL(address)
    return f"{url.scheme}://{url.netloc.decode()}"


_EXAMPLE = "Enter an address such as https://example.org/webhooks."
