"""One request: to checked addresses only, within its time, whatever the receiver does."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from datetime import timedelta
from email.utils import format_datetime

import httpx
import pytest
import trustme

from portal.database import now
from portal.webhooks import sending
from portal.webhooks.sending import Answer, Problem, Sender
from tests.run.own_thread import in_own_thread
from tests.run.receivers import answer, receiver

HEADERS = {"webhook-id": "evt_1"}
# Long enough for a busy machine to answer at once, short enough to be waited for.
SHORT_S = 1.0


def send(address: str, *, private_allowed: bool = True, timeout_s: float = sending.TIMEOUT_S) -> Answer:
    async def once() -> Answer:
        async with Sender(private_allowed=private_allowed, timeout_s=timeout_s) as sender:
            return await sender.send(address, "{}", HEADERS)

    return in_own_thread(lambda: asyncio.run(once()))


def test_what_arrives_is_the_body_with_its_headers() -> None:
    with receiver() as one:
        assert send(one.address) == Answer(204)
        (came,) = one.received
    assert (came.path, came.body) == ("/hooks", b"{}")
    assert came.headers["webhook-id"] == "evt_1"
    assert came.headers["Content-Type"] == "application/json"
    assert one.address == f"http://{came.headers['Host']}/hooks"


def test_a_redirect_is_an_answer_and_nobody_follows_it() -> None:
    with receiver() as inside, receiver(answer(302, Location=inside.address)) as one:
        assert send(one.address) == Answer(302)
        assert not inside.received


@pytest.mark.parametrize("behaviour", ["wait", "trickle"])
def test_who_is_too_slow_is_not_waited_for(behaviour: str) -> None:
    with receiver() as one:
        one.always = getattr(one, behaviour)
        assert send(one.address, timeout_s=SHORT_S) == Answer(problem=Problem.TIMEOUT)


def test_an_answer_counts_however_long_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "BODY_TIMEOUT_S", 0.2)
    with receiver(answer(200, b"x" * 10_000_000)) as one:
        assert send(one.address).is_success
    with receiver() as one:

        def never_ending(handler: object, came: object) -> None:
            answer(200, Transfer_Encoding="chunked")(handler, came)  # type: ignore[arg-type]
            one.over.wait()

        one.always = never_ending
        assert send(one.address).is_success


def test_what_breaks_off_and_what_is_not_there_are_told() -> None:
    with receiver(lambda handler, _: handler.connection.shutdown(socket.SHUT_RDWR)) as one:
        assert send(one.address) == Answer(problem=Problem.BROKEN_OFF)
    assert send(one.address) == Answer(problem=Problem.UNREACHABLE)
    assert send("http://no-such-name.invalid/") == Answer(problem=Problem.UNKNOWN_NAME)


@pytest.mark.parametrize(
    ("status", "asked", "seconds"),
    [
        (503, "120", 120),
        (429, "in an hour", 3600),
        (503, "soon", 0),
        (503, "Fri, 31 Dec 99999999999999999999 00:00:00 GMT", 0),
        (503, "-5", 0),
        (500, "120", 0),
    ],
)
def test_a_busy_receiver_says_how_long(status: int, asked: str, seconds: float) -> None:
    if asked == "in an hour":
        asked = format_datetime(now() + timedelta(hours=1))
    with receiver(answer(status, Retry_After=asked)) as one:
        assert send(one.address).retry_after_s == pytest.approx(seconds, abs=60)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "0x7f000001", "[::ffff:127.0.0.1]"])
def test_inner_addresses_are_refused_however_they_are_written(host: str) -> None:
    with receiver() as one:
        port = one.address.rpartition(":")[2]
        address = f"https://{host}:{port}"
        assert send(address, private_allowed=False) == Answer(problem=Problem.PRIVATE_ADDRESS)
        assert send(one.address, private_allowed=False) == Answer(problem=Problem.NOT_HTTPS)
        assert not one.received


def test_a_name_is_resolved_once_and_only_what_was_checked_is_connected_to() -> None:
    asked, requests = list[str](), list[httpx.Request]()

    async def rebinding(name: str, port: int) -> Sequence[str]:
        asked.append(f"{name}:{port}")
        return ["93.184.216.34"] if len(asked) == 1 else ["127.0.0.1"]

    def take(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, stream=httpx.ByteStream(b""))

    async def twice() -> list[Answer]:
        transport = httpx.MockTransport(take)
        async with Sender(private_allowed=False, resolve=rebinding, transport=transport) as sender:
            return [await sender.send("https://example.org/hooks", "{}", HEADERS) for _ in range(2)]

    assert in_own_thread(lambda: asyncio.run(twice())) == [
        Answer(200),
        Answer(problem=Problem.PRIVATE_ADDRESS),
    ]
    assert asked == ["example.org:443"] * 2
    (request,) = requests
    assert str(request.url) == "https://93.184.216.34/hooks"
    assert request.headers["Host"] == "example.org"
    assert request.extensions["sni_hostname"] == "example.org"


def test_one_inner_address_among_others_is_enough_to_refuse() -> None:
    async def both(name: str, port: int) -> Sequence[str]:
        return ["93.184.216.34", "10.0.0.1"]

    async def once() -> Answer:
        transport = httpx.MockTransport(lambda _: httpx.Response(200))
        async with Sender(private_allowed=False, resolve=both, transport=transport) as sender:
            return await sender.send("https://example.org/", "{}", HEADERS)

    assert in_own_thread(lambda: asyncio.run(once())) == Answer(problem=Problem.PRIVATE_ADDRESS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("receiver.example", Answer(204)), ("other.example", Answer(problem=Problem.CERTIFICATE))],
)
def test_the_certificate_is_that_of_the_name_and_not_of_the_ip_address(
    name: str, expected: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, served = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("receiver.example").configure_cert(served)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    monkeypatch.setattr(sending, "certificates", lambda: trusting)

    async def here(name: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    async def once(address: str) -> Answer:
        async with Sender(private_allowed=True, resolve=here) as sender:
            return await sender.send(address, "{}", HEADERS)

    with receiver(tls=served) as one:
        assert in_own_thread(lambda: asyncio.run(once(one.address.replace("127.0.0.1", name)))) == expected
        assert len(one.received) == (1 if expected.is_success else 0)


def test_an_unknown_authority_is_not_trusted() -> None:
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(served)
    with receiver(tls=served) as one:
        assert send(one.address) == Answer(problem=Problem.CERTIFICATE)
