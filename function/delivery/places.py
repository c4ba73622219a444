"""Places for requests that wait until a receiver's pause is over: few, so that others get through.

A request that waits holds one of the requests that Knative lets into a pod (containerConcurrency),
and of the 99 that KafkaSource has under way.
"""

from __future__ import annotations

from threading import Lock

MOST = 32  # half of the shipped containerConcurrency


class Places:
    """At most ``most`` holders at a time."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._holders: set[object] = set()
        self._lock = Lock()

    def take(self, holder: object) -> bool:
        """Whether a holder has a place, now or already."""
        with self._lock:
            if holder not in self._holders and len(self._holders) >= self.most:
                return False
            self._holders.add(holder)
            return True

    def leave(self, holder: object) -> None:
        """Give a place back, if it was taken."""
        with self._lock:
            self._holders.discard(holder)
