"""Many things, a list of them at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Thing = TypeVar("Thing")


def chunks(things: Iterable[Thing], size: int) -> Iterator[list[Thing]]:
    """The things in lists of `size`, the last one shorter."""
    rest = iter(things)
    while part := list(islice(rest, size)):
        yield part
