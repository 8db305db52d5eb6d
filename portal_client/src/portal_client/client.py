"""The client for programs without async."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

import httpx

from portal_client.calls import Call, Listing
from portal_client.connection import TIMEOUT_S, connection_options
from portal_client.methods import method_like
from portal_client.operations import batches, duplicates, faces, figures, people, photos, searches
from portal_client.sending import Retries, Sending

P = ParamSpec("P")
T = TypeVar("T")


def _method(operation: Callable[P, Call[T]]) -> Callable[Concatenate[Client, P], T]:
    @method_like(operation)
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._send(operation(*args, **kwargs))

    return method


def _list(operation: Callable[P, Listing[T]]) -> Callable[Concatenate[Client, P], Iterator[T]]:
    @method_like(operation)
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return self._items(operation(*args, **kwargs))

    return method


class Client:
    """A connection to a portal, with one organization's API key. Threads may share it."""

    def __init__(
        self, url: str, key: str, *, timeout_s: float = TIMEOUT_S, retries: Retries | None = None
    ) -> None:
        """url: where the portal is, without /api/v1. timeout_s: of connecting and of each read and write."""
        self._http = httpx.Client(**connection_options(url, key))
        self._timeout_s, self._retries = timeout_s, retries or Retries()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, call: Call[T]) -> T:
        sending = Sending(call, self._retries, self._timeout_s)
        while True:
            try:
                with sending.attempt() as arguments:
                    response = self._http.request(**arguments)
            except httpx.RequestError as error:
                time.sleep(sending.wait_after_error(error))
                continue
            wait_s = sending.wait_after_answer(response)
            if wait_s is None:
                return sending.result(response)
            time.sleep(wait_s)

    def _items(self, listing: Listing[T]) -> Iterator[T]:
        cursor = None
        while True:
            page = self._send(listing.page(cursor))
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return

    list_people = _list(people.list_people)
    enrol_person = _method(people.enrol_person)
    get_person = _method(people.get_person)
    change_person = _method(people.change_person)
    remove_person = _method(people.remove_person)
    add_photos = _method(people.add_photos)
    verify_person = _method(people.verify_person)
    get_photo = _method(photos.get_photo)
    get_photo_content = _method(photos.get_photo_content)
    delete_photo = _method(photos.delete_photo)
    choose_main_face = _method(photos.choose_main_face)
    create_search = _method(searches.create_search)
    create_searches = _method(searches.create_searches)
    get_search = _method(searches.get_search)
    detect_faces = _method(faces.detect_faces)
    compare_faces = _method(faces.compare_faces)
    list_batches = _list(batches.list_batches)
    start_batch = _method(batches.start_batch)
    get_batch = _method(batches.get_batch)
    send_manifest = _method(batches.send_manifest)
    announce_files = _method(batches.announce_files)
    end_announcing = _method(batches.end_announcing)
    send_photos = _method(batches.send_photos)
    announce_archive = _method(batches.announce_archive)
    send_piece = _method(batches.send_piece)
    list_batch_items = _list(batches.list_batch_items)
    decide_batch = _method(batches.decide_batch)
    list_pairs = _list(duplicates.list_pairs)
    get_pair = _method(duplicates.get_pair)
    decide_pair = _method(duplicates.decide_pair)
    list_scans = _method(duplicates.list_scans)
    start_scan = _method(duplicates.start_scan)
    get_scan = _method(duplicates.get_scan)
    cancel_scan = _method(duplicates.cancel_scan)
    get_statistics = _method(figures.get_statistics)
    get_scores = _method(figures.get_scores)
