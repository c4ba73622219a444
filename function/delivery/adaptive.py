"""How many POSTs may be under way: as many as the receiver takes without getting slower.

A receiver that does one thing at a time gains nothing from more, which only make batches smaller;
one that does many at once takes them all in the time of one.
"""

from __future__ import annotations

import math

_FEW = 4  # some that hang must not hold up all others
_SLOWER = 1.2  # times what a POST takes when few are under way


class AdaptiveLimit:
    """``now`` is how many POSTs may be under way, ``most`` at the most.

    It grows by one at a time, as long as the quickest POST takes about as long as it did when few
    were under way, and begins anew when it takes longer. The quickest, because single ones are slow
    for reasons of their own.
    """

    def __init__(self, most: int) -> None:
        self._few = min(_FEW, most)
        self._most = most
        self._usual = math.inf
        self._set(self._few)

    def _set(self, limit: int) -> None:
        self.now = limit
        self._ended = 0
        self._quickest = math.inf

    def learn(self, seconds: float) -> None:
        """A POST took so long."""
        self._ended += 1
        if self._ended <= self.now:
            return  # it began under another limit
        self._quickest = min(self._quickest, seconds)
        if self._ended < 2 * self.now:
            return
        few = self.now == self._few
        self._usual = self._quickest if few else min(self._usual, self._quickest)
        slower = self._quickest > self._usual * _SLOWER
        self._set(self._few if slower else min(self.now + 1, self._most))
