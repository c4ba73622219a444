"""One CloudEvent as one HTTP request, header for header as KafkaSource's dispatcher sends it.

Mirrors eventing-kafka-broker WebClientCloudEventSender.java and the Vert.x web client below it:
binary content mode, HTTP/1.1 with keep-alive, exact content-length, and no content-type unless
the record has one.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from local.kafkasource.event import Event

_USER_AGENT = "Vert.x-WebClient/4.5.27"
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_IDLE = 10_000.0  # seconds that the dispatcher lets a body stall, once the head is there


class TransportError(Exception):
    """There is no HTTP answer: refused, reset, timed out, or a header that cannot be written."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sink answered."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Sink:
    """The sink's URL, and the connections to it that are open; any thread may `post`."""

    def __init__(self, url: str, namespace: str, timeout: float) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"the sink is not an http:// URL: {url!r}")
        self.url = url
        self._host, self._port = parts.hostname, parts.port or 80
        self._authority = _authority(parts.hostname, self._port)
        self.target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._namespace = namespace
        self._timeout = timeout
        self._idle: list[HTTPConnection] = []
        self._all: set[HTTPConnection] = set()
        self._lock = threading.Lock()
        self._closed = False

    def post(self, event: Event) -> Answer:
        """Sends the event once. Raises TransportError if no complete answer comes back."""
        connection = self._take()
        try:
            answer = self._exchange(connection, event)
        except (OSError, HTTPException, ValueError) as error:
            self._discard(connection)
            raise TransportError(f"{type(error).__name__}: {error}") from error
        self._give_back(connection)
        return answer

    def headers(self, event: Event) -> Iterator[tuple[str, str]]:
        """All headers of the event's request, in the order in which they are sent."""
        yield "user-agent", _USER_AGENT
        yield "Prefer", "reply"
        yield "Kn-Namespace", self._namespace
        yield from event.headers("ce-")
        yield from event.traces
        if event.data is not None:
            yield "content-length", str(len(event.data))
        yield "host", self._authority

    def close(self) -> None:
        """Closes every connection, also under a request that waits for its answer."""
        with self._lock:
            self._closed = True
            everyone, idle = list(self._all), self._idle
            self._idle = []
        for connection in everyone:
            _wake(connection.sock)
        for connection in idle:  # the others are closed by the threads that use them
            connection.close()

    def _exchange(self, connection: HTTPConnection, event: Event) -> Answer:
        if not connection.sock:
            connection.connect()
        # Looked at after connecting, so that `close` either finds the socket or is seen here.
        if self._closed:
            raise ConnectionAbortedError("the source is closed")
        connection.putrequest("POST", self.target, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers(event):
            connection.putheader(name, _encoded(name, value))
        connection.endheaders(event.data)
        response = connection.getresponse()
        if connection.sock:  # else the answer said that the connection closes after it
            connection.sock.settimeout(_IDLE)
        return Answer(response.status, tuple(response.getheaders()), response.read())

    def _take(self) -> HTTPConnection:
        with self._lock:
            if self._closed:
                raise TransportError("the source is closed")
            while self._idle:
                connection = self._idle.pop()
                if _alive(connection.sock):
                    connection.sock.settimeout(self._timeout)
                    return connection
                self._all.discard(connection)
                connection.close()
            connection = HTTPConnection(self._host, self._port, timeout=self._timeout)
            self._all.add(connection)
            return connection

    def _give_back(self, connection: HTTPConnection) -> None:
        with self._lock:
            if connection.sock and not self._closed:
                self._idle.append(connection)
                return
        self._discard(connection)

    def _discard(self, connection: HTTPConnection) -> None:
        with self._lock:
            self._all.discard(connection)
        connection.close()


def _encoded(name: str, value: str) -> bytes:
    if _CONTROL.search(name + value):
        raise ValueError(f"header {name!r} holds a control character")
    return value.encode("latin-1", "replace")


def _authority(host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host
    return name if port == 80 else f"{name}:{port}"


def _alive(connected: socket.socket) -> bool:
    """Whether an idle connection is still open: the server neither closed it nor spoke."""
    connected.setblocking(False)
    try:
        connected.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _wake(connected: socket.socket | None) -> None:
    """Ends a wait for the answer in another thread; closing alone would not."""
    if connected is None:
        return
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it was not connected any more
