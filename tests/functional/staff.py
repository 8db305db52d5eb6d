"""Someone who works with the portal by plain HTTP."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Mapping, Sequence
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import encode_multipart

from tests.functional.mates import Mate
from tests.functional.up_portal import UpPortal
from tests.run.programs import PATIENCE_S
from tests.visitor import PASSWORD
from tests.waiting import wait_until


class Staff:
    """Someone who works with the portal by plain HTTP, as a browser without JavaScript does."""

    def __init__(self, portal: UpPortal, email: str) -> None:
        self.portal = portal
        self.cookies = CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.cookies)
        )
        self._token = self._token_on("/login")
        address, _ = self.post("/login", {"email": email, "password": PASSWORD})
        assert address == "/", address
        self._token = self._token_on("/account")

    def get(self, path: str) -> BeautifulSoup:
        return self._open(path)[1]

    @property
    def script_headers(self) -> dict[str, str]:
        """What the scripts of the pages send along."""
        return {"Accept": "application/json", "X-CSRFToken": self._token}

    def ask(self, path: str, body: bytes, content_type: str) -> Any:
        """Send what a script sends; returns the JSON of the answer. Raises HTTPError and URLError."""
        headers = {**self.script_headers, "Content-Type": content_type}
        request = urllib.request.Request(self.portal.url + path, body, headers)
        with self._opener.open(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def post(
        self, path: str, fields: Mapping[str, object], files: Mapping[str, Sequence[Path]] | None = None
    ) -> tuple[str, BeautifulSoup]:
        """Send a form; returns the path where it led, and the page there."""
        values: MultiDict[str, object] = MultiDict({"csrf_token": self._token, **fields})
        opened = [(name, path.open("rb")) for name, paths in (files or {}).items() for path in paths]
        try:
            for name, file in opened:
                values.add(name, FileStorage(file, Path(file.name).name, content_type="image/jpeg"))
            boundary, body = encode_multipart(values)
        finally:
            for _, file in opened:
                file.close()
        return self._open(path, body, {"Content-Type": f'multipart/form-data; boundary="{boundary}"'})

    def enrol(self, external_id: str, name: str, photos: Sequence[Path]) -> int:
        """Enrol someone; returns the number of their page."""
        path, _ = self.post("/people/new", {"name": name, "external_id": external_id}, {"photos": photos})
        number = re.fullmatch(r"/people/(\d+)", path)
        assert number, path
        return int(number[1])

    def search(self, photo: Path) -> BeautifulSoup:
        """Search by photo; returns the page with the result."""
        path, _ = self.post("/search", {}, {"photo": [photo]})
        assert re.fullmatch(r"/search/\d+", path), path
        return self._when_done(path)

    def enrol_and_wait(self, mate: Mate) -> int:
        number = self.enrol(mate.external_id, mate.name, mate.photos)

        def done() -> bool:
            states = [
                tile["data-photo-state"]
                for tile in self.get(f"/people/{number}").select("[data-photo-state]")
            ]
            assert "failed" not in states
            return states == ["done"] * len(mate.photos)

        wait_until(done, f"the photos of {mate.name}", PATIENCE_S)
        return number

    def _when_done(self, path: str) -> BeautifulSoup:
        def page() -> BeautifulSoup | None:
            shown = self.get(path)
            return shown if shown.select_one("[data-search-status=done]") else None

        found: BeautifulSoup = wait_until(page, f"the result at {path}", PATIENCE_S)
        return found

    def _token_on(self, path: str) -> str:
        field = self.get(path).select_one("input[name=csrf_token]")
        assert field
        return str(field["value"])

    def _open(
        self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[str, BeautifulSoup]:
        request = urllib.request.Request(self.portal.url + path, body, headers or {})
        with self._opener.open(request, timeout=PATIENCE_S) as answer:
            page = BeautifulSoup(answer.read(), "html.parser")
            return answer.url.removeprefix(self.portal.url), page
