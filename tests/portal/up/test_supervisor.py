"""The supervisor over real processes: what dies comes back, what is stopped is gone."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import psutil
import pytest

from portal.up.children import LONGEST_DELAY_S, WELL_AFTER_S, Backoff
from tests.portal.up.conftest import Start
from tests.run.programs import Running, all_gone

STAND_IN = Path(__file__).with_name("stand_in.py")

# Says its number, then when it is asked to leave; both as warnings, which the console repeats.
POLITE = """
import json, os, signal, sys
def tell(event): print(json.dumps({"level": "warning", "event": event}), flush=True)
signal.signal(signal.SIGTERM, lambda *_: (tell("leaving"), sys.exit(0)))
tell(f"number {os.getpid()}")
while True: signal.pause()
"""
DEAF = """
import json, os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(json.dumps({"level": "warning", "event": f"number {os.getpid()}"}), flush=True)
while True: signal.pause()
"""
BUSY = """
import json, os, signal, sys
def tell(event): print(json.dumps({"level": "warning", "event": event}), flush=True)
signal.signal(signal.SIGTERM, lambda *_: tell("finishing"))
signal.signal(signal.SIGUSR1, lambda *_: (tell("finished"), sys.exit(0)))
tell(f"number {os.getpid()}")
while True: signal.pause()
"""
WITH_HEIR = """
import json, os, signal, subprocess, sys
heir = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print(json.dumps({"level": "warning", "event": f"number {heir.pid}"}), flush=True)
while True: signal.pause()
"""


def supervise(start: Start, folder: Path, *programs: str) -> Running:
    return start([sys.executable, str(STAND_IN), str(folder), *programs])


def number(running: Running, name: str) -> int:
    found = re.search(r"number (\d+)", running.until(f"{name}: warning", "number"))
    assert found
    return int(found[1])


def test_what_dies_is_replaced(start: Start, tmp_path: Path) -> None:
    running = supervise(start, tmp_path, f"worker-1=WORKERS:{POLITE}")
    first = number(running, "worker-1")
    os.kill(first, signal.SIGKILL)
    running.until("worker-1 ended (killed by SIGKILL). It will be restarted in 0.5 s.")
    second = number(running, "worker-1")
    assert second != first
    assert psutil.pid_exists(second)


def test_a_replacement_is_not_hindered_by_what_the_dead_one_started(start: Start, tmp_path: Path) -> None:
    running = supervise(start, tmp_path, f"web=WEB:{WITH_HEIR}")
    heir = psutil.Process(number(running, "web"))
    parent = heir.parent()
    assert parent
    parent.kill()
    its_heir = psutil.Process(number(running, "web"))
    assert all_gone([heir])
    running.send(signal.SIGTERM)
    assert running.ended() == 0
    assert all_gone([its_heir])


def test_what_dies_at_once_is_told_with_its_last_words_and_tried_more_slowly(
    start: Start, tmp_path: Path
) -> None:
    running = supervise(start, tmp_path, "web=WEB:raise SystemExit('no such module')")
    running.until("web ended (exit code 1). It will be restarted in 0.5 s.")
    running.until("    no such module")
    running.until("It will be restarted in 1 s.")
    running.until("It will be restarted in 2 s.")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stops_the_last_started_first_and_leaves_nothing(
    start: Start, tmp_path: Path, stop: signal.Signals
) -> None:
    running = supervise(
        start,
        tmp_path,
        *(f"{name}:{POLITE}" for name in ("redis=REDIS", "worker-1=WORKERS", "worker-2=WORKERS", "web=WEB")),
    )
    for _ in range(4):
        running.until("number")
    children = running.below()
    assert len(children) == 4
    running.send(stop)
    assert running.ended() == 0
    assert all_gone(children)
    running.until("stopped")
    left = [line.partition(":")[0] for line in running.output if line.endswith("leaving")]
    assert left[0] == "web"
    assert left[-1] == "redis"
    assert len(left) == 4


def test_what_does_not_leave_in_time_is_killed(start: Start, tmp_path: Path) -> None:
    running = supervise(start, tmp_path, f"deaf=WORKERS:{DEAF}")
    number(running, "deaf")
    children = running.below()
    running.send(signal.SIGTERM)
    running.until("deaf is still busy, and is killed.")
    assert running.ended() == 0
    assert all_gone(children)


def test_a_second_ctrl_c_does_not_wait(start: Start, tmp_path: Path) -> None:
    running = supervise(start, tmp_path, f"patient=WORKERS:{DEAF}", f"web=WEB:{POLITE}")
    for _ in ("patient", "web"):  # whichever is faster
        running.until(": warning", "number")
    running.send(signal.SIGINT)
    running.until("web: warning: leaving")
    running.send(signal.SIGTERM)
    running.send(signal.SIGINT)
    running.until("patient is still busy, and is killed.")
    assert running.ended() == 0


def test_being_told_twice_to_stop_lets_work_be_finished(start: Start, tmp_path: Path) -> None:
    running = supervise(start, tmp_path, f"patient=WORKERS:{BUSY}")
    worker = number(running, "patient")
    running.send(signal.SIGTERM)
    running.until("finishing")
    running.send(signal.SIGTERM)
    os.kill(worker, signal.SIGUSR1)
    running.until("finished")
    assert running.ended() == 0
    assert "is killed" not in "\n".join(running.output)


@pytest.mark.skipif(sys.platform != "linux", reason="the system's help for this exists on Linux only")
def test_nothing_outlives_a_supervisor_that_was_killed(start: Start, tmp_path: Path) -> None:
    running = supervise(start, tmp_path, f"redis=REDIS:{POLITE}", f"deaf=WORKERS:{DEAF}")
    for _ in ("redis", "deaf"):  # whichever is faster
        running.until(": warning", "number")
    children = running.below()
    assert len(children) == 2
    running.send(signal.SIGKILL)
    assert all_gone(children)


def test_an_errand_is_heard_and_its_end_known(start: Start, tmp_path: Path) -> None:
    running = supervise(
        start,
        tmp_path,
        f"redis=REDIS:{POLITE}",
        "demo=ERRAND:print('one'); print('two'); raise SystemExit(3)",
    )
    running.until("one")
    running.until("two")
    running.until("errand ended with 3")


def test_an_errand_ends_when_everything_does(start: Start, tmp_path: Path) -> None:
    running = supervise(
        start, tmp_path, "demo=ERRAND:import signal; print('busy', flush=True); signal.pause()"
    )
    running.until("busy")
    children = running.below()
    running.send(signal.SIGTERM)
    running.until("stopped")
    assert running.ended() == 0
    assert all_gone(children)


def test_logs_hold_everything_and_the_console_only_what_matters(start: Start, tmp_path: Path) -> None:
    code = (
        'print("plain"); print("{\\"level\\": \\"info\\", \\"event\\": \\"small\\"}");'
        'print("{\\"level\\": \\"error\\", \\"event\\": \\"big\\"}", flush=True);'
        "import signal; signal.pause()"
    )
    running = supervise(start, tmp_path, f"web=WEB:{code}")
    running.until("web: error: big")
    running.send(signal.SIGTERM)
    assert running.ended() == 0
    assert [line for line in running.output if "small" in line or "plain" in line] == []
    plain, small, big = (tmp_path / "web.log").read_text().splitlines()
    assert plain == "plain"
    assert "small" in small
    assert "big" in big


def test_restarts_slow_down_while_deaths_are_quick_and_recover_after_a_good_while() -> None:
    backoff = Backoff()
    assert [backoff.delay_s(1.0) for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, LONGEST_DELAY_S, LONGEST_DELAY_S]
    assert backoff.delay_s(WELL_AFTER_S) == 0.5
