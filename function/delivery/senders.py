"""The senders of one address: threads that take what waits, post it, and tell what became of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from threading import Lock, Thread, current_thread
from urllib.parse import urlsplit

from function.alerts import Alert
from function.delivery.health import Health
from function.delivery.limits import Limits
from function.delivery.parcel import Parcel
from function.delivery.post import Poster
from function.delivery.queue import Item, Queue
from function.logs import exception, log_limited
from function.metrics import Metrics
from function.receivers import Answer, Outcome, Reason, Receiver, Refused, Unavailable

_CLOCK = 60.0  # seconds between two looks at the receiver's clock
_RETRY_AFTER = 0.1  # seconds before the one retry of a broken connection or a passing error


class Senders:
    """A few senders for one of a receiver's URLs, started when there is something to do."""

    def __init__(self, receiver: Receiver, url: str, limits: Limits, metrics: Metrics) -> None:
        self.address = address_of(url)
        self._receiver = receiver
        self._url = url
        self._limits = limits
        self._batch = min(limits.batch, receiver.largest_batch or limits.batch)
        self._most = min(limits.concurrency, receiver.most_posts or limits.concurrency)
        self._metrics = metrics
        health = Health(receiver.name, self.address, limits.budget, metrics)
        self.queue = Queue(self.address, self._most, limits.budget, health)
        self._clock_at = 0.0  # when the receiver's clock is looked at again
        self._threads: set[Thread] = set()
        self._lock = Lock()

    def put(self, parcel: Parcel) -> None:
        """Take over a request's alerts; each is settled sooner or later."""
        self.queue.put(parcel)
        self._start_one()

    def close(self) -> None:
        """Deliver what waits, then end; what is put in later is refused."""
        self.queue.close()
        for thread in [*self._threads]:
            thread.join()

    def _start_one(self) -> None:
        """Start one more sender, where alerts wait for one.

        When it is needed, not before: a server forks after this object was made.
        """
        if self.queue.has_idle_sender or len(self._threads) >= self._most or not self.queue:
            return
        thread = Thread(target=self._run, name=f"sender to {self.address}", daemon=True)
        try:
            with self._lock:
                if len(self._threads) < self._most:
                    thread.start()
                    self._threads.add(thread)
        except (RuntimeError, MemoryError):  # the system has no thread left, for now
            if not self._threads:
                self.queue.refuse_all(Unavailable(Reason.BUSY, "no thread can be started"))

    def _run(self) -> None:
        """A sender's life: take what is waiting, deliver it, again."""
        poster = Poster(self._url)
        try:
            while self._work(poster):
                pass
        finally:
            with self._lock:
                self._threads.discard(current_thread())
            poster.close()

    def _work(self, poster: Poster) -> bool:
        """Deliver one batch; False when it is time to end."""
        batch: list[Item] = []
        try:
            if not self.queue.take(batch, self._batch):
                return False
            self._start_one()
            if batch:
                self._deliver(poster, batch)
        except Exception as error:  # noqa: BLE001 - a sender outlives any bug: others wait for it
            for item in batch:
                with suppress(Exception):  # out of memory, say: the next one may do
                    self.queue.settle([item], error)
            with suppress(Exception):
                exception("unexpected_error", path="delivery")
        self.queue.done()
        return True

    def _deliver(self, poster: Poster, items: Sequence[Item]) -> None:
        """Post alerts at once; where the receiver refuses the lot, halves find which it means."""
        outcome = self._post(poster, items)
        if len(items) > 1 and _blames_the_batch(outcome):
            middle = len(items) // 2
            self._deliver(poster, items[:middle])
            self._deliver(poster, items[middle:])
            return
        if isinstance(outcome, Unavailable) and outcome.retry_after:
            self._tell("receiver_pauses", items, outcome, seconds=outcome.retry_after)
            self.queue.pause(items, outcome)
            return
        if isinstance(outcome, Refused | Unavailable):
            self._tell("delivery_failed", items, outcome)
        self.queue.settle(items, outcome)

    def _post(self, poster: Poster, items: Sequence[Item]) -> Outcome:
        """One POST, and another one where the first met something that passes."""
        deadline = max(parcel.deadline for parcel, _ in items)
        outcome = self._post_once(poster, items, deadline)
        again = time.monotonic() + _RETRY_AFTER < deadline
        if isinstance(outcome, Unavailable) and outcome.passing and again:
            time.sleep(_RETRY_AFTER)
            outcome = self._post_once(poster, items, deadline)
        return outcome

    def _post_once(self, poster: Poster, items: Sequence[Item], deadline: float) -> Outcome:
        start = time.monotonic()
        alerts = [parcel.alerts[index] for parcel, index in items]
        request = self._receiver.request(alerts, time.time_ns())
        answer = poster.post(request, min(start + self._limits.post_timeout, deadline))
        seconds = time.monotonic() - start
        self._metrics.posted(len(items), seconds)
        if isinstance(answer, Unavailable):
            outcome: Outcome = answer
        else:
            outcome = self._receiver.outcome(answer)
            self._look_at_the_clock(alerts, answer)
        self.queue.note(outcome, seconds)
        return outcome

    def _look_at_the_clock(self, alerts: Sequence[Alert], answer: Answer) -> None:
        """Warn, once a minute, where alerts are over by the receiver's clock when they arrive."""
        now = time.monotonic()
        if not self._receiver.is_told_the_end or now < self._clock_at:
            return
        self._clock_at = now + _CLOCK
        shortest = min(alert.keep_firing_for for alert in alerts) / 1e9
        if (ahead := answer.clock_ahead()) > shortest:
            log_limited(
                logging.WARNING,
                "clock_behind",
                receiver=self._receiver.name,
                address=self.address,
                seconds=round(ahead),
                keep_firing_for=round(shortest),
            )

    def _tell(
        self, event: str, items: Sequence[Item], outcome: Refused | Unavailable, **more: int
    ) -> None:
        """Write down what came of a POST whose alerts were not accepted."""
        log_limited(
            logging.WARNING,
            event,
            receiver=self._receiver.name,
            address=self.address,
            reason=outcome.reason.value,
            detail=outcome.detail,
            alerts=len(items),
            **more,
        )


def _blames_the_batch(outcome: Outcome) -> bool:
    """Whether a part of the batch may do where all of it does not."""
    if isinstance(outcome, Unavailable):
        return outcome.too_large
    return isinstance(outcome, Refused)


def address_of(url: str) -> str:
    """``host:port`` of a URL, which is all of it that is not secret."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
