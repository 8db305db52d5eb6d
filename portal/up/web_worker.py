"""Gunicorn's worker of threads, made safe from clients that take their time.

A connection costs no thread until the head of its request has come, and none after its answer is sent: the
main loop waits for both. Threads are for requests, and how many of these may be slow is limited
(http/holding.py).

Where this departs from gunicorn.workers.gthread, which it is written against: there a new connection holds a
thread for five seconds until something comes and then until the head is whole, what is left of a body that
nobody read is waited for in a thread, and the main loop waits up to two seconds for each client to hang up.
"""

from __future__ import annotations

import errno
import selectors
import socket
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from gunicorn import http
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn, ThreadWorker

from portal import waiting
from portal.http.bodies import refuse_if_late

END_OF_HEAD = b"\r\n\r\n"
ACCEPTED_TOGETHER = 64
READ_BYTES = 64 * 1024
# Longer than any that a browser or a program sends; a longer one is refused here, without a thread.
HEAD_BYTES = 64 * 1024
HEAD_TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0" + END_OF_HEAD
)
# When files or memory for one more connection are short.
ACCEPT_AGAIN_S = 0.1
# A head has so long to come, and a connection to be used again.
HEAD_S = 20.0
# So many connections may be there without a thread; then the one that has been silent longest makes way.
MOST_WITHOUT_THREAD = 3000
# What a client still sends when it has been answered is thrown away for so long, and so much of it: closed at
# once, the connection would be reset, and the answer lost (RFC 9112, 9.6).
LEAVING_S = 30.0
LEAVING_BYTES = 16 * 1024**2
# What is left of a body is here already, or the connection is not used again.
REST_OF_BODY_S = 0.05


class Unreader(SocketUnreader):  # type: ignore[misc]
    """What comes on a connection. Gunicorn waits for many pieces in one read: each asks if it is late."""

    def chunk(self, size_hint: int | None = None) -> bytes:
        refuse_if_late()
        return bytes(super().chunk(size_hint))


class Worker(ThreadWorker):  # type: ignore[misc]
    """See above. Connections are never TLS: a proxy in front does that."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Answered, and not closed yet; the oldest first.
        self._leaving: deque[TConn] = deque()
        # Who makes way first.
        self._without_thread = (self.keepalived_conns, self.pending_conns, self._leaving)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop: what only waits for work is answered now."""
        super().handle_exit(sig, frame)
        waiting.end_all()

    def accept(self, listener: socket.socket) -> None:
        """Take new connections, without a thread: as many as there are, as many may come together."""
        for _ in range(ACCEPTED_TOGETHER):
            try:
                client, address = listener.accept()
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED):
                    self.log.error("A connection could not be taken: %s", error)
                    time.sleep(ACCEPT_AGAIN_S)
                return
            self.nr_conns += 1
            conn = TConn(self.cfg, client, address, listener.getsockname())
            with self._survived(conn):
                self._await_head(conn, b"")

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """One round of the main loop; no connection ends it."""
        for key, _ in self.poller.select(timeout):
            # A callback before may have closed it, and its number may be that of a new one.
            if self.poller.get_map().get(key.fd) is key:
                with self._survived(*getattr(key.data, "args", (None,))):
                    key.data(key.fileobj)
        self._make_room()

    @contextmanager
    def _survived(self, conn: TConn | None) -> Iterator[None]:
        """Log what goes wrong with a connection, and drop that one alone."""
        try:
            yield
        except Exception:
            self.log.exception("The main loop could not go on with a connection.")
            if conn is not None:
                self._drop(conn)

    def _drop(self, conn: TConn) -> None:
        for waiting_ones in self._without_thread:
            with suppress(ValueError):
                waiting_ones.remove(conn)
        with suppress(KeyError, ValueError):
            self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    def _make_room(self) -> None:
        while sum(map(len, self._without_thread)) > MOST_WITHOUT_THREAD:
            self._forget(next(filter(None, self._without_thread)).popleft())

    def on_client_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        """The next request on a connection begins."""
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._await_head(conn, b"")

    def _await_head(self, conn: TConn, head: bytes) -> None:
        conn.head = bytearray(head)
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + HEAD_S
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._read_head, conn))
        if END_OF_HEAD in conn.head:
            self._handle_request_of(conn)

    def _read_head(self, conn: TConn, client: socket.socket) -> None:
        piece = _read(client)
        if piece is None:
            return
        conn.head += piece
        if not piece:
            self.pending_conns.remove(conn)
            self._forget(conn)
        elif END_OF_HEAD in conn.head:
            self._handle_request_of(conn)
        elif len(conn.head) > HEAD_BYTES:
            self._refuse_head(conn)

    def _refuse_head(self, conn: TConn) -> None:
        self.poller.unregister(conn.sock)
        self.pending_conns.remove(conn)
        with suppress(OSError):  # it is gone, or reads nothing
            conn.sock.send(HEAD_TOO_LONG)
        self._await_end(conn)

    def _handle_request_of(self, conn: TConn) -> None:
        """Give the connection a thread."""
        self.poller.unregister(conn.sock)
        self.pending_conns.remove(conn)
        if conn.parser is None:
            conn.parser = http.get_parser(self.cfg, conn.sock, conn.client)
            conn.parser.unreader = Unreader(conn.sock)
        conn.parser.unreader.unread(bytes(conn.head))
        conn.data_ready = True
        self.enqueue_req(conn)

    def handle_request(self, req: Any, conn: TConn) -> bool:
        """In a thread: answer a request; returns whether the connection can be used again."""
        try:
            return bool(super().handle_request(req, conn))
        except BlockingIOError:  # the listener's SO_SNDTIMEO
            self.log.info("A client stopped reading its answer.")
            return False

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:
        return keepalive and bool(conn.parser.finish_body(deadline=time.monotonic() + REST_OF_BODY_S))

    def finish_request(self, conn: TConn, fs: Future[bool]) -> None:
        """Back in the main loop: wait for the next request, or for the client to hang up."""
        with self._survived(conn):
            if fs.cancelled() or fs.exception() is not None or not fs.result():
                self._await_end(conn)
            elif rest := conn.parser.unreader.take_buffered():
                self._await_head(conn, rest)
            else:
                super().finish_request(conn, fs)

    def _await_end(self, conn: TConn) -> None:
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:  # it is gone already
            self.nr_conns -= 1
            conn.close()
            return
        conn.timeout, conn.thrown_away = time.monotonic() + LEAVING_S, 0
        self._leaving.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._throw_away, conn))

    def _throw_away(self, conn: TConn, client: socket.socket) -> None:
        piece = _read(client)
        if piece is None:
            return
        conn.thrown_away += len(piece)
        if not piece or conn.thrown_away > LEAVING_BYTES:
            self._leaving.remove(conn)
            self._forget(conn)

    def murder_pending(self) -> None:
        """Close connections whose time is over."""
        for waiting_ones in (self.pending_conns, self._leaving):
            while waiting_ones and waiting_ones[0].timeout <= time.monotonic():
                self._forget(waiting_ones.popleft())

    def _cap_keepalive(self, deadline: float) -> None:
        super()._cap_keepalive(deadline)
        for conn in (*self.pending_conns, *self._leaving):
            conn.timeout = min(conn.timeout, deadline)

    def _forget(self, conn: TConn) -> None:
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()


def _read(client: socket.socket) -> bytes | None:
    """What has come; None if nothing has, nothing at the end."""
    try:
        return client.recv(READ_BYTES)
    except BlockingIOError:
        return None
    except OSError:
        return b""
