"""One program that the supervisor runs: how it is started, heard, and ended with all that it started."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent.parent

LOG_BYTES = 10 * 1024 * 1024
OLD_LOGS = 3
LAST_LINES = 5

# The first restart is almost immediate; each quick death after it doubles the wait.
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
# A program that lived this long was well: what killed it is not what killed it before.
WELL_AFTER_S = 60.0

PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class Stage(IntEnum):
    """The order of starting; stopping goes from the last to the first."""

    REDIS = 1
    WORKERS = 2
    WEB = 3
    ERRAND = 4


@dataclass(frozen=True)
class Program:
    """What to run, and how long it may take to end when it is asked to."""

    name: str
    command: Sequence[str]
    stage: Stage
    grace_s: float = 20.0
    pass_fds: tuple[int, ...] = ()


class Backoff:
    """How long to wait before something that died is started again."""

    def __init__(self) -> None:
        self.quick_deaths = 0

    def delay_s(self, lived_s: float) -> float:
        """The wait after a death, in seconds: 0.5, 1, 2 … 30 while deaths follow each other quickly."""
        self.quick_deaths = 1 if lived_s >= WELL_AFTER_S else self.quick_deaths + 1
        return min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(self.quick_deaths - 1, 16))


class Child:
    """A running program in a process group of its own, which does not outlive this process (on Linux).

    With a `log_file` both of its outputs go there; without one, standard output is only read, and
    standard error is the console's. Every line that is read is given to `take_line`.
    """

    def __init__(
        self,
        program: Program,
        environment: Mapping[str, str],
        take_line: Callable[[str], None],
        log_file: Path | None,
    ) -> None:
        self.program = program
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self._take_line = take_line
        self._log = _open_log(log_file) if log_file else None
        self._rest = b""
        self._code: int | None = None
        parent = os.getpid()
        self._process = subprocess.Popen(
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if log_file else None,
            bufsize=0,
            cwd=ROOT,
            env=environment,
            pass_fds=program.pass_fds,
            process_group=0,
            # Safe here, where there are no threads: the supervisor has only this one.
            preexec_fn=lambda: die_with(parent),
        )
        self.pid = self._process.pid
        self.output: IO[bytes] = self._process.stdout  # type: ignore[assignment]
        os.set_blocking(self.output.fileno(), False)

    def read(self) -> bool:
        """Read some of what the program has written; False when there will be no more."""
        data = self.output.read(65536)
        if data is None:
            return True
        self._take(data)
        return bool(data)

    def ended(self) -> int | None:
        """The exit code (negative: the signal) once the program has ended; what it left is killed too."""
        if self._code is None:
            self._code = self._process.poll()
            if self._code is not None:
                self.signal(signal.SIGKILL)
        return self._code

    def signal(self, number: signal.Signals) -> None:
        """Send a signal: SIGKILL to the whole group, others to the program, which tells its own."""
        with contextlib.suppress(ProcessLookupError):
            if number == signal.SIGKILL:
                os.killpg(self.pid, number)
            else:
                self._process.send_signal(number)

    def close(self) -> None:
        """Read the last output of a program that ended."""
        while data := self.output.read(65536):
            self._take(data)
        self._take(b"")
        self.output.close()
        if self._log:
            self._log.close()

    def _take(self, data: bytes) -> None:
        """Cut what was written into lines; no data means that the last line is whole."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if not data and self._rest:
            lines, self._rest = [self._rest], b""
        for line in lines:
            self._line(line.decode(errors="replace").rstrip("\r"))

    def _line(self, line: str) -> None:
        if line:
            self.last_lines.append(line)
        if self._log:
            self._log.emit(logging.makeLogRecord({"msg": line}))
        self._take_line(line)


def die_with(parent: int) -> None:
    """Make the system kill this process when `parent` ends, however it ends (Linux)."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before it was watched
            os._exit(1)


def _open_log(path: Path) -> RotatingFileHandler:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handler = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=OLD_LOGS, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(message)s"))
    return handler
