"""The `portal` command in this process: what it does and says, without the time that a program needs."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from portal.cli import main


@dataclass(frozen=True)
class Said:
    """What a command ended with, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def portal(data_dir: Path, *arguments: str, **variables: str) -> Said:
    """Run a `portal` command on a data folder, with these variables and no other PORTAL_… ones."""
    others = {name: None for name in os.environ if name.startswith("PORTAL_")}
    environment = {**others, "PORTAL_DATA_DIR": str(data_dir), **variables}
    with _process_left_as_it_is():
        done = CliRunner().invoke(main, arguments, env=environment, prog_name="portal")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Said(done.exit_code, done.stdout, done.stderr)


@contextmanager
def _process_left_as_it_is() -> Iterator[None]:
    """Undo what a command changes of its process: where logs go, and who may read new files."""
    root, umask = logging.getLogger(), os.umask(0o077)
    handlers, level = root.handlers, root.level
    try:
        yield
    finally:
        root.handlers = handlers
        root.setLevel(level)
        os.umask(umask)
