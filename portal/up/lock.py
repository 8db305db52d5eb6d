"""Only one `portal up` works on a data folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "up.lock"


class AlreadyUp(RuntimeError):
    """Another `portal up` has this data folder."""


@contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Hold the data folder. The system lets go of it however the process ends. Raises AlreadyUp."""
    with (data_dir / NAME).open("a+") as file:
        if not _lock(file.fileno()):
            file.seek(0)
            raise AlreadyUp(
                f"The portal is already up on {data_dir} (process {file.read().strip() or 'unknown'}). "
                "Stop that one first, or give this one a folder of its own with --data-dir."
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def is_up(data_dir: Path) -> bool:
    """Whether a `portal up` has this data folder."""
    try:
        with (data_dir / NAME).open() as file:
            return not _lock(file.fileno())
    except FileNotFoundError:
        return False


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
