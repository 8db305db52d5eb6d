"""The private Redis: found, reachable by nobody else, on any path."""

from __future__ import annotations

import dataclasses
import stat
from pathlib import Path

import psutil
import pytest

from portal.settings import Settings
from portal.up import private_redis
from portal.up.private_redis import RedisUnavailable
from tests.portal.up.conftest import Start


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_environment({}, data_dir=tmp_path / "with a space")


@pytest.mark.parametrize("folder", ["with a space", "x" * 70 + "/" + "y" * 70])
def test_listens_on_a_socket_of_this_user_alone(start: Start, tmp_path: Path, folder: str) -> None:
    settings = Settings.from_environment({}, data_dir=tmp_path / folder)
    program = private_redis.program(settings)
    running = start(program.command)
    running.until("ready to accept connections", "sock")
    assert private_redis.answers(settings.redis_url)
    assert stat.S_IMODE(settings.redis_socket.stat().st_mode) == 0o700
    assert stat.S_IMODE(settings.redis_socket.parent.stat().st_mode) == 0o700
    assert [c for c in psutil.Process(running.pid).net_connections("inet") if c.status == "LISTEN"] == []


def test_the_machines_own_server_comes_first(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = tmp_path / "redis-server"
    server.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert private_redis.program(settings).command[0] == str(server)


def test_says_what_to_do_where_there_is_no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RedisUnavailable, match=r"Install redis-server .* or set PORTAL_REDIS_URL"):
        private_redis.find_server()


def test_does_not_use_a_folder_that_somebody_else_left_in_its_place(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    trap = tmp_path / "trap"
    trap.symlink_to(elsewhere)
    monkeypatch.setattr(Settings, "redis_socket", property(lambda self: trap / "redis.sock"))
    with pytest.raises(RedisUnavailable, match="belongs to someone else"):
        private_redis.program(dataclasses.replace(settings))


def test_what_is_not_there_does_not_answer(settings: Settings) -> None:
    assert not private_redis.answers(settings.redis_url)
