"""Programs in processes of their own, with their console."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from tests.needs import free_face_model

# How long something that is to happen may take on the slowest machine, before a test gives up.
PATIENCE_S = 90


class Running:
    """A program, what it wrote, and the processes under it."""

    def __init__(self, command: Sequence[str], environment: dict[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self.output: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def until(self, *words: str) -> str:
        """The next line with these words in it."""
        while True:
            try:
                line = self._lines.get(timeout=PATIENCE_S)
            except queue.Empty:
                pytest.fail(f"{words} did not come within {PATIENCE_S} s after:\n" + "\n".join(self.output))
            if line is None:
                pytest.fail(f"{words} did not come before the end:\n" + "\n".join(self.output))
            if all(word in line for word in words):
                return line

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def ended(self) -> int:
        """The exit code, once it has ended."""
        return self._process.wait(timeout=PATIENCE_S)

    def below(self) -> list[psutil.Process]:
        return psutil.Process(self.pid).children(recursive=True)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.output.append(line.rstrip("\n"))
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)


def all_gone(processes: Sequence[psutil.Process]) -> bool:
    """Whether these processes end, within patience."""
    return not psutil.wait_procs(processes, timeout=PATIENCE_S)[1]


def portal_command(*arguments: str) -> list[str]:
    """The `portal` command of the environment that runs the tests."""
    return [str(Path(sys.executable).with_name("portal")), *arguments]


def portal_environment(data_dir: Path | None, **variables: str) -> dict[str, str]:
    """The environment of a portal with the face model that needs no download."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
    folder = {"PORTAL_DATA_DIR": str(data_dir)} if data_dir else {}
    return others | {"PORTAL_FACE_MODEL": free_face_model()} | folder | variables
