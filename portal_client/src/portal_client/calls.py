"""A call: what is sent, and how the answer is read. Nothing here sends anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

import httpx

from portal_client.reading import model
from portal_client.uploads import Upload

T = TypeVar("T")

Value = str | int | float | bool
# Fields of a form; one that comes several times has a list.
Fields = Mapping[str, Value | Sequence[str] | None]


@dataclass(frozen=True)
class Form:
    """A multipart form: fields, and photos by the name of their field. What is None is not sent."""

    fields: Fields = field(default_factory=dict)
    photos: Sequence[tuple[str, Upload]] = ()


@dataclass(frozen=True)
class Call(Generic[T]):
    """One operation of the contract, with its arguments."""

    method: str
    # Below /api/v1.
    path: str
    read: Callable[[httpx.Response], T]
    query: Mapping[str, Value | None] = field(default_factory=dict)
    json: Mapping[str, object] | None = None
    form: Form | None = None
    # The etag of what is to be changed, as it was read.
    if_match: str | None = None
    # So long the portal may hold its answer back.
    held_s: float = 0


@dataclass(frozen=True)
class Page(Generic[T]):
    """A part of a list."""

    items: list[T]
    next_cursor: str | None


@dataclass(frozen=True)
class Listing(Generic[T]):
    """An operation that answers a list in pages."""

    path: str
    kind: type[T]
    query: Mapping[str, Value | None] = field(default_factory=dict)

    def page(self, cursor: str | None) -> Call[Page[T]]:
        """The call for the page at a cursor; None for the first."""
        read: Callable[[httpx.Response], Page[T]] = model(Page[self.kind])  # type: ignore[name-defined]
        return Call("GET", self.path, read, query={**self.query, "cursor": cursor})


def without_none(values: Mapping[str, object]) -> dict[str, object]:
    """What was given."""
    return {name: value for name, value in values.items() if value is not None}


def moment(at: datetime | None) -> str | None:
    """A moment as a query has it. Raises ValueError without a time zone."""
    if at is not None and at.tzinfo is None:
        raise ValueError("A moment needs a time zone.")
    return at.isoformat() if at else None
