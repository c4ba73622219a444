"""Nothing is sent twice that need not be: what this process has delivered, and has under way.

All alerts of a request are reserved in one step. One that is delivered, or whose labels were
within their repeat_interval, needs no POST. One that another request has under way waits for what
becomes of that; the others are this request's to deliver.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from itertools import groupby
from typing import NamedTuple

from function.formats.timestamps import SECOND
from function.receivers import Accepted, Outcome, Reason, Refused, Unavailable
from function.state.delivered import Delivered
from function.state.reservation import Claim, DeliveredBefore, HeldBack, Reservation, Wanted

Result = Outcome | Exception


class Waiting(NamedTuple):
    """Why a claim cannot wait for another request's; and what ends that it waits."""

    why_not: Callable[[str, object], Unavailable | None]
    stop: Callable[[object], None]


class State:
    """Says who delivers which alert. ``deliver`` posts claims, and calls ``settle`` for each.

    What was delivered is remembered for ``remembered`` seconds. A claim that has ``post_timeout``
    seconds left may be posted.
    """

    def __init__(
        self,
        deliver: Callable[[Sequence[Claim]], None],
        waiting: Waiting,
        remembered: float,
        post_timeout: float,
    ) -> None:
        self._deliver = deliver
        self._waiting = waiting
        self._remembered = int(remembered * SECOND)
        self._post_timeout = post_timeout
        self._events = Delivered()
        self._labels = Delivered()
        self._under_way: dict[Hashable, Claim] = {}
        self._lock = threading.Lock()  # guards all of the above that changes
        self._local = threading.local()

    def reserve(self, wanted: Sequence[Wanted], deadline: float) -> Reservation:
        """Reserve a request's alerts, and deliver those that are its own, at once.

        Returns before anything is delivered; the reservation's future holds the outcomes.
        """
        reservation = Reservation([len(each.receivers) for each in wanted], deadline)
        claims = [
            Claim(each, receiver, reservation, index)
            for index, each in enumerate(wanted)
            for receiver in each.receivers
        ]
        step = _Step()
        with self._lock:
            for claim in claims:
                self._reserve(claim, step)
        self._carry_out(step)
        if reservation.waits:
            reservation.future.add_done_callback(lambda _: self._waiting.stop(reservation))
        return reservation

    def settle(self, results: Sequence[tuple[Claim, Result]]) -> None:
        """Note what became of claims' POSTs, and tell all who wait for it."""
        settled: deque[Sequence[tuple[Claim, Result]]] | None
        settled = getattr(self._local, "settled", None)
        if settled is not None:  # within another one: a claim that followed has failed at once
            settled.append(results)
            return
        self._local.settled = settled = deque([results])
        try:
            while settled:
                step = _Step()
                with self._lock:
                    for claim, result in settled.popleft():
                        self._settle(claim, result, step)
                self._carry_out(step)
        finally:
            self._local.settled = None

    def _carry_out(self, step: _Step) -> None:
        """What a step has decided, without the lock."""
        if step.owned:
            self._deliver(step.owned)
        for reservation, told in groupby(step.told, _reservation):
            reservation.tell([(claim.index, result) for claim, result in told])

    def _reserve(self, claim: Claim, step: _Step) -> None:
        """Find out whether a claim needs a POST, and whose it is."""
        if claim.event is not None and self._events.holds(claim.event):
            step.told.append((claim, DeliveredBefore()))
        elif claim.labels is not None and self._labels.holds(claim.labels):
            step.told.append((claim, HeldBack()))
        elif (owner := self._owner(claim, step)) is None:
            for key in claim.keys:
                self._under_way[key] = claim
            step.owned.append(claim)
        else:
            self._wait(claim, owner, step)

    def _owner(self, claim: Claim, step: _Step) -> Claim | None:
        """Who has one of a claim's keys under way."""
        for key in claim.keys:
            while (owner := self._under_way.get(key)) is not None:
                if time.monotonic() < owner.deadline + self._post_timeout + 1:
                    return owner
                # Nothing can become of it any more, and nobody has said so: a thread died of it.
                self._settle(owner, Unavailable(Reason.TIMEOUT, "its outcome is not known"), step)
        return None

    def _wait(self, claim: Claim, owner: Claim, step: _Step) -> None:
        problem = None
        if claim.reservation is not owner.reservation:
            problem = self._waiting.why_not(claim.receiver, claim.reservation)
        if problem is not None:
            step.told.append((claim, problem))
            return
        claim.reservation.waits = True
        owner.waiters.append(claim)

    def _settle(self, claim: Claim, result: Result, step: _Step) -> None:
        for key in claim.keys:
            if self._under_way.get(key) is claim:
                del self._under_way[key]
        step.told.append((claim, result))
        if isinstance(result, Accepted):
            self._remember(claim)
        if not claim.waiters:
            return
        waiters, claim.waiters = claim.waiters, []
        left = [waiter for waiter in waiters if not self._share(claim, waiter, result, step)]
        if left:
            self._succeed(left, result, step)

    def _share(self, owner: Claim, waiter: Claim, result: Result, step: _Step) -> bool:
        """Tell a waiter the owner's result where it is its own as well."""
        ours = owner.reservation is waiter.reservation
        if isinstance(result, Accepted):
            if waiter.equals(owner):
                self._remember(waiter)
                step.told.append((waiter, result if ours else DeliveredBefore()))
            else:  # what it waited for is an alert with its labels
                step.told.append((waiter, HeldBack()))
            return True
        # A refusal is of one alert. Where one cannot be delivered now, its request comes again.
        if waiter.equals(owner) if isinstance(result, Refused) else ours:
            step.told.append((waiter, result))
            return True
        return False

    def _succeed(self, waiters: Sequence[Claim], result: Result, step: _Step) -> None:
        """The first waiter that has time for a POST becomes the owner; the others wait on."""
        latest = time.monotonic() + self._post_timeout
        late: list[Claim] = []
        for waiter in waiters:
            if waiter.deadline > latest:
                self._reserve(waiter, step)
            else:
                late.append(waiter)
        for waiter in late:
            owner = self._owner(waiter, step)
            if owner is None:
                step.told.append((waiter, result))
            else:
                owner.waiters.append(waiter)

    def _remember(self, claim: Claim) -> None:
        if claim.event is not None:
            self._events.remember(claim.event, self._remembered)
        if claim.labels is not None:
            self._labels.remember(claim.labels, claim.alert.repeat_interval)


def _reservation(told: tuple[Claim, Result]) -> Reservation:
    return told[0].reservation


class _Step:
    """What is to be done when the lock is free: POSTs to make, and results to tell."""

    __slots__ = ("owned", "told")

    def __init__(self) -> None:
        self.owned: list[Claim] = []
        self.told: list[tuple[Claim, Result]] = []
