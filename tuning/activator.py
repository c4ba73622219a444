"""Which pod gets a request: through the activator, or straight from the gateway.

The activator holds what no pod has room for, up to a limit, and gives it to the first pod that has
(knative/serving, ``pkg/activator/net/throttler.go`` and ``lb_policy.go``). It is modelled as one
that sees all pods. Without it requests go round the pods, whatever these have to do already, as
Envoy's default does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import chain
from random import Random

from tuning.pod import Pod, Request

QUEUE = 10_000  # throttler.go, breakerQueueDepth; the next request is answered 503
_FIRST_AVAILABLE_UP_TO = 3  # throttler.go: containerConcurrency for which pods are filled in turn


class Activator:
    """The activator's queue and its choice of pods."""

    def __init__(self, container_concurrency: int, random: Random) -> None:
        self.waiting: deque[Request] = deque()
        self._concurrency = container_concurrency
        self._random = random
        self._turn = 0

    @property
    def is_full(self) -> bool:
        """Whether the next request is refused."""
        return len(self.waiting) >= QUEUE

    def choose(self, pods: Sequence[Pod]) -> Pod | None:
        """A ready pod with room, None where there is none."""
        if self._concurrency == 0:
            return self._less_loaded_of_two(pods)
        if self._concurrency <= _FIRST_AVAILABLE_UP_TO:
            return next((pod for pod in pods if pod.running < pod.limit), None)
        return self._next_with_room(pods)

    def _less_loaded_of_two(self, pods: Sequence[Pod]) -> Pod | None:
        if len(pods) < 2:
            return pods[0] if pods else None
        pair = self._random.sample(list(pods), 2)
        return min(pair, key=lambda pod: pod.running)

    def _next_with_room(self, pods: Sequence[Pod]) -> Pod | None:
        count = len(pods)
        turn = self._turn if self._turn < count else 0
        for position in chain(range(turn, count), range(turn)):
            pod = pods[position]
            if pod.running < pod.limit:
                self._turn = position + 1
                return pod
        return None


class Gateway:
    """The choice of pods without the activator."""

    def __init__(self) -> None:
        self._turn = 0

    def choose(self, pods: Sequence[Pod]) -> Pod:
        """The next pod."""
        self._turn = (self._turn + 1) % len(pods)
        return pods[self._turn]
