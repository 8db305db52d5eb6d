"""Cursor paging: the place after (or before) a row, carried in a link."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any, Generic, TypeVar

from sqlalchemy import Row, Select, SQLColumnExpression, tuple_
from sqlalchemy.orm import Session

from portal.database import LARGEST_NUMBER
from portal.text import is_text

Item = TypeVar("Item")

DAMAGED = "This link to a page of the list is damaged."


class CursorError(ValueError):
    """The cursor in a link is not one that the portal made."""


@dataclass(frozen=True)
class Cursor:
    """A place in an ordered list: the sort key of a row, and on which side of it the page lies."""

    key: tuple[str | int | float | datetime, ...]
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


def fetch_by_change(
    session: Session,
    query: Select[Any],
    changed: SQLColumnExpression[datetime],
    number: SQLColumnExpression[int],
    cursor: str | None,
    size: int,
) -> Page[Any]:
    """`size` rows (of one entity) of `query` in the order in which they changed, then by their number.

    Raises CursorError if the cursor is damaged.
    """
    place = Cursor.decode(cursor, (str, int)) if cursor else None
    if place is not None:
        try:
            moment = datetime.fromisoformat(str(place.key[0]))
            place = Cursor((moment, place.key[1]), place.backwards)
            if moment.tzinfo is None:
                raise CursorError(DAMAGED)
        except ValueError as error:
            raise CursorError(DAMAGED) from error
    order = (changed, number)
    rows = fetch_page(session, query.add_columns(*order), order, place, size, _change_key)
    return Page([row[0] for row in rows.items], rows.previous, rows.next)


def _change_key(row: Row[Any]) -> tuple[str | int | float, ...]:
    values: tuple[Any, ...] = tuple(row)
    return values[-2].isoformat(), values[-1]
