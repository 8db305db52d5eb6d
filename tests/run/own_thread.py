"""Something done in a thread of its own: a browser of the tests keeps an event loop in the main one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


def in_own_thread(act: Callable[[], Result]) -> Result:
    """What a call returns or raises."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(act).result()
