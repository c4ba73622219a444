"""What was delivered a short while ago, remembered for a time and within bounded memory.

What another pod has delivered is not known here, and a pod that ends forgets.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

LARGEST = 32 * 1024 * 1024  # bytes; the oldest are forgotten first, and then sent again
ENTRY = 288  # bytes that a key takes at most, measured: a digest of 16 bytes, its time, the table


class Delivered:
    """Keys, each until its own time is over, in at most ``largest`` bytes.

    Used by one thread at a time.
    """

    def __init__(
        self, largest: int = LARGEST, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._most = largest // ENTRY
        self._clock = clock
        self._until: OrderedDict[bytes, int] = OrderedDict()

    def holds(self, key: bytes) -> bool:
        """Whether a key is remembered and its time not over."""
        until = self._until.get(key)
        return until is not None and until > self._clock()

    def remember(self, key: bytes, nanoseconds: int) -> None:
        """Remember a key from now for so long."""
        now = self._clock()
        until = self._until
        until.pop(key, None)
        until[key] = now + nanoseconds
        while until and (len(until) > self._most or next(iter(until.values())) <= now):
            until.popitem(last=False)
