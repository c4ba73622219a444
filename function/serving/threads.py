"""The process that serves the Flask application under gunicorn: threads for whole requests.

gunicorn's own gives a thread to each new connection, where it waits for the request: as many idle
or slow clients as there are threads keep everybody waiting, probes included. Here a thread reads
what is there. Where that is not a whole request, the connection goes back to the main thread, which
waits for more. Requests with a large body, or one of unknown length, have half of the threads.
"""

from __future__ import annotations

import selectors
import socket
import struct
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.http import errors
from gunicorn.workers import gthread

from function import bounds, replies
from function.bounds import TIME_TO_COME
from function.errors import HeadTooLarge
from function.replies import Reply
from function.serving.endpoints import QUICK

_UNREAD = 10  # seconds for a client to read on, some times over while parts of an answer go
_LINGER = 2.0  # seconds for a client to close a connection after the last answer
_PIECE = 64 * 1024  # bytes that are read at once
_DIGITS = 9  # of a length that is looked at; more is large, or not a number
# How long such a body is when it is read, or when it will come, its length does not tell.
_UNKNOWN = (b"\r\ntransfer-encoding:", b"\r\ncontent-encoding:", b"\r\nexpect:")
_STATUSES = {errors.LimitRequestLine: 414, errors.UnsupportedTransferCoding: 501}


