"""The address of the portal: taken before anything starts, and kept while the web server is restarted."""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
from types import TracebackType

BACKLOG = 1024
# What moves is not cut, however slowly; what has stopped gives its thread back. Sending takes longer to be
# seen moving: the system tells of it only when a good part of its buffer is free again.
SILENT_FOR_S = 20
NOT_READING_FOR_S = 60
# For each connection, which Linux doubles. A page goes in whole, so no thread waits until it is read.
SEND_BUFFER_BYTES = 192 * 1024


class ListenError(RuntimeError):
    """The address can't be used; the message says what to do."""


class Listener:
    """A listening socket that is handed to the web server: at no moment can another program get the port."""

    def __init__(self, host: str, port: int) -> None:
        """Listen. `port` is 0…65535, 0 for any that is free. Raises ListenError."""
        try:
            self._socket = _listen(host, port)
        except OSError as error:
            raise ListenError(_what_to_do(host, port, error)) from error
        self.host, self.port = self._socket.getsockname()[:2]

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def descriptor(self) -> int:
        return self._socket.fileno()

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return ipaddress.ip_address(self.host).is_loopback

    @property
    def own_host(self) -> str:
        """The address by which this machine reaches it."""
        address = ipaddress.ip_address(self.host)
        if not address.is_unspecified:
            return str(address)
        return "127.0.0.1" if address.version == 4 else "::1"

    @property
    def url(self) -> str:
        host = f"[{self.own_host}]" if ":" in self.own_host else self.own_host
        return f"http://{host}:{self.port}"

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()


def _listen(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections inherit these.
        for timeout, seconds in ((socket.SO_RCVTIMEO, SILENT_FOR_S), (socket.SO_SNDTIMEO, NOT_READING_FOR_S)):
            listener.setsockopt(socket.SOL_SOCKET, timeout, struct.pack("ll", seconds, 0))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _what_to_do(host: str, port: int, error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine. --host 127.0.0.1 serves this machine alone."
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} of {host} is in use by another program. Stop that program, or choose another port: "
            f"portal up --port {port + 1 if port < 65535 else port - 1}"
        )
    if error.errno == errno.EACCES:
        return (
            f"Port {port} needs more rights than this user has. Choose one above 1023, such as --port 8000."
        )
    return f"The portal can't listen on {host}, port {port}: {error.strerror}."
