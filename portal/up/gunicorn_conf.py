"""How gunicorn serves the portal: one process of threads, JSON logs, and it does not say what it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger
from gunicorn.http import wsgi

from portal import logs
from portal.up.children import die_with

# One process: it waits for the database, Redis and disks most of the time, and its threads share the rest.
workers = 1
worker_class = "gthread"
threads = 8
timeout = 60
# Less than the supervisor waits before it kills.
graceful_timeout = 15
keepalive = 5

limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190
# What proxies say is judged in one place, by PORTAL_TRUSTED_PROXIES.
secure_scheme_headers: dict[str, str] = {}

# The heartbeat file lies in memory: a slow disk does not make a healthy worker look hung.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() and os.access("/dev/shm", os.W_OK) else None  # noqa: S108
control_socket_disable = True

# In place of the program's name in the Server header of every answer.
wsgi.SERVER = "portal"


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
