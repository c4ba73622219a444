"""How many POSTs to have under way: as many as the receiver takes without getting slower.

A receiver that does one thing at a time gains nothing from more, which only make batches smaller;
one that does many at once takes them all in the time of one.
"""

from __future__ import annotations

_FEW = 2  # one that hangs must not hold up all others
_SLOWER = 1.5  # times what a POST takes when few are under way


class Pace:
    """``limit`` is how many POSTs may be under way now, ``most`` at the most.

    It grows by one at a time, as long as POSTs take about as long as they did when few were under
    way, and begins anew when one takes longer, as one does that fails in the end.
    """

    def __init__(self, most: int) -> None:
        self._few = min(_FEW, most)
        self._most = most
        self._usual = 0.0
        self._ended = 0  # POSTs, since the limit is what it is
        self.limit = self._few

    def learn(self, seconds: float) -> None:
        """A POST took so long."""
        self._ended += 1
        if self._ended <= self.limit:
            return  # it began under another limit
        if self.limit == self._few:
            self._usual = seconds
        self._usual = min(self._usual, seconds)
        if seconds > self._usual * _SLOWER:
            self.limit = self._few
        else:
            self.limit = min(self.limit + 1, self._most)
        self._ended = 0
