"""Latency at a fixed rate: ``python -m benchmarks.open_loop PORT RATE SECONDS``, percentiles out.

Requests are due at fixed times, whatever became of the ones before, and each latency counts from
the time when its request was due. A closed loop such as wrk's stops asking while a server stalls,
and so counts a stall as one slow answer (coordinated omission).
"""

from __future__ import annotations

import json
import math
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import event

CONNECTIONS = 64
_SPIN = 0.002  # seconds before a request is due in which the sender does not sleep
_PATIENCE = 30  # seconds that the last answers may take


class WrongAnswerError(RuntimeError):
    """An answer that is not 2xx, or none."""


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    due: float = 0.0
    received: bytes = b""


class Sender:
    """Sends KafkaSource's requests to a port at a rate, per second."""

    def __init__(self, port: int, rate: float) -> None:
        self._interval = 1 / rate
        self._request = event.parts(port, matches=False)
        self._number = event.FIRST
        self._poll = select.epoll()
        self._busy: dict[int, _Connection] = {}
        self._idle = [self._connect(port) for _ in range(CONNECTIONS)]
        self._due: deque[float] = deque()  # requests that wait for a connection
        self.latencies: list[float] = []  # seconds
        self.lateness: list[float] = []  # of the sender itself: seconds after a request was due

    def run(self, seconds: float) -> None:
        """Send for so long, then wait for the last answers; raises WrongAnswerError."""
        start = time.perf_counter()
        requests = int(seconds / self._interval)
        planned = 0
        while len(self.latencies) < requests:
            now = time.perf_counter()
            while planned < requests and (due := start + planned * self._interval) <= now:
                self._due.append(due)
                self.lateness.append(now - due)
                planned += 1
            while self._due and self._idle:
                self._send(self._idle.pop(), self._due.popleft())
            if now > start + seconds + _PATIENCE:
                raise WrongAnswerError(f"{requests - len(self.latencies)} requests got no answer")
            soon = planned < requests and start + planned * self._interval - now < _SPIN
            for file, _ in self._poll.poll(0 if soon else 0.001):
                self._receive(file)

    def close(self) -> None:
        """Close every connection."""
        for connection in (*self._idle, *self._busy.values()):
            connection.socket.close()
        self._poll.close()

    def _connect(self, port: int) -> _Connection:
        connected = socket.create_connection(("127.0.0.1", port))
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll.register(connected.fileno(), select.EPOLLIN)
        return _Connection(connected)

    def _send(self, connection: _Connection, due: float) -> None:
        self._number += 1
        connection.due = due
        connection.socket.sendall(str(self._number).encode().join(self._request))
        self._busy[connection.socket.fileno()] = connection

    def _receive(self, file: int) -> None:
        connection = self._busy.get(file)
        data = connection.socket.recv(65536) if connection else b""
        if not connection or not data:
            raise WrongAnswerError("the server closed a connection")
        connection.received += data
        if not complete(connection.received):
            return
        self.latencies.append(time.perf_counter() - connection.due)
        connection.received = b""
        self._idle.append(self._busy.pop(file))


def complete(received: bytes) -> bool:
    """Whether an answer has come to its end; raises WrongAnswerError for one that is not 2xx."""
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return False
    if not head.startswith(b"HTTP/1.1 2"):
        raise WrongAnswerError(head.decode("latin-1").splitlines()[0])
    lower = head.lower()
    if b"content-length:" in lower:
        return len(body) >= int(lower.split(b"content-length:")[1].split(b"\r\n")[0])
    return b"chunked" not in lower or body.endswith(b"0\r\n\r\n")


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so large a share of all does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def main(port: int, rate: float, seconds: float) -> None:
    """Print the figures, in milliseconds."""
    sender = Sender(port, rate)
    try:
        sender.run(seconds)
    finally:
        sender.close()
    figures = {
        f"p{share * 100:g}_ms": percentile(sender.latencies, share) * 1000
        for share in (0.5, 0.9, 0.99, 0.999, 1)
    }
    late = percentile(sender.lateness, 0.99) * 1000
    print(json.dumps({"rate": rate, **figures, "sender_late_p99_ms": late}))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
