"""Who sends requests over HTTP: anybody at any time, or clients that wait for each answer."""

from __future__ import annotations

from collections.abc import Iterator

from tuning.engine import Engine
from tuning.pod import Request
from tuning.traffic import Traffic


class _OverHTTP:
    """What both have in common: nothing is repeated, and nothing waits before it is sent."""

    waiting = 0

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.unfinished = 0

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


class OpenTraffic(_OverHTTP):
    """Requests that come when they come."""

    def __init__(self, engine: Engine, traffic: Traffic, seed: int) -> None:
        super().__init__(engine)
        self._traffic = traffic
        self._seed = seed

    def arrivals(self) -> Iterator[float]:
        """The traffic's own."""
        return self._traffic.arrivals(self._seed)


class WaitingClients(_OverHTTP):
    """Some clients, each of which sends its next request when it has the answer to the last one."""

    def __init__(self, engine: Engine, clients: int, until_s: float) -> None:
        super().__init__(engine)
        self._clients = clients
        self._until = until_s

    def arrivals(self) -> Iterator[float]:
        """All of them begin at once."""
        return iter([0.0] * self._clients)

    def answered(self, request: Request, status: int, now: float) -> None:
        """Write down how it went, and send the next one."""
        super().answered(request, status, now)
        if now < self._until:
            self._engine.at(now, self.arrive, now)
