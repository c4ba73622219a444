"""A Notification Manager that fails, three times in ten, in every way that networks know."""

from __future__ import annotations

import json
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

ACCEPTED = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 56\r\n\r\n"
    b'{"Status":200,"Message":"Notification request accepted"}'
)
Identity = tuple[str, str, str, str]  # pod, method, path, startsAt


@dataclass
class FaultyReceiver:
    """Keeps every alert that it took, whatever its sender got to hear."""

    share: float
    hang: float  # seconds, longer than the sender waits
    random: random.Random
    port: int = 0
    taken: Counter[Identity] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    stopping: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v2/alerts"

    def serve(self, connection: socket.socket) -> None:
        """One connection: requests, until it is broken from either side."""
        with connection, suppress(OSError), connection.makefile("rb") as stream:
            while body := _request(stream):
                fault = self._fault()
                if fault is None:
                    self._take(body)
                    connection.sendall(ACCEPTED)
                    continue
                self.faults[fault.__name__] += 1
                if not fault(connection, body):
                    return

    def _fault(self) -> Callable[[socket.socket, bytes], bool] | None:
        """What goes wrong with this request; the fault says whether the connection goes on."""
        with self.lock:
            if self.random.random() >= self.share:
                return None
            faults = (
                self.refused,
                self.reset_in_the_answer,
                self.hanging,
                self.error_500,
                self.error_429,
                self.garbage,
                self.drip,
            )
            return self.random.choice(faults)

    def _take(self, body: bytes) -> None:
        with self.lock:
            for alert in json.loads(body)["alerts"]:
                label = alert["labels"].get
                self.taken[
                    label("pod"), label("method"), label("path"), alert["startsAt"][:19] + "Z"
                ] += 1

    def refused(self, connection: socket.socket, _body: bytes) -> bool:
        """A reset before any answer, as a port without a listener gives."""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    def reset_in_the_answer(self, connection: socket.socket, body: bytes) -> bool:
        """The alerts are taken, and the answer breaks off: they will come twice."""
        self._take(body)
        connection.sendall(ACCEPTED[:70])
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    def hanging(self, _connection: socket.socket, _body: bytes) -> bool:
        """No answer in time."""
        self.stopping.wait(self.hang)
        return False

    def error_500(self, connection: socket.socket, _body: bytes) -> bool:
        """Notification Manager's panic."""
        connection.sendall(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n")
        return True

    def error_429(self, connection: socket.socket, _body: bytes) -> bool:
        """Too many requests; without Retry-After, whose least, a second, is long for this test."""
        connection.sendall(b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n")
        return True

    def garbage(self, connection: socket.socket, _body: bytes) -> bool:
        """Something that is not HTTP."""
        connection.sendall(b"\x16\x03\x01 what?\r\n\r\n")
        return False

    def drip(self, connection: socket.socket, _body: bytes) -> bool:
        """A head that never ends."""
        connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
        while not self.stopping.wait(self.hang / 10):
            connection.sendall(b"x")
        return False


def _request(stream: Any) -> bytes:
    """The body of the next request; nothing at the end of the connection."""
    length = 0
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return bytes(stream.read(length))


@contextmanager
def faulty_receiver(seed: int, share: float = 0.3, hang: float = 0.6) -> Iterator[FaultyReceiver]:
    """A receiver on a free port that fails ``share`` of its requests."""
    receiver = FaultyReceiver(share, hang, random.Random(seed))  # noqa: S311 - repeatable
    threads: list[threading.Thread] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                thread = threading.Thread(target=receiver.serve, args=(connection,))
                threads.append(thread)
                thread.start()

    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        receiver.port = listener.getsockname()[1]
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield receiver
        finally:
            receiver.stopping.set()
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for thread in threads:
                thread.join()
