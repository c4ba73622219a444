"""Whether an address takes alerts: told in a line and a metric when that changes."""

from __future__ import annotations

import logging
import time

from function.logs import log_limited
from function.metrics import Metrics
from function.receivers import Outcome, Unavailable


class Health:
    """What the last POSTs to an address came to. Used under its queue's lock."""

    def __init__(self, receiver: str, address: str, budget: float, metrics: Metrics) -> None:
        self._receiver = receiver
        self._address = address
        self._budget = budget
        self._metrics = metrics
        self._failing_since: float | None = None
        self._failed_at = 0.0
        metrics.address_works(receiver, address, works=True)

    def note(self, outcome: Outcome) -> None:
        """A POST came to this. A pause that a receiver asks for is not a failure."""
        now = time.monotonic()
        if not isinstance(outcome, Unavailable):
            self._works(now)
        elif outcome.retry_after is None:
            self._fails(now, outcome)

    def _fails(self, now: float, outcome: Unavailable) -> None:
        self._failed_at = now
        if self._failing_since is None:
            self._failing_since = now
            self._metrics.address_works(self._receiver, self._address, works=False)
            self._log(logging.WARNING, "receiver_failing", reason=outcome.reason.value)

    def _works(self, now: float) -> None:
        if self._failing_since is not None:
            seconds = round(now - self._failing_since, 1)
            self._failing_since = None
            self._metrics.address_works(self._receiver, self._address, works=True)
            self._log(logging.INFO, "receiver_works_again", failed_for_seconds=seconds)

    def _log(self, level: int, event: str, **fields: object) -> None:
        log_limited(level, event, receiver=self._receiver, address=self._address, **fields)

    def is_down(self, now: float) -> bool:
        """Whether it has failed for longer than a request may wait, the last time not long ago."""
        if self._failing_since is None or now - self._failed_at > self._budget:
            return False  # nobody has tried since: it may be back
        return now - self._failing_since > self._budget
