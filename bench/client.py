"""A portal of its own for a measurement, and a lean browser: cookies, CSRF token, forms, polling."""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PORTAL = Path(sys.executable).with_name("portal")
EMAIL, PASSWORD = "bench@portal.example", "measured in a quiet hour"


def environment_of(data_dir: Path, models: Path, model_name: str) -> dict[str, str]:
    """The environment in which the portal's commands find this portal."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")},
        "PORTAL_DATA_DIR": str(data_dir),
        "PORTAL_MODEL_DIR": str(models.resolve()),
        "PORTAL_FACE_MODEL": model_name,
        # What is measured is the portal, not its limit.
        "PORTAL_API_RATE": "1000000",
        "BENCH_PASSWORD": PASSWORD,
    }


@contextmanager
def running_portal(data_dir: Path, models: Path, model_name: str, workers: int) -> Iterator[tuple[int, int]]:
    """`portal up` with an organization and an operator; gives the process id and the port."""
    environment = environment_of(data_dir, models, model_name)
    for command in (
        ["create-organization", "Bench", "--slug", "bench"],
        [
            "create-user",
            EMAIL,
            "--organization",
            "bench",
            "--role",
            "operator",
            "--password-env",
            "BENCH_PASSWORD",
        ],
    ):
        subprocess.run([PORTAL, *command], env=environment, check=True, stdout=subprocess.DEVNULL)
    with subprocess.Popen(
        [PORTAL, "up", "--port", "0", "--workers", str(workers)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            address = next(line for line in process.stdout if "Address" in line)
            yield process.pid, int(address.rsplit(":", 1)[1])
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate()


def api_key(environment: dict[str, str], *scopes: str) -> str:
    """A new key of the portal's organization."""
    name = f"bench {secrets.token_hex(4)}"
    command = [str(PORTAL), "create-api-key", "--organization", "bench", "--name", name]
    for scope in scopes:
        command += ["--scope", scope]
    made = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return made.stdout.strip()


class Browser:
    """One connection to the portal, signed in."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._cookies: dict[str, str] = {}
        self._signed_in = False
        self.token = _token(self.get("/login"))
        self._send("POST", "/login", *form_of([("email", EMAIL), ("password", PASSWORD)], [], self.token))
        self.token = _token(self.get("/account"))
        self._signed_in = True

    @property
    def cookie(self) -> dict[str, str]:
        """The header by which the portal knows this browser."""
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}

    def get(self, path: str) -> str:
        """The page at a path."""
        return self._send("GET", path, b"", {})[1]

    def post(self, path: str, fields: Sequence[tuple[str, str]], files: Sequence[tuple[str, bytes]]) -> str:
        """Send a form; returns where it leads. Raises RuntimeError if the form was refused."""
        location, page = self._send("POST", path, *form_of(fields, files, self.token))
        if not location:
            raise RuntimeError(f"{path} refused the form: {page[:2000]}")
        return location

    def ask(self, path: str, question: object) -> Any:
        """What the portal answers a script that sends JSON."""
        headers = {"Content-Type": "application/json", **self._as_script()}
        return json.loads(self._send("POST", path, json.dumps(question).encode(), headers)[1])

    def send(
        self, path: str, fields: Sequence[tuple[str, str]], files: Sequence[tuple[str, bytes]] = ()
    ) -> Any:
        """What the portal answers a script that sends a form."""
        body, headers = form_of(fields, files, self.token)
        return json.loads(self._send("POST", path, body, {**headers, **self._as_script()})[1])

    def _as_script(self) -> dict[str, str]:
        return {"Accept": "application/json", "X-CSRFToken": self.token}

    def _send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[str, str]:
        self._connection.request(method, path, body, {**headers, **self.cookie})
        response = self._connection.getresponse()
        page = response.read().decode(errors="replace")
        # From here on the session stays as it is: messages that no page shows would make it ever longer.
        for header in [] if self._signed_in else response.headers.get_all("Set-Cookie") or []:
            name, _, value = header.partition(";")[0].partition("=")
            self._cookies[name] = value
        return response.headers.get("Location", ""), page


def search(browser: Browser, photo: bytes, poll_s: float = 0.2) -> float:
    """Seconds from sending a probe to the page that shows its candidates, polled as the page itself does."""
    started = time.perf_counter()
    path = browser.post("/search", [], [("photo", photo)])
    page = browser.get(path)
    while 'data-search-status="done"' not in page:
        if 'data-search-status="failed"' in page:
            raise RuntimeError(f"{path} failed")
        time.sleep(poll_s)
        page = browser.get(f"{path}/results")
    return time.perf_counter() - started


def _token(page: str) -> str:
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    if found is None:
        raise RuntimeError("The page has no form.")
    return found[1]


def form_of(
    fields: Sequence[tuple[str, str]], files: Sequence[tuple[str, bytes]], token: str = ""
) -> tuple[bytes, dict[str, str]]:
    """The body of a form, and the header that goes with it."""
    boundary = secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in [*([("csrf_token", token)] if token else []), *fields]
    ]
    for number, (name, content) in enumerate(files):
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{number}.jpg"\r\n\r\n'
        )
        parts += [head.encode(), content, b"\r\n"]
    parts.append(f"--{boundary}--\r\n".encode())
    return b"".join(parts), {"Content-Type": f"multipart/form-data; boundary={boundary}"}