class Connection(gthread.TConn):  # type: ignore[misc] # gunicorn has no types
    """A client's connection, and what has come of its next request."""

    def __init__(self, *arguments: Any) -> None:
        """As gunicorn makes it."""
        super().__init__(*arguments)
        self.received = b""
        self.needed: int | None = None  # bytes of the request, when its head is there
        self.since = 0.0  # when the request began
        self.has_ended = False  # the client sends no more
        self.is_large = False  # a thread has the request, whose body may still come
        self.is_put_off_to: Callable[[Connection], None] | None = None
        self.lingers = False  # nothing is sent any more
        # A client that does not read its answers does not keep a thread for ever.
        limit = struct.pack("ll", _UNREAD, 0)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def receive(self) -> None:
        """Read what is there."""
        if not self.received:
            self.since = time.monotonic()
        if self.parser is not None and self.parser.unreader.buf.tell():  # read ahead
            self.received += self.parser.unreader.take_buffered()
        try:
            data = self.sock.recv(_PIECE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.received = self.received + data if self.received else data
        self.has_ended = not data

    def hand_over(self) -> None:
        """Let gunicorn read what has come."""
        self.init()
        self.parser.unreader.unread(self.received)
        self.received = b""
        self.needed = None

    def put_off(self, to: Callable[[Connection], None]) -> bool:
        """Go on in the main thread, later."""
        self.is_put_off_to = to
        return False

    def close(self, graceful: bool = False) -> None:
        """Close it; gracefully, the worker closes it when the client has."""
        if graceful:
            with suppress(OSError):
                self.sock.setblocking(False)
                self.sock.shutdown(socket.SHUT_WR)
                self.lingers = True
                return
        super().close()


gthread.TConn = Connection  # what gunicorn makes of an accepted connection


class Worker(gthread.ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's worker with threads, which no client keeps from others."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """As gunicorn makes it."""
        super().__init__(*arguments, **options)
        self._large: list[Connection] = []  # requests that threads have
        self._waiting: list[Connection] = []  # those that wait for such a thread
        self._lingering: list[Connection] = []

    def handle(self, conn: Connection) -> object:
        """Read what a client has sent, in a thread; and go on where that is a request."""
        if self.cfg.is_ssl or conn.is_large:
            return super().handle(conn)
        conn.receive()
        end = conn.received.find(b"\r\n\r\n") if conn.needed is None else 0
        try:
            bounds.require_short_head(len(conn.received) if end < 0 else end)
        except HeadTooLarge as error:
            self._refuse(conn.sock, replies.refusal([error]))
            return False
        if end > 0:
            length = _body_length(conn.received[: end + 2])
            if length is None:
                return conn.put_off(self._take_large)
            conn.needed = end + 4 + length
        if conn.needed is not None and len(conn.received) >= conn.needed:
            conn.hand_over()
            return super().handle(conn)
        return False if conn.has_ended else conn.put_off(self._wait)

    def finish_request(self, conn: Connection, fs: Future[Any]) -> None:
        """A thread is done with a request, or has found that it has not come yet."""
        if put_off := conn.is_put_off_to:
            conn.is_put_off_to = None
            put_off(conn)
            return
        if conn.is_large:
            conn.is_large = False
            self._large.remove(conn)
            self._start_large()
        super().finish_request(conn, fs)
        if conn.lingers:
            conn.timeout = time.monotonic() + _LINGER
            self._lingering.append(conn)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._drain, conn))

    def murder_pending(self) -> None:
        """Let go of clients that have had their time; gunicorn calls it each second."""
        now = time.monotonic()
        for conn in [*self.pending_conns]:
            # At the end nobody waits for who has sent nothing.
            if conn.timeout < now or not (self.alive or conn.received):
                self.pending_conns.remove(conn)
                self.poller.unregister(conn.sock)
                self._leave(conn)
        for conn in [*self._waiting]:
            if conn.since < now - TIME_TO_COME:
                self._waiting.remove(conn)
                self._leave(conn)
        for conn in self._large:
            if conn.since < now - TIME_TO_COME:
                with suppress(OSError):
                    conn.sock.shutdown(socket.SHUT_RD)  # its thread hears that nothing more comes
        for conn in [*self._lingering]:
            if conn.timeout < now:
                self._end(conn)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer what cannot be read as the function answers, instead of in HTML."""
        if not isinstance(exc, errors.ParseException):
            super().handle_error(req, client, addr, exc)
        elif isinstance(exc, errors.LimitRequestHeaders):
            self._refuse(client, replies.refusal([HeadTooLarge(str(exc))]))
        else:
            self._refuse(client, replies.not_http(str(exc), _STATUSES.get(type(exc), 400)))

    def _keepalive_after(self, conn: Connection, keepalive: object) -> bool:
        """Whether the connection can be used again: not where the rest of a body is broken."""
        try:
            return bool(super()._keepalive_after(conn, keepalive))
        except errors.ParseException:  # the request has its answer
            return False

    def _wait(self, conn: Connection) -> None:
        """Wait for more of a request, without a thread."""
        conn.timeout = conn.since + TIME_TO_COME
        self.pending_conns.append(conn)
        callback = partial(self.on_pending_socket_readable, conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, callback)

    def _take_large(self, conn: Connection) -> None:
        self._waiting.append(conn)
        self._start_large()

    def _start_large(self) -> None:
        """Begin with the next request of a large body, where there is a thread for it."""
        if self._waiting and len(self._large) < max(1, self.cfg.threads // 2):
            conn = self._waiting.pop(0)
            conn.is_large = True
            conn.since = time.monotonic()
            self._large.append(conn)
            conn.hand_over()
            self.enqueue_req(conn)

    def _drain(self, conn: Connection, _client: socket.socket) -> None:
        """Read what a client still sends after its last answer, until it closes."""
        try:
            if conn.sock.recv(_PIECE):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._end(conn)

    def _end(self, conn: Connection) -> None:
        self._lingering.remove(conn)
        self.poller.unregister(conn.sock)
        conn.close()

    def _leave(self, conn: Connection) -> None:
        self.nr_conns -= 1
        conn.close()

    def _refuse(self, client: socket.socket, reply: Reply) -> None:
        """Answer what the application does not get."""
        self.wsgi.extensions["function"].tell(reply, {})
        with suppress(OSError):
            client.sendall(replies.closing(reply))


def _body_length(head: bytes) -> int | None:
    """How long a body is; None where it is large, or its length does not tell."""
    fields = head.lower()
    for field in _UNKNOWN:
        if field in fields:
            return None
    _, field, rest = fields.partition(b"\r\ncontent-length:")
    if not field:
        return 0
    digits = rest[: rest.index(b"\r\n")].strip()
    if not digits.isdigit() or len(digits) > _DIGITS:
        return None
    return length if (length := int(digits)) <= QUICK else None
