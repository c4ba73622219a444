"""urllib3's connections, with one deadline for all that an exchange waits for.

A socket's timeout starts again with every address and every byte: a name with many dead addresses,
or a receiver that sends a byte now and then, would hold a sender for hours. Here the name, the
connection, the request and the answer, head and body, have to be through by one moment.
"""

from __future__ import annotations

import errno
import functools
import io
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from http.client import HTTPResponse, parse_headers
from socket import SocketIO
from typing import TYPE_CHECKING, Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError

if TYPE_CHECKING:
    from typing_extensions import Buffer

_PIECE = 16 * 1024  # bytes; of TLS one record, after whose sending the time is looked at again


class Deadline:
    """By when the exchange that is under way has to be over, on the monotonic clock."""

    at = 0.0

    def left(self) -> float:
        """Seconds until then; raises TimeoutError where it has passed."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def connections(deadline: Deadline, *, secure: bool) -> type[HTTPConnection]:
    """A class of connections that keep to a deadline."""

    class Connection(HTTPSConnection if secure else HTTPConnection):  # type: ignore[misc] # either
        response_class = functools.partial(_Response, deadline=deadline)

        def _new_conn(self) -> socket.socket:
            # urllib3's own goes through the addresses with the whole timeout for each.
            try:
                return _connect(self._dns_host, self.port or self.default_port, deadline)
            except OSError as error:
                raise NewConnectionError(self, f"no connection: {error}") from error

        _parts: list[bytes] | None = None

        def request(self, *arguments: Any, **options: Any) -> None:
            """Send a request's head and body together: every packet wakes the receiver."""
            parts = self._parts = []
            try:
                super().request(*arguments, **options)
            finally:
                self._parts = None
            self.send(b"".join(parts))

        def send(self, data: Any) -> None:
            """Send bytes, in pieces where TLS would look at the time for each alone."""
            if self._parts is not None:
                self._parts.append(data)
                return
            if self.sock is None:
                self.connect()
            for start in range(0, len(data), _PIECE):
                self.sock.settimeout(deadline.left())
                self.sock.sendall(data[start : start + _PIECE])

    return Connection


def _connect(host: str, port: int, deadline: Deadline) -> socket.socket:
    """A connection to the first address of a name that answers; raises OSError.

    Each address gets its share of the time that is left.
    """
    addresses = _lookups.addresses(host, port, deadline)
    failure: OSError = OSError("the name has no address")
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        opened = socket.socket(family, kind, protocol)
        try:
            opened.settimeout(deadline.left() / (len(addresses) - number))
            opened.connect(address)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.settimeout(deadline.left())
        except OSError as error:
            opened.close()
            failure = error
        else:
            return opened
    raise failure


_Addresses = list[tuple[Any, Any, int, str, Any]]


class _Lookups:
    """Names that are being looked up, each in a thread: the system's resolver has its own patience.

    Whoever asks for a name that is under way waits for the same answer, so that a dead name server
    costs one thread for each name, not one for each POST.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[tuple[str, int], Future[_Addresses]] = {}

    def addresses(self, host: str, port: int, deadline: Deadline) -> _Addresses:
        """The addresses of a name; raises OSError, and TimeoutError at the deadline."""
        try:
            return _resolve(host, port, socket.AI_NUMERICHOST)
        except socket.gaierror:
            pass  # it is a name
        with self._lock:
            lookup = self._under_way.get((host, port))
            if lookup is None:
                lookup = self._under_way[host, port] = Future()
                self._begin(host, port, lookup)
        try:
            return lookup.result(deadline.left())
        except FutureTimeout:
            raise TimeoutError from None

    def _begin(self, host: str, port: int, lookup: Future[_Addresses]) -> None:
        try:
            threading.Thread(target=self._look_up, args=(host, port, lookup), daemon=True).start()
        except RuntimeError as error:  # no thread is left, for now
            del self._under_way[host, port]
            raise OSError("no thread to look the name up") from error

    def _look_up(self, host: str, port: int, lookup: Future[_Addresses]) -> None:
        try:
            found = _resolve(host, port, 0)
        except OSError as error:
            self._end(host, port, functools.partial(lookup.set_exception, error))
        else:
            self._end(host, port, functools.partial(lookup.set_result, found))

    def _end(self, host: str, port: int, tell: Callable[[], None]) -> None:
        with self._lock:
            del self._under_way[host, port]
        tell()


def _resolve(host: str, port: int, flags: int) -> _Addresses:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    except UnicodeError as error:  # a label of more than 63 characters
        raise OSError(errno.EINVAL, "not a host name") from error


_lookups = _Lookups()


class _Response(HTTPResponse):
    """An answer that has to be whole by the deadline. An interim one (1xx) is not the answer."""

    def __init__(
        self, sock: socket.socket, *arguments: Any, deadline: Deadline, **options: Any
    ) -> None:
        super().__init__(_Reading(sock, deadline), *arguments, **options)  # type: ignore[arg-type] # it makes a file of it, and nothing else

    def _read_status(self) -> tuple[str, int, str]:
        # http.client passes over 100 alone, and takes 103 (Early Hints) for the answer.
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc] # no stub
            if not 100 <= status < 200:
                return version, status, reason
            parse_headers(self.fp)


class _Reading:
    """A socket whose file reads until the deadline."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._socket = sock
        self._deadline = deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        """For http.client."""
        return io.BufferedReader(_Reader(self._socket, self._deadline))


class _Reader(io.RawIOBase):
    """Reads a socket until the deadline."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._socket = sock
        self._deadline = deadline
        self._raw: SocketIO = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Buffer) -> int | None:
        """Wait for bytes; raises TimeoutError where the time is over."""
        self._socket.settimeout(self._deadline.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Give the socket back to its connection."""
        self._raw.close()
        super().close()
