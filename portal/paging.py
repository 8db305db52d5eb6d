"""Cursor paging: the place after (or before) a row, carried in a link."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any, Generic, TypeVar

from sqlalchemy import Row, Select, SQLColumnExpression, literal, tuple_
from sqlalchemy.orm import Session

from portal.database import LARGEST_NUMBER, UtcDateTime, now
from portal.text import is_text

Item = TypeVar("Item")

# A change is listed this long after its moment: one that was begun before it may still be committed after it.
SETTLED = timedelta(seconds=10)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

DAMAGED = "This link to a page of the list is damaged."


class CursorError(ValueError):
    """The cursor in a link is not one that the portal made."""


@dataclass(frozen=True)
class Cursor:
    """A place in an ordered list: the sort key of a row, and on which side of it the page lies."""

    key: tuple[str | int | float, ...]
    backwards: bool = False

    def encode(self) -> str:
        text = json.dumps([self.backwards, *self.key], separators=(",", ":"))
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, kinds: Sequence[type]) -> Cursor:
        """Read a cursor whose key has values of these kinds. Raises CursorError."""
        try:
            backwards, *key = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (ValueError, TypeError, RecursionError) as error:
            raise CursorError(DAMAGED) from error
        if not isinstance(backwards, bool) or [type(value) for value in key] != list(kinds):
            raise CursorError(DAMAGED)
        if not all(_can_be_compared(value) for value in key):
            raise CursorError(DAMAGED)
        return cls(tuple(key), backwards)


def _can_be_compared(value: str | int | float) -> bool:
    """Whether every database takes this value: no number of more than 64 bits, no NUL, no half character."""
    if isinstance(value, int):
        return abs(value) <= LARGEST_NUMBER
    if isinstance(value, float):
        return isfinite(value)
    return is_text(value)


@dataclass(frozen=True)
class Page(Generic[Item]):
    items: list[Item]
    previous: str | None
    next: str | None


def fetch_page(
    session: Session,
    query: Select[*tuple[Any, ...]],
    order: Sequence[SQLColumnExpression[Any]],
    cursor: Cursor | None,
    size: int,
    key: Callable[[Row[Any]], tuple[str | int | float, ...]],
    *,
    descending: bool = False,
) -> Page[Row[Any]]:
    """`size` rows of `query` sorted by `order`, beginning at the cursor; `key` gives a row's sort key."""
    backwards = cursor is not None and cursor.backwards
    down = descending != backwards
    if cursor is not None:
        here, there = tuple_(*order), tuple_(*cursor.key)
        query = query.where(here < there if down else here > there)
    query = query.order_by(*(column.desc() if down else column for column in order)).limit(size + 1)
    rows = list(session.execute(query))
    more, rows = len(rows) > size, rows[:size]
    if backwards:
        rows.reverse()
    has_previous = bool(rows) and (more if backwards else cursor is not None)
    has_next = bool(rows) and (backwards or more)
    return Page(
        rows,
        Cursor(key(rows[0]), backwards=True).encode() if has_previous else None,
        Cursor(key(rows[-1])).encode() if has_next else None,
    )


def fetch_changes(
    session: Session,
    query: Select[*tuple[Any, ...]],
    changed_at: SQLColumnExpression[datetime],
    row_id: SQLColumnExpression[int],
    after: datetime,
    cursor: str | None,
    size: int,
) -> Page[Row[Any]]:
    """`size` rows of `query` that changed after a moment, in the order of their changes; only onwards.

    A row that changes again while someone walks along is met again at its new place, so none is missed.
    What changed within the last moments (SETTLED) is left for the next walk. An index of `changed_at` and
    `row_id` has to be there. Raises CursorError.
    """
    at, last = (after, LARGEST_NUMBER) if cursor is None else _place(cursor)
    query = (
        query.add_columns(changed_at.label("changed_at"), row_id.label("changed_id"))
        .where(changed_at <= now() - SETTLED)
        .where(tuple_(changed_at, row_id) > tuple_(literal(at, UtcDateTime()), literal(last)))
        .order_by(changed_at, row_id)
        .limit(size + 1)
    )
    rows = list(session.execute(query))
    more, rows = len(rows) > size, rows[:size]
    key = ((rows[-1].changed_at - EPOCH) // MICROSECOND, rows[-1].changed_id) if more else ()
    return Page(rows, None, Cursor(key).encode() if more else None)


def _place(cursor: str) -> tuple[datetime, int]:
    moment, last = Cursor.decode(cursor, (int, int)).key
    try:
        return EPOCH + int(moment) * MICROSECOND, int(last)
    except OverflowError as error:
        raise CursorError(DAMAGED) from error
