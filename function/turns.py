"""Large bodies take turns: a MiB of JSON is dozens of MiB while it is read, and a pod has 256.

One is read and matched at a time, and the next not before there is room for its alerts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from function.errors import QueueFull
from function.receivers import Reason

PATIENCE = 15.0  # seconds until one that waits is refused; DELIVERY_TIMEOUT comes on top
MANY = 10_000  # alerts under way, 27 MiB, beside which no large body is read


def no_turn(waiting: str) -> QueueFull:
    """The refusal of a request that has waited in vain; ``waiting`` says for what."""
    return QueueFull(waiting, None, Reason.FULL.value, None)


class Turns:
    """Turns for large bodies; one that waits for ``patience`` seconds is refused."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._alerts = 0  # under way, of large bodies
        self._is_taken = False
        self._changed = Condition()  # guards all of the above that changes

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn; raises QueueFull where none comes in time."""
        with self._changed:
            if not self._changed.wait_for(self._is_free, self._patience):
                self._changed.notify()  # it may have been meant for another one
                raise no_turn(
                    f"{self._alerts} alerts are waiting already, and other large requests"
                )
            self._is_taken = True
        try:
            yield
        finally:
            with self._changed:
                self._is_taken = False
                self._changed.notify()

    def begin(self, alerts: int) -> None:
        """So many more alerts are under way."""
        with self._changed:
            self._alerts += alerts

    def end(self, alerts: int) -> None:
        """They are not any more."""
        with self._changed:
            self._alerts -= alerts
            self._changed.notify()

    def _is_free(self) -> bool:
        return not self._is_taken and self._alerts < MANY
