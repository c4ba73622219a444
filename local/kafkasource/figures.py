"""What a source has done so far, counted from several threads."""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from local.record import Record

Outcome = Literal["delivered", "dead-lettered", "dropped", "discarded"]

_KEPT = 100_000  # latencies, the newest ones, so that a source may run for days


@dataclass(frozen=True, slots=True)
class Finished:
    """A record that the source is done with.

    `seconds` is the time from the record's own timestamp in Kafka to the end of its handling.
    """

    record: Record
    outcome: Outcome
    seconds: float


@dataclass(frozen=True, slots=True)
class Figures:
    """A source's counts at one moment.

    `attempts` counts HTTP answers by status code; `unanswered`, attempts that got none;
    `in_flight`, records that are being sent or wait for their next attempt; `latencies`, in
    seconds, belong to the newest finished records.
    """

    read: int
    delivered: int
    dead_lettered: int
    dropped: int
    discarded: int
    in_flight: int
    attempts: Mapping[int, int]
    unanswered: int
    latencies: Sequence[float]

    @property
    def finished(self) -> int:
        """Records that need not be read again."""
        return self.delivered + self.dead_lettered + self.dropped + self.discarded

    def latency(self, quantile: float) -> float:
        """Seconds within which this share of the records was finished; NaN if none was."""
        ordered = sorted(self.latencies)
        if not ordered:
            return math.nan
        return ordered[max(0, math.ceil(quantile * len(ordered)) - 1)]

    def __str__(self) -> str:
        answers = ", ".join(
            f"{count} x {status}" for status, count in sorted(self.attempts.items())
        )
        return (
            f"{self.read} read, {self.delivered} delivered, {self.dead_lettered} dead-lettered, "
            f"{self.dropped} dropped, {self.discarded} discarded; "
            f"answers: {answers or 'none'}, {self.unanswered} without; "
            f"p50 {self.latency(0.5):.3f} s, p99 {self.latency(0.99):.3f} s"
        )


class Counters:
    """The counts themselves; any thread may add to them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read = 0
        self._in_flight = 0
        self._outcomes: Counter[Outcome] = Counter()
        self._attempts: Counter[int | None] = Counter()
        self._latencies: deque[float] = deque(maxlen=_KEPT)

    def received(self, count: int) -> None:
        """A poll brought so many records."""
        with self._lock:
            self._read += count

    def began(self) -> None:
        """A record is being delivered."""
        with self._lock:
            self._in_flight += 1

    def attempted(self, status: int | None) -> None:
        """The sink answered with `status`, or (None) did not answer."""
        with self._lock:
            self._attempts[status] += 1

    def ended(self, finished: Finished | None) -> None:
        """A record's delivery is over; None if it was given up unfinished."""
        with self._lock:
            self._in_flight -= 1
            if finished:
                self._outcomes[finished.outcome] += 1
                self._latencies.append(finished.seconds)

    def snapshot(self) -> Figures:
        """The counts of this moment."""
        with self._lock:
            answered = {code: count for code, count in self._attempts.items() if code is not None}
            return Figures(
                read=self._read,
                delivered=self._outcomes["delivered"],
                dead_lettered=self._outcomes["dead-lettered"],
                dropped=self._outcomes["dropped"],
                discarded=self._outcomes["discarded"],
                in_flight=self._in_flight,
                attempts=answered,
                unanswered=self._attempts[None],
                latencies=tuple(self._latencies),
            )
