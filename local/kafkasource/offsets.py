"""Which offset of a partition may be committed, when records finish in any order.

Mirrors KafkaSource: eventing-kafka-broker OffsetManager.java.
"""

from __future__ import annotations

from collections import deque


class Progress:
    """One partition: what was received, what is finished, how far all before is finished.

    Offsets may have gaps (transaction markers, compaction); a gap before a received record counts
    as finished.
    """

    def __init__(self, start: int) -> None:
        self._open: deque[int] = deque()
        self._finished: set[int] = set()
        self.committable = start
        """The offset to commit: of the first record that is not finished. It never falls."""

    def received(self, offset: int) -> None:
        """A record was read. Raises ValueError if its offset does not follow the ones before."""
        if offset < self.committable or (self._open and offset <= self._open[-1]):
            raise ValueError(f"offset {offset} was received after a later one")
        self._open.append(offset)

    def finished(self, offset: int) -> None:
        """A record is delivered, dead-lettered or dropped: it need not be read again."""
        self._finished.add(offset)
        while self._open and self._open[0] in self._finished:
            first = self._open.popleft()
            self._finished.remove(first)
            self.committable = first + 1

    @property
    def unfinished(self) -> int:
        """How many records were received and are not finished."""
        return len(self._open) - len(self._finished)
