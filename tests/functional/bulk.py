"""A batch that is sent as the page's script sends it, by someone who can be interrupted anywhere."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from http.client import HTTPException
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from bs4 import Tag
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import encode_multipart

from tests.functional.staff import Staff
from tests.run.programs import PATIENCE_S
from tests.waiting import wait_until

PARCEL_FILES = 20
PIECE_BYTES = 8 * 1024 * 1024

# Photos by the paths under which they are dropped.
Photos = Mapping[str, Path]
HalfSent = AbstractContextManager[socket.socket]


class Sending:
    """A batch, and what is dropped on it. Like the script, it asks again where there is no answer."""

    def __init__(self, staff: Staff) -> None:
        self.staff = staff
        begun = self._send("/enrol/start", *_form({"grouping": "folder", "label": "name", "known": "add"}))
        self.batch = int(begun["batch"])

    def announce(self, photos: Photos) -> dict[str, dict[str, Any]]:
        """Say what is about to come; returns the portal's answer by path."""
        files = [{"path": path, "size": photo.stat().st_size} for path, photo in photos.items()]
        answer = self._batch("/files", json.dumps({"files": files}).encode(), "application/json")
        return dict(zip(photos, answer["files"], strict=True))

    def wanted(self, photos: Photos) -> dict[int, Path]:
        """Announce photos; those that the portal wants to have, by the number under which they are sent."""
        return {
            item["id"]: photos[path]
            for path, item in self.announce(photos).items()
            if item["state"] == "expected"
        }

    def all_announced(self) -> None:
        self._batch("/announced", b"", "application/octet-stream")

    def send(self, wanted: Mapping[int, Path]) -> None:
        """Send photos, a few in a request."""
        rest = iter(wanted.items())
        while parcel := dict(islice(rest, PARCEL_FILES)):
            answer = self._batch("/photos", *_parcel(parcel))
            assert [photo["id"] for photo in answer["photos"]] == list(parcel)

    def archive(self, path: Path) -> tuple[int, int]:
        """Announce a ZIP; returns its number, and how many bytes of it have arrived."""
        fields = {"name": path.name, "size": str(path.stat().st_size)}
        answer = self._batch("/archives", *_form(fields))
        return answer["id"], answer["received_bytes"]

    def send_piece(self, path: Path, number: int, start: int, end: int) -> int:
        """Send these bytes of a ZIP; returns how many have arrived then."""
        piece = path.read_bytes()[start:end]
        address = f"/archives/{number}?offset={start}"
        return int(self._batch(address, piece, "application/octet-stream")["received_bytes"])

    def send_archive(self, path: Path) -> None:
        """Send what has not arrived of a ZIP."""
        number, received = self.archive(path)
        while received < path.stat().st_size:
            received = self.send_piece(path, number, received, received + PIECE_BYTES)

    def everything(self, photos: Photos, *archives: Path) -> None:
        """Do all of it; also when some of it was done before."""
        wanted = self.wanted(photos) if photos else {}
        for path in archives:
            self.archive(path)
        self.all_announced()
        self.send(wanted)
        for path in archives:
            self.send_archive(path)

    def half_of_parcel(self, wanted: Mapping[int, Path]) -> HalfSent:
        """A request with photos that is half sent; see `_half_sent`."""
        return self._half_sent("/photos", *_parcel(wanted))

    def half_of_piece(self, path: Path, number: int, start: int, end: int) -> HalfSent:
        """A request with a piece of a ZIP that is half sent; see `_half_sent`."""
        piece = path.read_bytes()[start:end]
        return self._half_sent(f"/archives/{number}?offset={start}", piece, "application/octet-stream")

    def progress(self) -> tuple[str, dict[str, int]]:
        """What the page says: the batch's status, how many photos are in each state, and their "total"."""
        shown = self.staff.get(f"/enrol/{self.batch}/progress").select_one("#progress")
        assert isinstance(shown, Tag)
        counts = {
            name.removeprefix("data-count-"): int(str(value))
            for name, value in shown.attrs.items()
            if name.startswith("data-count-")
        }
        counts.pop("to-check")
        return str(shown["data-batch-status"]), counts

    def ended(self, status: str = "done") -> dict[str, int]:
        """The counts, once the page has this status."""
        found: tuple[str, dict[str, int]] = wait_until(
            lambda: (now := self.progress())[0] == status and now,
            f"batch {self.batch} to be {status}",
            PATIENCE_S,
        )
        return found[1]

    @contextmanager
    def _half_sent(self, address: str, body: bytes, content_type: str) -> Iterator[socket.socket]:
        """A request of whose body half has gone; at the end of `with` the connection breaks."""
        host, port = urlsplit(self.staff.portal.url).netloc.split(":")
        headers = {
            **self.staff.script_headers,
            "Host": f"{host}:{port}",
            "Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.staff.cookies),
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
        }
        head = [
            f"POST /enrol/{self.batch}{address} HTTP/1.1",
            *(f"{name}: {headers[name]}" for name in headers),
        ]
        with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as connection:
            connection.sendall("\r\n".join([*head, "", ""]).encode() + body[: len(body) // 2])
            yield connection

    def _batch(self, address: str, body: bytes, content_type: str) -> Any:
        return self._send(f"/enrol/{self.batch}{address}", body, content_type)

    def _send(self, path: str, body: bytes, content_type: str) -> Any:
        def answers() -> list[Any]:
            try:
                return [self.staff.ask(path, body, content_type)]
            except HTTPError as error:
                with error:
                    if error.code == 409:
                        return [json.load(error)]
                    if error.code < 500:
                        raise
            except (ConnectionError, HTTPException, URLError) as error:
                if isinstance(error, HTTPError):
                    raise
            return []  # it is being started again

        return wait_until(answers, f"an answer from {path}", PATIENCE_S)[0]


def _form(fields: Mapping[str, object]) -> tuple[bytes, str]:
    boundary, body = encode_multipart(MultiDict(fields))
    return body, f'multipart/form-data; boundary="{boundary}"'


def _parcel(wanted: Mapping[int, Path]) -> tuple[bytes, str]:
    with ExitStack() as opened:
        return _form(
            {
                str(number): FileStorage(
                    opened.enter_context(photo.open("rb")), photo.name, content_type="image/jpeg"
                )
                for number, photo in wanted.items()
            }
        )
