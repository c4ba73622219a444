"""Who sends requests over HTTP: anybody at any time, or clients that wait for each answer."""

from __future__ import annotations

from collections.abc import Iterator

from tuning.engine import Engine
from tuning.pod import Request
from tuning.traffic import Traffic


class OpenTraffic:
    """Requests that come when they come and are never repeated."""

    waiting = 0

    def __init__(self, engine: Engine, traffic: Traffic, seed: int) -> None:
        self._engine = engine
        self._traffic = traffic
        self._seed = seed
        self.unfinished = 0

    def arrivals(self) -> Iterator[float]:
        """The traffic's own."""
        return self._traffic.arrivals(self._seed)

    def arrive(self, now: float) -> None:
        """Send a request."""
        self.unfinished += 1
        self._engine.send(Request(now, None))

    def answered(self, request: Request, status: int, now: float) -> None:
        """Write down how it went."""
        self.unfinished -= 1
        if status < 300:
            self._engine.recorder.delivered(request.sent, now)
        else:
            self._engine.recorder.lost += 1


class WaitingClients:
    """Some clients, each of which sends its next request when it has the answer to the last one."""

    waiting = 0

    def __init__(self, engine: Engine, clients: int, until_s: float) -> None:
        self._engine = engine
        self._clients = clients
        self._until = until_s
        self.unfinished = 0

    def arrivals(self) -> Iterator[float]:
        """All of them begin at once."""
        return iter([0.0] * self._clients)

    def arrive(self, now: float) -> None:
        """A client begins."""
        self.unfinished += 1
        self._engine.send(Request(now, None))

    def answered(self, request: Request, status: int, now: float) -> None:
        """Write down how it went, and send the next one."""
        self.unfinished -= 1
        if status < 300:
            self._engine.recorder.delivered(request.sent, now)
        else:
            self._engine.recorder.lost += 1
        if now < self._until:
            self._engine.at(now, self.arrive, now)
