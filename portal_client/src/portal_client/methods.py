"""Operations as methods: what both clients do with the functions that make calls."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any


def method_like(operation: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a method the name, the docstring and the parameters of an operation."""

    def dress(method: Callable[..., Any]) -> Callable[..., Any]:
        dressed = wraps(operation)(method)
        signature = inspect.signature(operation)
        itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
        parameters = [itself, *signature.parameters.values()]
        dressed.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return dressed

    return dress
