"""`portal up` as whoever installs it meets it: starts, heals, stops, and says what is wrong."""

from __future__ import annotations

import json
import re
import signal
import socket
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.portal.up.conftest import Start
from tests.run.programs import PATIENCE_S, Running, all_gone, portal_command, portal_environment

# The tests that share one portal run in one process, where there are several.
sharing = pytest.mark.xdist_group("portal up")


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, str, Path]]:
    """A portal that is up, its address and its data folder, whose path is too long for a socket."""
    folder = tmp_path_factory.mktemp("up") / ("deep " * 20) / ("deeper" * 20)
    running = Running(up_command(), portal_environment(folder))
    try:
        yield running, address(running), folder
    finally:
        running.close()


def up_command(*options: str) -> list[str]:
    return portal_command("up", "--port", "0", "--workers", "1", *options)


def address(running: Running) -> str:
    running.until("Face Portal is ready")
    return running.until("Address").split()[-1]


def readiness(url: str) -> dict[str, str]:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=PATIENCE_S) as answer:
            state: dict[str, str] = json.load(answer)
    except urllib.error.HTTPError as error:
        state = json.load(error)
    except OSError as error:
        return {"status": str(error)}
    return state


def eventually(true: Callable[[], bool], what: str) -> None:
    pause = threading.Event()
    for _ in range(PATIENCE_S * 10):
        if true():
            return
        pause.wait(0.1)
    pytest.fail(f"{what} did not come about within {PATIENCE_S} s")


def processes(running: Running, words: str) -> list[psutil.Process]:
    found = []
    for process in running.below():
        try:
            if words in " ".join(process.cmdline()):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


def test_from_nothing_to_a_portal_that_says_what_it_is(start: Start, tmp_path: Path) -> None:
    running = start(up_command("--workers", "2"), portal_environment(tmp_path / "data"))
    url = address(running)
    assert url.startswith("http://127.0.0.1:")
    assert "opencv" in running.until("Face model", "  opencv")
    assert "Apache License 2.0" in running.until("Licence")
    assert "cpu" in running.until("Device")
    assert running.until("Data folder").endswith(str(tmp_path / "data"))
    assert running.until("First user").endswith(f"{url}/first-run")
    assert re.search(r"Code +[2-9A-Z-]{8,}", running.until("Code"))
    assert readiness(url)["status"] == "ok"
    with urllib.request.urlopen(f"{url}/healthz", timeout=PATIENCE_S) as answer:
        assert "gunicorn" not in str(answer.headers).lower()
    children = running.below()
    assert {"redis", "worker-1", "worker-2", "webhooks", "web"} == {
        path.stem for path in (tmp_path / "data/logs").glob("*.log")
    }
    running.send(signal.SIGINT)
    assert running.ended() == 0
    running.until("Stopped.")
    assert all_gone(children)


@pytest.mark.skipif(sys.platform != "linux", reason="the system's help for this exists on Linux only")
def test_nothing_outlives_it_when_it_is_killed(start: Start, tmp_path: Path) -> None:
    running = start(up_command("--data-dir", str(tmp_path / "data")), portal_environment(None))
    address(running)
    children = running.below()
    assert len(children) >= 4  # Redis, a worker, gunicorn and its process that serves
    running.send(signal.SIGKILL)
    assert all_gone(children)


@sharing
@pytest.mark.parametrize("words", ["jobs.worker", "gunicorn", "redis-server"])
def test_what_is_killed_is_replaced(portal: tuple[Running, str, Path], words: str) -> None:
    running, url, _ = portal
    before = processes(running, words)
    assert before
    before[0].kill()
    assert all_gone(before[:1])
    eventually(lambda: len(processes(running, words)) == len(before), f"another {words}")
    assert {process.pid for process in processes(running, words)} != {process.pid for process in before}
    eventually(lambda: readiness(url)["status"] == "ok", "readiness")


@sharing
def test_a_second_one_on_the_same_data_folder_is_refused(
    portal: tuple[Running, str, Path], start: Start
) -> None:
    running, url, folder = portal
    second = start(up_command(), portal_environment(folder))
    second.until(f"The portal is already up on {folder} (process {running.pid})")
    assert second.ended() == 1
    assert readiness(url)["status"] == "ok"


@sharing
def test_doctor_finds_everything_well(portal: tuple[Running, str, Path], start: Start) -> None:
    _, url, folder = portal
    eventually(lambda: readiness(url)["status"] == "ok", "readiness")
    doctor = start(portal_command("doctor"), portal_environment(folder))
    assert doctor.ended() == 0
    for part in (
        *("secret key", "photo storage", "redis", "database", "face model", "licence", "device"),
        *("comparison", "workers", "webhooks"),
    ):
        assert doctor.until("ok", part).startswith("ok")


def test_a_port_in_use_is_told_before_anything_starts(start: Start, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        command = portal_command("up", "--port", str(port))
        running = start(command, portal_environment(tmp_path / "data"))
        running.until(f"Port {port} of 127.0.0.1 is in use by another program")
        assert running.ended() == 1
    assert not (tmp_path / "data" / "logs").exists()


@sharing
def test_works_in_a_folder_whose_path_is_too_long_for_a_socket(portal: tuple[Running, str, Path]) -> None:
    _, url, folder = portal
    eventually(lambda: readiness(url)["status"] == "ok", "readiness")
    assert len(str(folder / "redis.sock")) > 108  # sun_path of Linux: unix(7)
    assert (folder / "portal.sqlite3").exists()


def test_an_address_for_all_comes_with_a_warning(start: Start, tmp_path: Path) -> None:
    environment = portal_environment(tmp_path / "data", PORTAL_FACE_MODEL="no-such-model")
    running = start(up_command("--host", "0.0.0.0"), environment)
    assert "HTTPS proxy" in running.until("Warning: 0.0.0.0 can be reached from other machines")
    assert running.ended() == 1


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"PORTAL_FACE_MODEL": "no-such-model"}, "no-such-model"),
        (
            {"PORTAL_REDIS_URL": "redis://:hidden@127.0.0.1:1"},
            "Redis does not answer at redis://:***@127.0.0.1:1",
        ),
        ({"PORTAL_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, "The database does not answer"),
        ({"PORTAL_COLOUR": "blue"}, "PORTAL_COLOUR is not a setting of the portal"),
    ],
)
def test_what_keeps_it_from_starting_is_told(
    start: Start, tmp_path: Path, variables: dict[str, str], told: str
) -> None:
    running = start(up_command(), portal_environment(tmp_path / "data", **variables))
    running.until(told)
    assert running.ended() == 1
    assert "Traceback" not in "\n".join(running.output)
    assert "hidden" not in "\n".join(running.output)
