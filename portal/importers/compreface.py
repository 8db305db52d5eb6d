"""Faces of a CompreFace recognition service, over its REST API.

Two calls are used: GET /api/v1/recognition/faces, page by page, names the subject of every example, and
GET /api/v1/recognition/faces/{image_id}/img gives its photo, if that service saves photos. The embeddings
that it keeps are of its own model, and are not asked for.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from functools import partial
from types import TracebackType
from typing import Annotated, Self

import httpx
from pydantic import BaseModel, Field, ValidationError

from portal.batches.importing import Opened, UnreadablePhoto
from portal.importers.feeding import Foreign, ForeignPhoto, ImportFailed
from portal.photos.reasons import MAX_PHOTO_BYTES
from portal.text import is_text

A_PAGE = 500
ATTEMPTS = 6
# How long is waited before a second attempt; twice as long before each further one.
BACKOFF_S = 0.5
# The service, or what stands before it, says that it can't answer just now.
BUSY = {429, 502, 503, 504}
MOST_PAGES = 100_000
LARGEST_PAGE = 16 * 1024**2
NO_PHOTO = "CompreFace has no photo of this example, only an embedding: it was set not to save photos."


class _Face(BaseModel):
    """An example in the list; the id goes into an address, and is nothing but an id."""

    image_id: Annotated[str, Field(pattern="^[0-9A-Za-z-]{1,64}$")]
    subject: Annotated[str, Field(max_length=10_000)]


class _Page(BaseModel):
    faces: list[_Face]
    # Before CompreFace 0.6 there were no pages.
    total_pages: int = 1


class CompreFace:
    """A CompreFace instance, and the API key of one of its recognition services; it goes into no address."""

    def __init__(self, address: str, api_key: str) -> None:
        """Raises ImportFailed for an address that is none."""
        try:
            url = httpx.URL(address)
        except httpx.InvalidURL as error:
            raise ImportFailed(f"{address} is not an address: {error}.") from error
        if url.scheme not in {"http", "https"} or not url.host or url.query or url.fragment:
            raise ImportFailed(f"{address} is not the address of a CompreFace, such as https://host:8000.")
        if url.userinfo:
            raise ImportFailed("The address has a user name in it, which CompreFace does not need.")
        if not api_key.isascii() or not api_key.isprintable() or not api_key:
            raise ImportFailed("The API key has characters that no API key of CompreFace has.")
        self.address = address.rstrip("/")
        self._client = httpx.Client(
            base_url=f"{self.address}/api/v1/",
            headers={"x-api-key": api_key},
            # The key is for this address only: no redirect and no proxy gets it.
            follow_redirects=False,
            trust_env=False,
            verify=httpx.create_ssl_context(),
            timeout=httpx.Timeout(60, connect=10),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def read(self) -> Foreign:
        """All examples, each with the way to its photo, as long as this is open. Raises ImportFailed."""
        photos: dict[str, ForeignPhoto] = {}
        for face in self._faces():
            if not is_text(face.subject):
                raise ImportFailed(f"CompreFace gives example {face.image_id} a name that is no text.")
            photos[face.image_id] = ForeignPhoto(
                f"{face.image_id}.jpg", face.subject, face.subject, partial(self._photo, face.image_id)
            )
        return Foreign(f"from CompreFace at {self.address}", list(photos.values()), [])

    def _faces(self) -> Iterator[_Face]:
        page, pages = 0, 1
        while page < pages:
            content = self._get(f"recognition/faces?page={page}&size={A_PAGE}", LARGEST_PAGE)
            try:
                found = _Page.model_validate_json(content)
            except ValidationError as error:
                raise ImportFailed(
                    f"{self.address} does not answer as a CompreFace does. Check the address."
                ) from error
            if found.total_pages > MOST_PAGES:
                raise ImportFailed(f"{self.address} says that it has {found.total_pages:,} pages.")
            yield from found.faces
            page, pages = page + 1, found.total_pages

    def _photo(self, image_id: str) -> Opened:
        try:
            content = self._get(f"recognition/faces/{image_id}/img", MAX_PHOTO_BYTES + 1)
        except ImportFailed as error:
            raise UnreadablePhoto(str(error)) from error
        if not content:
            raise UnreadablePhoto(NO_PHOTO)
        return io.BytesIO(content)

    def _get(self, path: str, longest: int) -> bytes:
        """What an address answers, `longest` bytes of it at most; asked again where that may help.

        Raises ImportFailed.
        """
        problem = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(BACKOFF_S * 2 ** (attempt - 1))
            try:
                with self._client.stream("GET", path) as answer:
                    if answer.status_code in {401, 403}:
                        raise ImportFailed(
                            f"{self.address} does not accept the API key. Take that of a recognition service."
                        )
                    if answer.status_code == 200:
                        return _beginning(answer, longest)
                    problem = f"{self.address} answers with the status {answer.status_code}."
                    if answer.status_code not in BUSY:
                        break
            except httpx.HTTPError as error:
                problem = f"{self.address} does not answer: {str(error) or type(error).__name__}."
        raise ImportFailed(problem)


def _beginning(answer: httpx.Response, longest: int) -> bytes:
    content = bytearray()
    for piece in answer.iter_bytes():
        content += piece
        if len(content) >= longest:
            break
    return bytes(content[:longest])
