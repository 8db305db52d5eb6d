"""Keeps programs running: restarts what dies, handles signals, and stops everything in order."""

from __future__ import annotations

import json
import selectors
import signal
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from portal.up.children import Backoff, Child, Program, Stage

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOUD = {"warning", "error", "critical"}


class StopRequested(Exception):
    """Someone pressed Ctrl-C or sent SIGTERM: leave the supervisor, which stops what runs."""


class _Kept:
    """A program that is to run, whether it does at this moment or not."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.backoff = Backoff()
        self.child: Child | None = None
        self.started = 0.0
        self.due: float | None = time.monotonic()


class Supervisor:
    """Runs programs while the `with` block lasts; leaving it stops them, last stage first.

    It is one thread around one `select`: everything happens in `serve` and in what calls it.
    """

    def __init__(self, say: Callable[[str], None], environment: Mapping[str, str], log_folder: Path) -> None:
        self._say = say
        self._environment = {**environment, "PYTHONUNBUFFERED": "1"}
        self._log_folder = log_folder
        self._kept: list[_Kept] = []
        self._errand: Child | None = None
        self._selector = selectors.DefaultSelector()
        self._wakeup, self._bell = socket.socketpair()
        self._stop_requested = False
        self._stopping = False
        self._forced = False
        self._handlers: dict[int, Any] = {}
        self._bell_before = -1

    def __enter__(self) -> Supervisor:
        self._wakeup.setblocking(False)
        self._bell.setblocking(False)
        self._selector.register(self._wakeup, selectors.EVENT_READ)
        self._bell_before = signal.set_wakeup_fd(self._bell.fileno(), warn_on_full_buffer=False)
        for number in (*STOP_SIGNALS, signal.SIGCHLD):
            before = signal.getsignal(number)
            if number == signal.SIGHUP and before == signal.SIG_IGN:
                continue  # started by nohup
            self._handlers[number] = signal.signal(number, self._heard)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._bell_before)
        self._selector.close()
        self._wakeup.close()
        self._bell.close()

    def keep(self, program: Program) -> None:
        """Start a program, and start it again whenever it ends."""
        kept = _Kept(program)
        self._kept.append(kept)
        self._start(kept)

    def run(self, program: Program, take_line: Callable[[str], None]) -> int:
        """Run a program to its end, serving meanwhile, and return its exit code.

        Its standard output is given to `take_line`, line by line. Raises StopRequested.
        """
        child = self._errand = Child(program, self._environment, take_line, log_file=None)
        self._selector.register(child.output, selectors.EVENT_READ, child)
        self.serve(lambda: child.ended() is not None)
        self._errand = None
        return self._finish(child)

    def serve(self, done: Callable[[], bool], every_s: float = 60.0) -> None:
        """Keep everything running until `done()`, which is asked at least `every_s`; raises StopRequested."""
        while not done():
            self._turn(every_s)
            if self._stop_requested:
                raise StopRequested

    def last_lines(self, name: str) -> list[str]:
        """What a kept program wrote last."""
        return [
            line
            for kept in self._kept
            if kept.program.name == name and kept.child
            for line in kept.child.last_lines
        ]

    def _turn(self, timeout: float) -> None:
        """Wait for something to happen, at most `timeout` seconds, and see to it."""
        dues = [kept.due for kept in self._kept if kept.due is not None]
        if dues and not self._stopping:
            timeout = min(timeout, max(0.0, min(dues) - time.monotonic()))
        for key, _ in self._selector.select(timeout):
            if key.data is None:
                self._wakeup.recv(4096)
            elif not key.data.read():
                self._selector.unregister(key.fileobj)
        for kept in self._kept:
            if kept.child and (code := kept.child.ended()) is not None:
                self._died(kept, kept.child, code)
            if not self._stopping and kept.due is not None and kept.due <= time.monotonic():
                self._start(kept)

    def _start(self, kept: _Kept) -> None:
        kept.due, kept.started = None, time.monotonic()
        name = kept.program.name
        log_file = self._log_folder / f"{name}.log"
        child = Child(kept.program, self._environment, lambda line: self._overheard(name, line), log_file)
        kept.child = child
        self._selector.register(child.output, selectors.EVENT_READ, child)

    def _died(self, kept: _Kept, child: Child, code: int) -> None:
        kept.child = None
        self._finish(child)
        if self._stopping:
            return
        delay = kept.backoff.delay_s(time.monotonic() - kept.started)
        kept.due = time.monotonic() + delay
        name = kept.program.name
        self._say(f"{name} ended ({_reason(code)}). It will be restarted in {delay:g} s.")
        if code > 0:
            self._say(
                "\n".join(
                    [
                        f"  {name}'s last words, from {self._log_folder / name}.log:",
                        *(f"    {line}" for line in child.last_lines),
                    ]
                )
            )

    def _finish(self, child: Child) -> int:
        code = child.ended()
        assert code is not None
        if child.output in self._selector.get_map():
            self._selector.unregister(child.output)
        child.close()
        return code

    def _stop(self) -> None:
        self._stopping = True
        for stage in sorted(Stage, reverse=True):
            children = self._running(stage)
            for child in children:
                child.signal(signal.SIGTERM)
            deadline = time.monotonic() + max((child.program.grace_s for child in children), default=0.0)
            killed = False
            while running := self._running(stage):
                if not killed and (self._forced or time.monotonic() >= deadline):
                    killed = True
                    for child in running:
                        self._say(f"{child.program.name} is still busy, and is killed.")
                        child.signal(signal.SIGKILL)
                self._turn(0.1 if killed else min(1.0, max(0.0, deadline - time.monotonic())))

    def _running(self, stage: Stage) -> list[Child]:
        if self._errand and self._errand.ended() is not None:
            self._finish(self._errand)
            self._errand = None
        children = [kept.child for kept in self._kept if kept.child] + (
            [self._errand] if self._errand else []
        )
        return [child for child in children if child.program.stage == stage]

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self._stop_requested = True
            # Only a second Ctrl-C is impatience: SIGTERM often comes twice, to a group and through `make`.
            self._forced = self._stopping and (self._forced or number == signal.SIGINT)

    def _overheard(self, name: str, line: str) -> None:
        """Repeat on the console what a program logged as a warning or worse."""
        if not line.startswith("{"):
            return
        try:
            entry = json.loads(line)
        except ValueError:
            return
        if entry.get("level") in LOUD:
            self._say(f"{name}: {entry['level']}: {entry.get('event', '')}")


def _reason(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    return f"killed by {signal.Signals(-code).name}"
