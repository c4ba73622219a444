"""What was delivered a short while ago, remembered for a time and in bounded number.

Two things are: events, so that one which Kafka delivers again is answered without a second POST,
and the labels of alerts whose rule asks for a ``repeat_interval``. Only what a receiver has
accepted is remembered; what another pod has delivered is not known here.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

REMEMBERED = 10_000  # the oldest are forgotten first, and then sent once more than needed


class Memory:
    """Keys, each until its own time is over."""

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock = clock
        self._until: OrderedDict[Hashable, int] = OrderedDict()
        self._lock = Lock()

    def holds(self, key: Hashable) -> bool:
        """Whether a key is remembered and its time not over."""
        with self._lock:
            return self._until.get(key, 0) > self._clock()

    def remember(self, key: Hashable, nanoseconds: int) -> None:
        """Remember a key from now for so long."""
        with self._lock:
            self._until[key] = self._clock() + nanoseconds
            self._until.move_to_end(key)
            if len(self._until) > REMEMBERED:
                self._until.popitem(last=False)
