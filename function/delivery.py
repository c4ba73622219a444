"""Alerts on their way to the receiver: ``submit(alerts) → Future`` of one outcome per alert.

Group commit: a few senders each take whatever is waiting when they are free, post it as one request
and tell every waiter its own outcome. Nothing is delayed when there is little to do; when there is
much, the cost of a POST is shared, and a slow receiver does not set the pace.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Condition, Thread
from typing import NamedTuple

from function.alerts import Alert
from function.logs import exception, log
from function.metrics import Metrics
from function.pace import Pace
from function.posting import Posters
from function.receivers import Accepted, Outcome, Reason, Receiver, Refused, Unavailable

_QUEUE = 10  # batches that may wait; what comes then is refused at once, and comes again
_RETRY_AFTER = 0.1  # seconds before the one retry of a broken connection or a passing error
_LONGEST_PAUSE = 60  # seconds that a receiver's Retry-After is believed


class Waiting(NamedTuple):
    """Alerts of one request; ``deadline`` is when it stops waiting, on the monotonic clock."""

    alerts: Sequence[Alert]
    future: Future[list[Outcome]]
    deadline: float


@dataclass(frozen=True, slots=True)
class Limits:
    """``concurrency`` POSTs at a time of at most ``batch`` alerts each.

    ``post_timeout`` bounds one POST and ``budget`` everything from ``submit`` to the outcome, in
    seconds.
    """

    concurrency: int
    batch: int
    post_timeout: float
    budget: float


class Delivery:
    """Posts alerts to a receiver, within the limits."""

    def __init__(self, receiver: Receiver, limits: Limits, metrics: Metrics) -> None:
        self.receiver = receiver
        self.limits = limits
        self._largest = min(limits.batch, receiver.largest_batch or limits.batch)
        self._metrics = metrics
        metrics.watch_waiting(lambda: self._alerts)
        self._waiting: deque[Waiting] = deque()
        self._alerts = 0  # in _waiting
        self._posting = 0  # senders that are not idle
        self._pace = Pace(limits.concurrency)
        self._failing_since: float | None = None
        self._failed_at = 0.0
        self._pause_until = 0.0  # the receiver said Retry-After
        self._closed = False
        self._changed = Condition()  # guards all of the above that changes
        self._senders: list[Thread] = []

    def submit(self, alerts: Sequence[Alert]) -> Future[list[Outcome]]:
        """Send alerts; the future holds their outcomes, in order, and raises nothing else."""
        now = time.monotonic()
        waiting = Waiting(tuple(alerts), Future(), now + self.limits.budget)
        waiting.future.set_running_or_notify_cancel()  # a door that loses interest cannot stop it
        with self._changed:
            reason = self._why_not_now(now, len(alerts))
            if reason is None:
                self._start_senders()
                self._waiting.append(waiting)
                self._alerts += len(alerts)
                self._wake_one()
        if reason is not None:
            pause = max(0, math.ceil(self._pause_until - now)) or None
            waiting.future.set_result([Unavailable(Reason.BUSY, reason, pause)] * len(alerts))
        return waiting.future

    def close(self) -> None:
        """Deliver what is waiting, then end the senders; what is submitted later is refused."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for sender in self._senders:
            sender.join()

    def _why_not_now(self, now: float, alerts: int) -> str | None:
        """Why waiting would be in vain; None where it may help."""
        if self._closed:
            return "the function is stopping"
        if self._waiting and self._alerts + alerts > self.limits.batch * _QUEUE:
            return f"{self._alerts} alerts are waiting already"
        if now < self._pause_until:
            return "the receiver has asked for a pause"
        if now - self._failed_at > self.limits.budget:
            self._failing_since = None  # nobody has tried since: it may be back
        down = self._failing_since is not None and now - self._failing_since > self.limits.budget
        if down and (self._waiting or self._posting):
            return "the receiver has been away for a while; one request is asking again"
        return None

    def _start_senders(self) -> None:
        """Start the senders that are missing; where none can be, raises RuntimeError.

        When they are needed, not before: a server forks after this object was made.
        """
        while len(self._senders) < self.limits.concurrency:
            name = f"sender-{len(self._senders)}"
            sender = Thread(target=self._send, name=name, daemon=True)
            try:
                sender.start()
            except RuntimeError:  # the system has no thread left, for now
                if not self._senders:
                    raise
                return
            self._senders.append(sender)

    def _send(self) -> None:
        """A sender's life: take what is waiting, deliver it, again."""
        poster = Posters(self.receiver)
        while batch := self._take():
            try:
                self._deliver(poster, batch)
            except Exception as error:  # noqa: BLE001 - a sender outlives any bug: others wait for it
                exception("unexpected_error", path="delivery")
                for waiting in batch:
                    if not waiting.future.done():
                        waiting.future.set_exception(error)
            with self._changed:
                self._posting -= 1
                self._wake_one()
        poster.close()

    def _take(self) -> list[Waiting]:
        """Wait for alerts and take them, up to a batch; nothing when it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_room() or self._is_over())
            taken: list[Waiting] = []
            room = self.limits.batch
            while self._waiting and (not taken or len(self._waiting[0].alerts) <= room):
                taken.append(self._waiting.popleft())
                room -= len(taken[-1].alerts)
            self._alerts -= self.limits.batch - room
            self._posting += bool(taken)
            if self._is_over():
                self._changed.notify_all()  # those that had no room need not wait for any
            return taken

    def _is_room(self) -> bool:
        return bool(self._waiting) and self._posting < self._pace.limit

    def _is_over(self) -> bool:
        return self._closed and not self._waiting

    def _wake_one(self) -> None:
        """Let one idle sender begin where there is something for it to do."""
        if self._is_room():
            self._changed.notify()

    def _deliver(self, poster: Posters, batch: Sequence[Waiting]) -> None:
        now = time.monotonic()
        deadline = max(waiting.deadline for waiting in batch)
        # Identical alerts, of a record that came twice, go out once.
        unique = {
            alert.identity: alert
            for waiting in batch
            if waiting.deadline > now
            for alert in waiting.alerts
        }
        outcomes = dict(
            zip(unique, self._outcomes(poster, [*unique.values()], deadline), strict=True)
        )
        late = Unavailable(Reason.TIMEOUT, "the receiver was busy for the whole time")
        for waiting in batch:
            waiting.future.set_result(
                [outcomes.get(alert.identity, late) for alert in waiting.alerts]
            )

    def _outcomes(self, poster: Posters, alerts: Sequence[Alert], deadline: float) -> list[Outcome]:
        """Deliver alerts in as many POSTs as they need."""
        outcomes: list[Outcome] = []
        for start in range(0, len(alerts), self._largest):
            part = alerts[start : start + self._largest]
            outcomes += self._halve(poster, part, deadline)
        return outcomes

    def _halve(self, poster: Posters, alerts: Sequence[Alert], deadline: float) -> list[Outcome]:
        """Post alerts at once; where the receiver refuses the lot, halves find which it means."""
        outcome = self._post(poster, alerts, deadline)
        if isinstance(outcome, Refused) and len(alerts) > 1:
            middle = len(alerts) // 2
            first = self._halve(poster, alerts[:middle], deadline)
            return first + self._halve(poster, alerts[middle:], deadline)
        self._tell(alerts, outcome)
        return [outcome] * len(alerts)

    def _post(self, poster: Posters, alerts: Sequence[Alert], deadline: float) -> Outcome:
        """One POST, and another one where the first met something that passes."""
        outcome = self._post_once(poster, alerts, deadline)
        again = time.monotonic() + _RETRY_AFTER < deadline
        if isinstance(outcome, Unavailable) and outcome.passing and again:
            time.sleep(_RETRY_AFTER)
            outcome = self._post_once(poster, alerts, deadline)
        with self._changed:
            if not isinstance(outcome, Unavailable):
                self._failing_since = None
            else:
                now = time.monotonic()
                self._failing_since = self._failing_since or now
                self._failed_at = now
                if outcome.retry_after:
                    self._pause_until = now + min(outcome.retry_after, _LONGEST_PAUSE)
        return outcome

    def _post_once(self, poster: Posters, alerts: Sequence[Alert], deadline: float) -> Outcome:
        start = time.monotonic()
        if start >= deadline:
            return Unavailable(Reason.TIMEOUT, "the receiver was busy for the whole time")
        request = self.receiver.request(alerts, time.time_ns())
        outcome = poster.post(request, min(deadline - start, self.limits.post_timeout))
        seconds = time.monotonic() - start
        self._metrics.posted(len(alerts), seconds)
        with self._changed:
            self._pace.learn(seconds)
        return outcome

    def _tell(self, alerts: Sequence[Alert], outcome: Outcome) -> None:
        """Write down what became of alerts, for people and for Prometheus."""
        if isinstance(outcome, Accepted):
            self._metrics.delivered(self.receiver.name, "accepted", len(alerts))
            return
        self._metrics.delivered(self.receiver.name, outcome.reason.value, len(alerts))
        log(
            logging.WARNING,
            "delivery_failed",
            receiver=self.receiver.name,
            reason=outcome.reason.value,
            detail=outcome.detail,
            alerts=len(alerts),
        )
