"""Cursors of the API's lists: opaque, and good only with the filters that they were made with."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256

from portal.paging import DAMAGED, CursorError


def bound(cursor: str | None, filters: Mapping[str, object]) -> str | None:
    """A cursor for the next page of a list with these filters."""
    if cursor is None:
        return None
    return urlsafe_b64encode(f"{_mark(filters)}.{cursor}".encode()).decode().rstrip("=")


def unbound(text: str | None, filters: Mapping[str, object]) -> str | None:
    """The place that a cursor holds. Raises CursorError if it is damaged or of other filters."""
    if text is None:
        return None
    try:
        mark, dot, cursor = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition(".")
    except ValueError as error:
        raise CursorError(DAMAGED) from error
    if not dot or mark != _mark(filters):
        raise CursorError(DAMAGED)
    return cursor


def _mark(filters: Mapping[str, object]) -> str:
    return sha256(json.dumps(filters, sort_keys=True).encode()).hexdigest()[:12]
