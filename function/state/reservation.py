"""A request's alerts, each as a claim to deliver it, and what becomes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

from function.alerts import Alert
from function.receivers import Accepted, Outcome, Refused, Unavailable


@dataclass(frozen=True, slots=True)
class DeliveredBefore(Accepted):
    """The receiver has this very alert from an earlier request: it is not sent again."""


@dataclass(frozen=True, slots=True)
class HeldBack(Accepted):
    """The receiver has an alert with the same labels, and repeat_interval is not over."""


_NOTHING = DeliveredBefore()  # what no receiver has said anything about


def combined(one: Outcome, other: Outcome) -> Outcome:
    """Of an alert's outcomes at two receivers the one that counts.

    What may still be delivered comes before what was refused, and that before what is accepted.
    """
    return one if _WEIGHTS[type(one)] >= _WEIGHTS[type(other)] else other


_WEIGHTS = {
    kind: weight
    for weight, kind in enumerate((DeliveredBefore, HeldBack, Accepted, Refused, Unavailable))
}


class Reservation:
    """The outcomes of a request's alerts, one for each, in order, as a future.

    ``receivers`` counts them for each alert, which is accepted when all have it. ``deadline`` is on
    the monotonic clock; the alerts may be delivered after it.
    """

    __slots__ = ("_left", "_lock", "_outcomes", "deadline", "future", "waits")

    def __init__(self, receivers: Sequence[int], deadline: float) -> None:
        self.deadline = deadline
        self.future: Future[list[Outcome]] = Future()
        self.waits = False  # for another request's alert
        self._outcomes: list[Outcome] = [_NOTHING] * len(receivers)
        self._left = sum(receivers)
        self._lock = Lock()

    def tell(self, told: Iterable[tuple[int, Outcome | Exception]]) -> None:
        """Note alerts' outcomes at a receiver; an exception is a bug, and the request's end."""
        with self._lock:
            if self.future.done():
                return
            for index, outcome in told:
                if isinstance(outcome, Exception):
                    self.future.set_exception(outcome)
                    return
                self._outcomes[index] = combined(self._outcomes[index], outcome)
                self._left -= 1
            if self._left:
                return
        self.future.set_result(self._outcomes)


class Wanted(NamedTuple):
    """An alert, the names of its receivers, a digest of its event, and its record's number there.

    ``event`` is None for a record that came without one, whose alert is another one each time.
    """

    alert: Alert
    receivers: Sequence[str]
    event: bytes | None
    number: int


class Claim:
    """A request's claim to deliver an alert to one receiver; ``index`` is its place there."""

    __slots__ = (
        *("_same", "alert", "deadline", "event", "index", "keys", "labels", "receiver"),
        *("reservation", "waiters"),
    )

    def __init__(self, wanted: Wanted, receiver: str, reservation: Reservation, index: int) -> None:
        self.alert = alert = wanted.alert
        self.receiver = receiver
        self.reservation = reservation
        self.deadline = reservation.deadline
        self.index = index
        self.waiters: list[Claim] = []
        self.event = _key(wanted, receiver) if wanted.event else None
        self.labels = f"{alert.fingerprint} {receiver}".encode() if alert.repeat_interval else None
        self._same = (receiver, alert.identity)
        # What no second claim may have while this one is under way.
        self.keys: tuple[Hashable, ...] = tuple(filter(None, (self.event, self.labels, self._same)))

    def equals(self, other: Claim) -> bool:
        """Whether both are the same alert: of one event and record, or alike in what is sent."""
        return (self.event is not None and self.event == other.event) or self._same == other._same


def _key(wanted: Wanted, receiver: str) -> bytes:
    """A digest of an alert of an event's record for a receiver."""
    text = f"{wanted.number} {receiver} {wanted.alert.fingerprint}".encode()
    return hashlib.blake2b((wanted.event or b"") + text, digest_size=16).digest()
