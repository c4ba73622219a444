"""A closed loop: a given number of requests under way all the time, each on its own connection.

As KafkaSource does it: HTTP/1.1, connections are kept, a new request leaves when an answer is in.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tuning.errors import TuningError
from tuning.measuring.cpu import Usage
from tuning.measuring.events import Target

_CONNECT_WITHIN = 5.0  # seconds
_DRAIN_WITHIN = 30.0  # seconds; the function answers within DELIVERY_TIMEOUT, 25 s
_RECONNECT_AFTER = 0.05  # seconds
_EXCERPT = 300  # bytes of an answer that are worth a look
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)


class UnreachableError(TuningError):
    """Nobody answers at the target."""


@dataclass(slots=True)
class Tally:
    """What came back.

    ``latencies`` has the seconds of each request that was answered 2xx within the measured time;
    ``failures`` counts what was not answered 2xx, before and after it too, by status or by what
    happened instead; ``example`` is one of those answers.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    example: str = ""
    used: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class Phases:
    """Seconds without and with measuring."""

    warm_up_s: float
    measure_s: float


class _Loop:
    """What all connections share."""

    def __init__(self, next_request: Callable[[], bytes]) -> None:
        self.next_request = next_request
        self.tally: Tally = Tally()
        self.measuring = False
        self.stopping = False
        self.connected = False
        self.served = 0  # connections that have had an answer
        self.failed_to_connect = ""

    def answered(self, status: int, seconds: float, answer: bytes) -> None:
        if not 200 <= status < 300:
            self.failed(str(status), answer)
        elif self.measuring:
            self.tally.latencies.append(seconds)

    def failed(self, what: str, answer: bytes = b"") -> None:
        self.tally.failures[what] += 1
        if not self.tally.example:
            self.tally.example = answer[-_EXCERPT:].decode("utf-8", "replace").strip()


class _Connection(asyncio.Protocol):
    """Sends a request, waits for its answer, sends the next."""

    def __init__(self, loop: _Loop, closed: asyncio.Future[None]) -> None:
        self._loop = loop
        self._closed = closed
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._sent_at: float | None = None
        self._served = False
        self._late = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self._transport = transport
        self._send()

    def _send(self) -> None:
        assert self._transport is not None  # noqa: S101 - for the type checker
        if self._loop.stopping:
            self._transport.close()
            return
        request = self._loop.next_request()
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        if not is_complete(received):
            self._received = received
            return
        self._received = b""
        if self._sent_at is not None:
            seconds = time.perf_counter() - self._sent_at
            self._sent_at = None
            if not self._served:
                self._served = True
                self._loop.served += 1
            self._loop.answered(int(received[9:12]), seconds, received)
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - all mean the same
        if self._sent_at is not None:
            self._loop.failed("no answer in time" if self._late else "connection lost")
        if not self._closed.done():
            self._closed.set_result(None)

    def abort(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._late = True
            self._transport.abort()


def is_complete(received: bytes) -> bool:
    """Whether these bytes are a whole HTTP/1.1 answer."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return False
    if received.startswith((b"HTTP/1.1 204", b"HTTP/1.1 304")):
        return True
    head = received[: end + 2]
    if length := _LENGTH.search(head):
        return len(received) >= end + 4 + int(length[1])
    return received.endswith(b"0\r\n\r\n") if _CHUNKED.search(head) else True


async def drive(
    target: Target,
    next_request: Callable[[], bytes],
    concurrency: int,
    phases: Phases,
    read: Callable[[], Usage],
) -> Tally:
    """Keep ``concurrency`` requests under way; ``read`` the meters when measuring begins and ends.

    Raises UnreachableError where not even one connection can be made.
    """
    shared: _Loop = _Loop(next_request)
    slots = [asyncio.create_task(_slot(target, shared)) for _ in range(concurrency)]
    try:
        await _warm_up(shared, target, concurrency, phases.warm_up_s)
        before = read()
        shared.measuring = True
        begin = time.perf_counter()
        await asyncio.sleep(phases.measure_s)
        shared.measuring = False
        shared.tally.seconds = time.perf_counter() - begin
        shared.tally.used = read() - before
        shared.stopping = True
        done, _ = await asyncio.wait(slots, timeout=_DRAIN_WITHIN)
        for slot in done:
            slot.result()
    finally:
        # Before Python 3.12 a slot that is cancelled at the moment its connection is made goes on
        # (wait_for gives the connection, and the cancellation is gone): it has to end by itself.
        shared.stopping = True
        for slot in slots:
            slot.cancel()
        await asyncio.gather(*slots, return_exceptions=True)
        await asyncio.sleep(0)  # for the last words of connections that had to be cut
    return shared.tally


async def _warm_up(shared: _Loop, target: Target, concurrency: int, seconds: float) -> None:
    """Wait until all connections have had an answer: a busy server is slow to accept new ones."""
    await asyncio.sleep(seconds)
    deadline = time.perf_counter() + _CONNECT_WITHIN
    while shared.served < concurrency and time.perf_counter() < deadline:
        if shared.failed_to_connect and not shared.connected:
            break
        await asyncio.sleep(_RECONNECT_AFTER)
    if not shared.connected:
        why = shared.failed_to_connect or "no connection in time"
        raise UnreachableError(f"{target} cannot be reached: {why}")


async def _slot(target: Target, shared: _Loop) -> None:
    """One request under way; a new connection where the last one ended."""
    running = asyncio.get_running_loop()
    tls = ssl.create_default_context() if target.tls else None
    while not shared.stopping:
        closed: asyncio.Future[None] = running.create_future()
        connection = _Connection(shared, closed)
        try:
            await asyncio.wait_for(
                running.create_connection(lambda: connection, target.host, target.port, ssl=tls),  # noqa: B023 - called at once
                _CONNECT_WITHIN,
            )
        except (OSError, asyncio.TimeoutError) as error:
            shared.failed_to_connect = _why(error)
            if shared.connected:
                shared.failed("no connection")
            await asyncio.sleep(_RECONNECT_AFTER)
            continue
        shared.connected = True
        try:
            await closed
        finally:
            connection.abort()


def _why(error: OSError | asyncio.TimeoutError) -> str:
    """Asyncio's own texts name calls and addresses; the system's are known to everybody."""
    number = getattr(error, "errno", None)
    if number is not None and number > 0:
        return os.strerror(number)
    return getattr(error, "strerror", None) or str(error) or "no answer in time"


async def ask(target: Target, request: bytes) -> bytes:
    """The whole answer to one request; raises UnreachableError."""
    tls = ssl.create_default_context() if target.tls else None
    try:
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection(target.host, target.port, ssl=tls), _CONNECT_WITHIN
        )
        writer.write(request)
        received = b""
        while not is_complete(received):
            part = await asyncio.wait_for(reader.read(65_536), _DRAIN_WITHIN)
            if not part:
                break
            received += part
        writer.close()
    except (OSError, asyncio.TimeoutError) as error:
        raise UnreachableError(f"{target} cannot be reached: {_why(error)}") from None
    return received
