"""Alerts that were delivered a short while ago: the same labels are not sent again too soon.

A rule's ``repeat_interval`` asks for it. Only what a receiver has accepted counts, so that an alert
which did not get through is never held back; what another pod has sent is not known here.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from function.alerts import Alert

REMEMBERED = 100_000  # alerts; the oldest are forgotten first, and then sent once more than asked


class Repeats:
    """Remembers by fingerprint until when an alert is held back."""

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock = clock
        self._until: OrderedDict[str, int] = OrderedDict()
        self._lock = Lock()

    def holds_back(self, alert: Alert) -> bool:
        """Whether the same labels were delivered less than the rule's interval ago."""
        if not alert.repeat_interval:
            return False
        with self._lock:
            return self._until.get(alert.fingerprint, 0) > self._clock()

    def delivered(self, alert: Alert) -> None:
        """A receiver has accepted the alert."""
        if not alert.repeat_interval:
            return
        with self._lock:
            self._until[alert.fingerprint] = self._clock() + alert.repeat_interval
            self._until.move_to_end(alert.fingerprint)
            if len(self._until) > REMEMBERED:
                self._until.popitem(last=False)
