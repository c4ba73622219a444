"""What waits for one address, which of it may go, and when.

Group commit: a sender that is free takes whatever waits, up to a batch. Nothing is delayed when
there is little to do; when there is much, alerts share POSTs.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from threading import Condition, Lock

from function.delivery.adaptive import AdaptiveLimit
from function.delivery.health import Health
from function.delivery.limits import whole_seconds
from function.delivery.parcel import Parcel, Result
from function.delivery.places import MOST
from function.receivers import Accepted, Outcome, Reason, Refused, Unavailable

LARGEST = 80 * 1024 * 1024  # bytes that may wait for one address
ALWAYS = 20_000  # alerts that may wait whatever they weigh: those of the two largest requests
_COPIES_AFTER = 1.0  # seconds before a member that failed is asked again to take copies

Item = tuple[Parcel, int]  # an alert, by its place in its request


class Queue:
    """Alerts for one address, ``host:port``, of which so many batches may be taken at a time.

    ``budget`` is how long a request waits, in seconds.
    """

    def __init__(self, address: str, most: int, budget: float, health: Health) -> None:
        self.address = address
        self._limit = AdaptiveLimit(most)
        self._budget = budget
        self._health = health
        self._items: deque[Item] = deque()
        self._weight = 0.0  # of _items, in bytes
        self._taken = 0  # batches that senders are busy with
        self._pause_until = 0.0  # the receiver said Retry-After
        self._copies_at = 0.0  # the member has just failed, and what waits are copies
        self._closed = False
        self._idle = 0  # senders that wait for something
        self._waking = False  # one of them was told that there is something
        self._lock = Lock()  # guards all of the above that changes
        self._changed = Condition(self._lock)

    def __len__(self) -> int:
        """How many alerts wait."""
        return len(self._items)

    @property
    def has_idle_sender(self) -> bool:
        """Whether a sender waits for something to do."""
        return self._idle > 0

    def put(self, parcel: Parcel) -> None:
        """Take over a request's alerts; they are settled at once where waiting would be in vain."""
        now = time.monotonic()
        with self._lock:
            problem = self._why_not_now(now, parcel)
            if problem is None:
                self._items.extend((parcel, index) for index in range(len(parcel.alerts)))
                self._weight += parcel.weight
                self._copies_at = 0.0
                self._wake_one()
        if problem is not None:
            self.settle([(parcel, index) for index in range(len(parcel.alerts))], problem)

    def take(self, batch: list[Item], most: int) -> bool:
        """Wait for alerts and move some into ``batch``; False when it is time to end.

        Into a list of the caller's, so that none is lost where memory runs out on the way. The
        caller says ``done`` afterwards.
        """
        with self._lock:
            while (seconds := self._seconds_to_wait()) != 0:
                if self._closed and not self._items:
                    return False
                self._idle += 1
                try:
                    self._changed.wait(seconds)
                finally:
                    self._idle -= 1
                    self._waking = False
            self._taken += 1
            while self._items and len(batch) < most:
                batch.append(self._items[0])
                parcel, _ = self._items.popleft()
                self._weight -= parcel.weight / len(parcel.alerts)
            self._wake_one()
        self._leave_out_late(batch)
        return True

    def _leave_out_late(self, batch: list[Item]) -> None:
        """Settle what has waited too long, and forget what nobody wants any more."""
        now = time.monotonic()
        late = [item for item in batch if item[0].deadline <= now]
        if late:
            reason = "the receiver was busy for the whole time"
            self.settle(late, Unavailable(Reason.TIMEOUT, reason))
        batch[:] = [
            (parcel, index)
            for parcel, index in batch
            if parcel.deadline > now and parcel.is_wanted(index)
        ]

    def done(self) -> None:
        """A sender is done with what it took."""
        with self._lock:
            self._taken = max(0, self._taken - 1)
            self._wake_one()

    def note(self, outcome: Outcome, seconds: float) -> None:
        """A POST came to this, and took so long."""
        with self._lock:
            self._health.note(outcome)
            self._limit.learn(seconds)

    def settle(self, items: Iterable[Item], result: Result) -> None:
        """Tell what became of alerts. Copies are tried again for as long as they have time."""
        if isinstance(result, Refused | Unavailable):
            result = replace(result, detail=f"{self.address}: {result.detail}")
        again: list[Item] = []
        for parcel, some in groupby(items, itemgetter(0)):
            indexes = [index for _, index in some]
            wanted = parcel.settle(indexes, self, result)
            if not self._may_try_again(parcel):
                wanted = set()
            again += ((parcel, index) for index in indexes if index in wanted)
            if not isinstance(result, Accepted):
                parcel.give_up({*indexes} - wanted, self)
        if again:
            with self._lock:
                self._copies_at = time.monotonic() + _COPIES_AFTER
                self._push(again)

    def pause(self, items: Sequence[Item], asked: Unavailable) -> None:
        """The receiver asks for a pause: alerts that can wait until its end leave together then."""
        now = time.monotonic()
        with self._lock:
            self._pause_until = max(self._pause_until, now + (asked.retry_after or 0))
            self._push(items)
            verdicts = {item[0]: self._why_not_pause(now, item[0]) for item in self._items}
            problems = [(item, problem) for item in self._items if (problem := verdicts[item[0]])]
            if problems:
                self._keep(lambda item: verdicts[item[0]] is None)
            self._wake_one()
        posted = set(items)
        for item, problem in problems:
            told = replace(asked, retry_after=problem.retry_after) if item in posted else problem
            self.settle([item], told)

    def pause_left(self) -> float:
        """Seconds for which the receiver wants to be left alone; 0 or less where it does not."""
        return self._pause_until - time.monotonic()

    def reconsider(self, parcel: Parcel) -> None:
        """All other members have failed: alerts that only waited as copies may have to go."""
        if self.pause_left() <= 0:
            return
        with self._lock:
            problem = self._why_not_pause(time.monotonic(), parcel)
            if problem is None:
                return
            waiting = [item for item in self._items if item[0] is parcel]
            self._keep(lambda item: item[0] is not parcel)
        self.settle(waiting, problem)

    def refuse_all(self, problem: Unavailable) -> None:
        """Nobody can post anything."""
        with self._lock:
            waiting = [*self._items]
            self._keep(lambda _item: False)
        self.settle(waiting, problem)

    def close(self) -> None:
        """Let senders end when nothing waits any more; what is put in later is refused."""
        with self._lock:
            self._closed = True
            self._changed.notify_all()

    def _why_not_now(self, now: float, parcel: Parcel) -> Unavailable | None:
        """Why waiting would be in vain; None where it may help."""
        if self._closed:
            return Unavailable(Reason.BUSY, "the function is stopping")
        if self._is_full(parcel):
            waiting = f"{len(self._items)} alerts are waiting already"
            return Unavailable(Reason.FULL, waiting)
        if now < self._pause_until:
            return self._why_not_pause(now, parcel)
        if self._health.is_down(now) and (self._items or self._taken):
            away = "the receiver has been away for a while; one request is asking again"
            return Unavailable(Reason.BUSY, away)
        return None

    def _is_full(self, parcel: Parcel) -> bool:
        if not self._items or len(self._items) + len(parcel.alerts) <= ALWAYS:
            return False
        return self._weight + parcel.weight > LARGEST

    def _why_not_pause(self, now: float, parcel: Parcel) -> Unavailable | None:
        """Why alerts cannot wait until the pause is over; None where they can."""
        left = self._pause_until - now
        is_waited_for = parcel.depends_on(self)
        if parcel.deadline <= self._pause_until or (is_waited_for and left > self._budget / 2):
            asked = "the receiver has asked for a pause"
            return Unavailable(Reason.BUSY, asked, whole_seconds(left))
        if is_waited_for and not parcel.may_wait():
            waiting = f"{MOST} requests wait for the end of the receiver's pause already"
            return Unavailable(Reason.BUSY, waiting, whole_seconds(left))
        return None

    def _wake_one(self) -> None:
        """Let one more sender begin, where there is something for it to do; at the end, let all.

        One at a time: it takes all that waits then, and wakes the next where something is left.
        """
        if self._closed:
            self._changed.notify_all()
        elif self._items and self._idle and not self._waking and self._taken < self._limit.now:
            self._waking = True
            self._changed.notify()

    def _seconds_to_wait(self) -> float | None:
        """Seconds until something may be taken; None where that is not known."""
        if not self._items or self._taken >= self._limit.now:
            return None
        if self._closed:
            return 0
        return max(0, max(self._pause_until, self._copies_at) - time.monotonic())

    def _may_try_again(self, parcel: Parcel) -> bool:
        return not self._closed and time.monotonic() + _COPIES_AFTER < parcel.deadline

    def _push(self, items: Sequence[Item]) -> None:
        """Put alerts back to the front."""
        self._items.extendleft(reversed(items))
        self._weight += sum(parcel.weight / len(parcel.alerts) for parcel, _ in items)

    def _keep(self, wanted: Callable[[Item], bool]) -> None:
        """Let go of what is not wanted any more."""
        self._items = deque(filter(wanted, self._items))
        self._weight = sum(parcel.weight / len(parcel.alerts) for parcel, _ in self._items)
