"""What both clients tell httpx."""

from __future__ import annotations

from importlib.metadata import version
from typing import TypedDict

import httpx

TIMEOUT_S = 30.0


class ConnectionOptions(TypedDict):
    """Arguments of httpx.Client and httpx.AsyncClient."""

    base_url: httpx.URL
    headers: dict[str, str]


def connection_options(url: str, key: str) -> ConnectionOptions:
    """Where the portal is, and whom it answers. Raises ValueError."""
    address = httpx.URL(url)
    if address.scheme not in {"http", "https"} or not address.host:
        raise ValueError(f"{url!r} is not the address of a portal, such as https://portal.example.org.")
    if not key or not key.isascii() or not key.isprintable():
        raise ValueError("The API key is empty, or damaged.")
    return {
        "base_url": address.copy_with(path=f"{address.path.rstrip('/')}/api/v1/"),
        "headers": {
            "Authorization": f"Bearer {key}",
            "Accept": "application/json",
            "User-Agent": f"face-portal-client/{version('face-portal-client')}",
        },
    }
