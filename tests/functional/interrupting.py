"""Moments at which something is killed: when exactly, and what."""

from __future__ import annotations

import signal
import socket
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import psutil

from tests.functional.up_portal import UpPortal
from tests.run.programs import PATIENCE_S
from tests.waiting import wait_until


def process_of(worker: str) -> psutil.Process:
    host, pid, _ = worker.rsplit(":", 2)
    assert host == socket.gethostname()
    return psutil.Process(int(pid))


def ready_workers(portal: UpPortal) -> list[psutil.Process]:
    known = {int(name.split(":")[-2]) for (name,) in portal.rows("SELECT name FROM worker_process")}
    return [process for process in portal.processes("jobs.worker") if process.pid in known]


def stop(portal: UpPortal, worker: psutil.Process) -> None:
    """Have a worker stand still at a moment when it does not keep others from writing."""

    def stopped() -> bool:
        worker.suspend()
        wait_until(lambda: worker.status() == psutil.STATUS_STOPPED, "a worker that stands still")
        connection = sqlite3.connect(portal.data_dir / "portal.sqlite3", timeout=1, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            worker.resume()
            return False
        finally:
            connection.close()
        return True

    wait_until(stopped, "a worker that writes nothing")


@contextmanager
def standing_still(portal: UpPortal, what: str, *queries: str) -> Iterator[None]:
    """Let nobody write from a moment on at which all of these queries find something."""
    with closing(
        sqlite3.connect(portal.data_dir / "portal.sqlite3", timeout=PATIENCE_S, isolation_level=None)
    ) as connection:

        def found() -> bool:
            return all(connection.execute(query).fetchone() for query in queries)

        def caught() -> bool:
            # Looked at first without the lock: who waits for that sleeps for longer than such moments last.
            if not found():
                return False
            connection.execute("BEGIN IMMEDIATE")
            if found():
                return True
            connection.execute("ROLLBACK")
            return False

        wait_until(caught, what, PATIENCE_S, every_s=0.002)
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


def kill(victims: Sequence[psutil.Process]) -> None:
    """Kill these, with no time between them for anybody to notice."""
    for victim in victims:
        victim.kill()
    assert not psutil.wait_procs(victims, PATIENCE_S)[1]


def kill_everything(portal: UpPortal) -> None:
    """Kill the portal as if the power failed; it can be started again."""
    below = portal.running.below()
    portal.running.send(signal.SIGKILL)
    kill(below)
    portal.running.close()
