"""One request of a webhook: within a time, to an address that was checked after it was resolved.

The connection goes to the very IP address that was checked, so that a name which leads elsewhere a moment
later changes nothing. TLS is verified against the name. Redirects are answers like any other: not followed.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import cache
from types import TracebackType

import httpx

from portal.database import now
from portal.webhooks.addresses import is_public

# From the question for the name to the last line of the answer's head.
TIMEOUT_S = 10.0
# An address that does not take the connection leaves time for another one of the same name.
CONNECT_TIMEOUT_S = 5.0
# What a receiver says in its answer is of no use; a little of it is read so that the connection can be kept.
BODY_BYTES = 4096
BODY_TIMEOUT_S = 1.0
USER_AGENT = "Face-Portal-Webhooks/1"

# Name and port to IP addresses; raises OSError (UnicodeError) where there are none.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class Problem(StrEnum):
    """Why there was no answer."""

    NOT_HTTPS = "not_https"
    UNKNOWN_NAME = "unknown_name"
    PRIVATE_ADDRESS = "private_address"
    UNREACHABLE = "unreachable"
    CERTIFICATE = "certificate"
    TIMEOUT = "timeout"
    BROKEN_OFF = "broken_off"


@dataclass(frozen=True)
class Answer:
    """What came of a request: an HTTP status, or a problem."""

    status: int | None = None
    problem: Problem | None = None
    # How long the receiver asks to be left alone, in seconds.
    retry_after_s: float = 0.0

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Refused(Exception):
    """The request is not made, or can't be."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


async def resolve(name: str, port: int) -> Sequence[str]:
    """The IP addresses of a name, in the order in which the system would try them."""
    found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@cache
def certificates() -> ssl.SSLContext:
    """The authorities that are trusted: SSL_CERT_FILE or SSL_CERT_DIR where set, else those of certifi."""
    return httpx.create_ssl_context()


class Sender:
    """Sends to one endpoint, over a connection that is kept while the `async with` block lasts."""

    def __init__(
        self,
        *,
        private_allowed: bool,
        resolve: Resolve = resolve,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """private_allowed: whether inner addresses, and plain HTTP, are fine as well."""
        self._private_allowed, self._resolve, self._timeout_s = private_allowed, resolve, timeout_s
        self._client = httpx.AsyncClient(
            verify=certificates(),
            # A proxy would resolve the name again; a .netrc has nothing to do with it.
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s)),
            transport=transport,
        )

    async def __aenter__(self) -> Sender:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def send(self, address: str, body: str, headers: Mapping[str, str]) -> Answer:
        """Post a body once; the time is over after TIMEOUT_S, however slowly the receiver goes on."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._post(httpx.URL(address), body, headers)
        except Refused as refused:
            return Answer(problem=refused.problem)
        except (TimeoutError, httpx.TimeoutException):
            return Answer(problem=Problem.TIMEOUT)
        except httpx.TransportError:
            return Answer(problem=Problem.BROKEN_OFF)

    async def _post(self, url: httpx.URL, body: str, headers: Mapping[str, str]) -> Answer:
        for target in await self._targets(url):
            request = self._client.build_request(
                "POST",
                target,
                content=body.encode(),
                headers={
                    "Host": url.netloc.decode(),
                    "Content-Type": "application/json",
                    "User-Agent": USER_AGENT,
                    **headers,
                },
                extensions={"sni_hostname": url.raw_host.decode()},
            )
            try:
                response = await self._client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if any(isinstance(one, ssl.SSLCertVerificationError) for one in _causes(error)):
                    raise Refused(Problem.CERTIFICATE) from error
                continue
            try:
                return Answer(response.status_code, retry_after_s=_retry_after_s(response))
            finally:
                await _finish(response)
        raise Refused(Problem.UNREACHABLE)

    async def _targets(self, url: httpx.URL) -> list[httpx.URL]:
        """The address with each IP address in place of the name; all of them have been checked."""
        if url.scheme != "https" and not self._private_allowed:
            raise Refused(Problem.NOT_HTTPS)
        port = url.port or {"https": 443, "http": 80}[url.scheme]
        try:
            addresses = await self._resolve(url.raw_host.decode(), port)
        except (OSError, UnicodeError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise Refused(Problem.UNKNOWN_NAME) from error
        if not self._private_allowed and not all(is_public(address) for address in addresses):
            raise Refused(Problem.PRIVATE_ADDRESS)
        return [url.copy_with(host=address) for address in addresses]


async def _finish(response: httpx.Response) -> None:
    """Read what little a receiver says, so that the connection can be used again; else it is closed."""
    with suppress(TimeoutError, httpx.TransportError):
        async with asyncio.timeout(BODY_TIMEOUT_S):
            read = 0
            async for piece in response.aiter_raw():
                read += len(piece)
                if read > BODY_BYTES:
                    break
    with suppress(httpx.TransportError):
        await response.aclose()


def _retry_after_s(response: httpx.Response) -> float:
    """What a busy receiver asks for (RFC 9110, 10.2.3), in seconds; 0 if nothing that makes sense."""
    if response.status_code not in (429, 503):
        return 0.0
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, (_in_utc(parsedate_to_datetime(text)) - now()).total_seconds())
    except (ValueError, OverflowError):
        return 0.0


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
