"""A pod: queue-proxy in front of the function, and how long the function takes.

Mirrors ``pkg/queue/breaker.go`` and ``cmd/queue/main.go`` (buildBreaker, drainSleepDuration) of
knative/serving.
"""

from __future__ import annotations

from collections import deque

QUEUE_PER_SLOT = 10  # main.go: so many requests wait for each that containerConcurrency lets run
DRAIN_S = 30.0  # main.go: a deleted pod stays this long, in case a request is still on its way


class Request:
    """One attempt to have a request answered; ``token`` is its sender's own business."""

    __slots__ = ("at_pod", "pod", "sent", "token")

    pod: Pod  # since it runs

    def __init__(self, sent: float, token: object) -> None:
        self.sent = sent
        self.token = token
        self.at_pod = sent


class Pod:
    """What runs and waits in one pod; ``limit`` is containerConcurrency, 0 without one."""

    __slots__ = ("created", "gone", "limit", "ready", "running", "waiting")

    def __init__(self, created: float, limit: int) -> None:
        self.created = created
        self.limit = limit
        self.ready = False
        self.gone: float | None = None
        self.running = 0
        self.waiting: deque[Request] = deque()

    @property
    def has_room(self) -> bool:
        """Whether a request would run at once."""
        return not self.limit or self.running < self.limit

    @property
    def is_full(self) -> bool:
        """Whether queue-proxy answers 503, ``pending request queue full``."""
        return self.limit > 0 and len(self.waiting) >= QUEUE_PER_SLOT * self.limit

    def delete(self, now: float, timeout_s: float) -> None:
        """Take the pod away: it leaves after queue-proxy's drain, or is killed at its timeout."""
        self.gone = now + min(DRAIN_S, timeout_s) if self.ready else now
        self.ready = False
