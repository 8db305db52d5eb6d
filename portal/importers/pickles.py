"""Lists and names in a pickle, read without running or making anything of what it asks for.

A pickle is a program: Python's own reader imports and calls whatever it names. Here its instructions are only
walked through (`pickletools` reads them, it runs none). Lists, tuples, dicts and texts are built; numbers are
passed over, and everything that would be imported, called or made becomes UNKNOWN.
"""

from __future__ import annotations

import pickletools
from typing import IO, Any, Final

LONGEST_TEXT = 10_000


class PickleError(ValueError):
    """The pickle can't be read: it is damaged, or no pickle."""


class _Unknown:
    """Stands for whatever is no list, tuple, dict or text: an array, an object, the result of a call."""


class _Mark:
    """Where a group of things begins on the stack."""


UNKNOWN: Final = _Unknown()
MARK: Final = _Mark()
# Instructions that put a text, or a number (or nothing, or bytes), on the stack.
TEXTS = {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING"}
VALUES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "NONE"),
    *("NEWTRUE", "NEWFALSE", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "GLOBAL"),
    *("PERSID", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER"),
}
IGNORED = {"PROTO", "FRAME", "READONLY_BUFFER"}
# Instructions that take so many things off the stack and put one there that is not known.
TAKING = {"STACK_GLOBAL": 2, "REDUCE": 2, "BUILD": 2, "NEWOBJ": 2, "NEWOBJ_EX": 3, "BINPERSID": 1}
TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def read_pickle(file: IO[bytes]) -> Any:
    """What a pickle holds: lists, tuples, dicts and texts, with UNKNOWN for all else. Raises PickleError.

    Lists keep no numbers, of which embeddings have thousands.
    """
    try:
        return _walk(file)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise PickleError("It is damaged, or no pickle.") from error


def _walk(file: IO[bytes]) -> Any:
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    argument: Any
    for instruction, argument, _ in pickletools.genops(file):
        name = instruction.name
        if name in IGNORED:
            continue
        if name == "STOP":
            return stack.pop()
        if name in TEXTS:
            text = argument if isinstance(argument, str) else ""
            stack.append(text if len(text) <= LONGEST_TEXT else UNKNOWN)
        elif name in VALUES:
            stack.append(UNKNOWN)
        elif name in {"PUT", "BINPUT", "LONG_BINPUT"}:
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in {"GET", "BINGET", "LONG_BINGET"}:
            stack.append(memo[argument])
        else:
            _build(name, stack)
    raise PickleError("It is cut off.")


def _build(name: str, stack: list[Any]) -> None:
    """Follow an instruction that makes something of what is on the stack."""
    if name == "MARK":
        stack.append(MARK)
    elif name in {"EMPTY_LIST", "EMPTY_DICT"}:
        stack.append([] if name == "EMPTY_LIST" else {})
    elif name in {"POP", "POP_MARK"}:
        _ = stack.pop() if name == "POP" else _group(stack)
    elif name == "DUP":
        stack.append(stack[-1])
    elif name in {"APPEND", "APPENDS"}:
        _append(stack, [stack.pop()] if name == "APPEND" else _group(stack))
    elif name in {"SETITEM", "SETITEMS"}:
        _set(stack, [*reversed([stack.pop(), stack.pop()])] if name == "SETITEM" else _group(stack))
    elif name == "LIST":
        stack.append([one for one in _group(stack) if one is not UNKNOWN])
    elif name == "DICT":
        group = _group(stack)
        stack.append({})
        _set(stack, group)
    elif name == "TUPLE":
        stack.append(tuple(_group(stack)))
    elif name in TUPLES:
        count = TUPLES[name]
        group = [stack.pop() for _ in range(count)]
        stack.append(tuple(reversed(group)))
    elif name in TAKING:
        for _ in range(TAKING[name]):
            stack.pop()
        stack.append(UNKNOWN)
    elif name in {"OBJ", "INST", "FROZENSET"}:
        _group(stack)
        stack.append(UNKNOWN)
    elif name == "EMPTY_SET":
        stack.append(UNKNOWN)
    elif name == "ADDITEMS":
        _group(stack)
    else:
        raise PickleError(f"It has the instruction {name}, which is not known.")


def _group(stack: list[Any]) -> list[Any]:
    """What was put on the stack since the last mark, taken off with it."""
    group = []
    while (one := stack.pop()) is not MARK:
        group.append(one)
    return group[::-1]


def _append(stack: list[Any], things: list[Any]) -> None:
    if isinstance(stack[-1], list):
        stack[-1].extend(one for one in things if one is not UNKNOWN)


def _set(stack: list[Any], flat: list[Any]) -> None:
    if isinstance(stack[-1], dict):
        pairs = zip(flat[::2], flat[1::2], strict=True)
        stack[-1].update((key, value) for key, value in pairs if isinstance(key, str))
