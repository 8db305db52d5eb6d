"""A program of the launcher as a process of its own, with its console."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.run.programs import Running

Start = Callable[..., Running]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start programs that are over when the test is."""
    running: list[Running] = []

    def begin(command: Sequence[str], environment: dict[str, str] | None = None) -> Running:
        running.append(Running(command, environment))
        return running[-1]

    yield begin
    for program in running:
        program.close()
