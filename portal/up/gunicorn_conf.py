"""How gunicorn serves the portal: one process of many threads, JSON logs, and it does not say what it is."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger
from gunicorn.http import wsgi
from gunicorn.http.unreader import SocketUnreader

from portal import logs
from portal.http.bodies import MOST_AT_ONCE
from portal.http.holding import EVERYONE, LIMITS, STRANGERS
from portal.up.children import die_with
from portal.up.web_worker import MOST_WITHOUT_THREAD

# One process: it waits for the database, Redis and disks most of the time, and its threads share the rest.
workers = 1
worker_class = "portal.up.web_worker.Worker"
# What is slow has a limit (http/holding.py); so many are left for everything else, and it needs few of them.
threads = LIMITS[EVERYONE] + LIMITS[STRANGERS] + 200
# Those of the threads, and others that wait without one: for a request to begin, or to be used again.
MOST_CONNECTIONS = threads + MOST_WITHOUT_THREAD + 100
# An upload has a connection and a file, and what is slow is not all there is.
MOST_FILES = 2 * MOST_CONNECTIONS
timeout = 60
# Less than the supervisor waits before it kills. What waits for work is answered at once, uploads are cut.
graceful_timeout = 10
keepalive = 5

limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190
# What proxies say is judged in one place, by PORTAL_TRUSTED_PROXIES.
secure_scheme_headers: dict[str, str] = {}

# The heartbeat file lies in memory: a slow disk does not make a healthy worker look hung.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() and os.access("/dev/shm", os.W_OK) else None  # noqa: S108
control_socket_disable = True

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # malloc.h

# A slow body takes no more memory than that.
SocketUnreader.max_body_chunk = MOST_AT_ONCE
# In place of the program's name in the Server header of every answer.
wsgi.SERVER = "portal"

# The usual limit, 1,024, is for programs with few connections.
_, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
_files = MOST_FILES if _hard == resource.RLIM_INFINITY else min(_hard, MOST_FILES)
resource.setrlimit(resource.RLIMIT_NOFILE, (_files, _hard))
worker_connections = _files // 2


class JsonLogger(Logger):  # type: ignore[misc]
    """Gunicorn's own messages, sent the way of all others."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers = []
        self.error_log.propagate = True
        logs.configure()


logger_class = JsonLogger


def post_fork(server: Any, worker: Any) -> None:
    """Called in the new process that serves."""
    die_with(worker.ppid)
    _keep_little_memory()


def _keep_little_memory() -> None:
    """Have glibc give back what many threads had at some moment; by itself it keeps it, in a heap of each."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_ARENA_MAX, 2)
        libc.mallopt(M_MMAP_THRESHOLD, 128 * 1024)
