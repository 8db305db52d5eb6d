"""What is tried again, what is not, and that a POST stays one act however often it is sent."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from portal_client.calls import Call
from portal_client.operations.people import get_person
from portal_client.sending import Sending

from portal_client import Conflict, NotFound, Retries, ServerError, TooManyRequests, Unreachable
from tests.portal_client.answers import FOUND, PERSON, problem
from tests.portal_client.conftest import Both
from tests.run.scripted_server import HANG_UP, Reply, ScriptedServer

DONE = Reply(201, PERSON)


@pytest.mark.parametrize("trouble", [HANG_UP, *(problem(status) for status in (429, 502, 503, 504))])
def test_what_passes_is_tried_again(server: ScriptedServer, client: Both, trouble: Reply) -> None:
    server.answers(trouble, trouble, FOUND)
    assert client.call("get_person", 7).name == "Anna Berg"
    assert len(server.asked) == 3


@pytest.mark.parametrize("trouble", [HANG_UP, problem(503)])
def test_a_post_has_the_same_key_each_time_and_another_one_the_next_time(
    server: ScriptedServer, client: Both, trouble: Reply
) -> None:
    server.answers(trouble, trouble, DONE)
    client.call("enrol_person", "A-7", "Anna Berg", b"photo")
    first = {asked.headers["Idempotency-Key"] for asked in server.asked}
    assert len(server.asked) == 3
    assert len(first) == 1
    assert len({_content(asked.body) for asked in server.asked}) == 1
    server.answers(DONE)
    client.call("enrol_person", "A-7", "Anna Berg", b"photo")
    assert server.asked[0].headers["Idempotency-Key"] not in first


def _content(body: bytes) -> bytes:
    """A form without its boundary, which differs."""
    boundary, _, _ = body.partition(b"\r\n")
    return body.replace(boundary, b"")


def test_only_a_post_has_a_key(server: ScriptedServer, client: Both) -> None:
    server.answers(FOUND)
    client.call("get_person", 7)
    client.call("change_person", 7, name="Anna Borg")
    assert [asked.headers.get("Idempotency-Key") for asked in server.asked] == [None, None]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 413, 422, 500])
def test_a_refusal_is_not_tried_again(server: ScriptedServer, client: Both, status: int) -> None:
    server.answers(problem(status))
    with pytest.raises(Exception, match=f"{status} Refused: No."):
        client.call("get_person", 7)
    assert len(server.asked) == 1


def test_an_end_comes_to_all_attempts(server: ScriptedServer, client: Both) -> None:
    server.answers(problem(503, "No worker was free."))
    with pytest.raises(ServerError, match="No worker was free"):
        client.call("get_person", 7)
    assert len(server.asked) == 3
    server.answers(HANG_UP)
    with pytest.raises(Unreachable, match="GET /people/7"):
        client.call("get_person", 7)
    assert len(server.asked) == 3


def test_a_request_whose_first_one_still_runs_is_asked_for_again(
    server: ScriptedServer, client: Both
) -> None:
    running = Reply(409, {"title": "Conflict", "detail": "Still running."}, {"Retry-After": "0"})
    server.answers(running, DONE)
    assert client.call("add_photos", 7, b"photo").id == 7
    server.answers(problem(409))
    with pytest.raises(Conflict):
        client.call("add_photos", 7, b"photo")
    assert len(server.asked) == 1


def test_a_deletion_that_was_done_before_its_answer_was_lost_is_done(
    server: ScriptedServer, client: Both
) -> None:
    server.answers(HANG_UP, problem(404))
    client.call("remove_person", 7)
    server.answers(problem(503), problem(404))
    with pytest.raises(NotFound):
        client.call("remove_person", 7)


def test_the_portals_wish_is_waited_for(
    server: ScriptedServer, client: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("portal_client.aio.asyncio.sleep", wait)
    monkeypatch.setattr("portal_client.client.time", _Clock(waited))
    server.answers(Reply(429, {}, {"Retry-After": "7"}), FOUND)
    client.call("get_person", 7)
    assert waited == [7]


class _Clock:
    def __init__(self, waited: list[float]) -> None:
        self.sleep = waited.append


def test_a_wish_that_is_too_long_ends_the_call(server: ScriptedServer, client: Both) -> None:
    server.answers(Reply(429, {"detail": "Too many requests."}, {"Retry-After": "3600"}), FOUND)
    with pytest.raises(TooManyRequests, match="Too many requests"):
        client.call("get_person", 7)


def test_a_stream_that_cannot_be_rewound_is_sent_once(server: ScriptedServer, client: Both) -> None:
    class Pipe(io.RawIOBase):
        content = io.BytesIO(b"photo")

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            return self.content.readinto(buffer)

    server.answers(problem(503), DONE)
    with pytest.raises(ServerError):
        client.call("enrol_person", "A-7", "Anna Berg", Pipe())
    assert len(server.asked) == 1
    assert b"\r\n\r\nphoto\r\n" in server.asked[0].body


def test_waits_grow_and_are_never_all_the_same() -> None:
    retries = Retries(first_s=1, longest_s=8)
    for attempt, longest in ((1, 1), (2, 2), (3, 4), (4, 8), (9, 8)):
        waits = {retries.wait_s(attempt) for _ in range(20)}
        assert longest / 2 <= min(waits) < max(waits) <= longest


def test_a_wish_may_be_a_date() -> None:
    call: Call[Any] = get_person(7)
    sending = Sending(call, Retries(first_s=0.001), 30)
    with sending.attempt():
        pass
    moment = datetime.now(UTC) + timedelta(seconds=40)
    wait_s = sending.wait_after_answer(
        httpx.Response(503, headers={"Retry-After": format_datetime(moment, usegmt=True)})
    )
    assert wait_s is not None
    assert 30 < wait_s <= 40
    # A word that is none of both is passed over.
    wait_s = sending.wait_after_answer(httpx.Response(503, headers={"Retry-After": "soon"}))
    assert wait_s is not None
    assert wait_s <= 0.001


def test_an_address_where_nobody_listens_is_told() -> None:
    for is_async in (False, True):
        with pytest.raises(Unreachable, match="GET /people/7"):
            Both("http://127.0.0.1:9", is_async=is_async).call("get_person", 7)
