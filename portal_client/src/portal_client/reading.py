"""From JSON to models: what is not known is passed over, what is missing or of another kind is an error."""

from __future__ import annotations

import types
from base64 import b64decode
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import httpx

from portal_client.errors import UnexpectedAnswer

T = TypeVar("T")


def model(kind: type[T]) -> Callable[[httpx.Response], T]:
    """A reader of answers that are one object; `etag` of a model is taken from the headers."""

    def read(response: httpx.Response) -> T:
        value = _json(response)
        if isinstance(value, dict):
            value = {"etag": response.headers.get("ETag"), **value}
        built: T = build(kind, value)
        return built

    return read


def content(response: httpx.Response) -> bytes:
    """The bytes of an answer."""
    return response.content


def nothing(_response: httpx.Response) -> None:
    """Of an answer without content."""


def build(kind: Any, value: object, where: str = "answer") -> Any:
    """A value of this kind, out of JSON. Raises UnexpectedAnswer, which says where it is not."""
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind) or is_dataclass(origin):
        return _dataclass(origin or kind, arguments, value, where)
    if origin in (Union, types.UnionType):
        (one,) = (argument for argument in arguments if argument is not type(None))
        return None if value is None else build(one, value, where)
    if origin is list and isinstance(value, list):
        return [build(arguments[0], one, f"{where}[{place}]") for place, one in enumerate(value)]
    if origin is dict and isinstance(value, dict):
        return {str(name): build(arguments[1], one, f"{where}.{name}") for name, one in value.items()}
    if kind in _SIMPLE:
        try:
            return _SIMPLE[kind](value)
        except (TypeError, ValueError) as error:
            raise UnexpectedAnswer(f"{where} is {value!r}.") from error
    raise UnexpectedAnswer(f"{where} is {value!r}.")


def _dataclass(kind: Any, arguments: tuple[Any, ...], value: object, where: str) -> Any:
    if not isinstance(value, dict):
        raise UnexpectedAnswer(f"{where} is {value!r}.")
    hints, given = _hints(kind), {}
    for field in fields(kind):
        if field.name in value:
            hint = hints[field.name]
            if getattr(hint, "__parameters__", ()):  # of a generic model, such as Page[Person]
                hint = hint[arguments]
            given[field.name] = build(hint, value[field.name], f"{where}.{field.name}")
        elif field.default is MISSING:
            raise UnexpectedAnswer(f"{where} has no {field.name}.")
    return kind(**given)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _exactly(kind: type) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if type(value) is not kind:
            raise TypeError
        return value

    return check


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        raise TypeError
    return float(value)


def _moment(value: Any) -> datetime:
    return datetime.fromisoformat(value)


def _bytes(value: Any) -> bytes:
    return b64decode(value, validate=True)


_SIMPLE: dict[Any, Callable[[Any], Any]] = {
    bool: _exactly(bool),
    int: _exactly(int),
    str: _exactly(str),
    float: _number,
    datetime: _moment,
    bytes: _bytes,
}


def _json(response: httpx.Response) -> object:
    try:
        value: object = response.json()
    except ValueError as error:
        kind = response.headers.get("Content-Type", "unknown")
        raise UnexpectedAnswer(f"{response.url} answers with {kind}, not with JSON.") from error
    return value
