"""Alerts on their way: to every receiver that they are for, and to every member of a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from function.alerts import Alert
from function.delivery.limits import Limits, whole_seconds
from function.delivery.parcel import ClusterParcel, Parcel, Settled
from function.delivery.places import MOST, Places
from function.delivery.senders import Senders
from function.metrics import Metrics
from function.receivers import Reason, Receiver, Unavailable


class Delivery:
    """Posts alerts to receivers, each known by its name, within the limits."""

    def __init__(self, receivers: Mapping[str, Receiver], limits: Limits, metrics: Metrics) -> None:
        self.receivers = receivers
        self.limits = limits
        self._places = Places()
        self._metrics = metrics
        self._members = {
            name: [Senders(receiver, url, limits, metrics) for url in receiver.urls]
            for name, receiver in receivers.items()
        }
        metrics.watch_waiting(self._waiting)

    def submit(
        self, receiver: str, alerts: Sequence[Alert], deadline: float, settled: Settled
    ) -> None:
        """Send alerts to a receiver, by a deadline on the monotonic clock.

        Returns at once. ``settled`` is told of each alert, soon after the deadline at the latest;
        mostly by another thread.
        """
        members = self._members[receiver]
        if len(members) == 1:
            members[0].put(Parcel(alerts, deadline, settled, self._places))
            return
        queues = [member.queue for member in members]
        missed = partial(self._metrics.member_missed, self.receivers[receiver].name)
        parcel = ClusterParcel(alerts, deadline, settled, self._places, queues, missed)
        for member in members:
            member.put(parcel)

    def why_not_wait(self, receiver: str, holder: object) -> Unavailable | None:
        """Why a request cannot wait for another one's alert; None where it can, as most can.

        Where the receiver wants to be left alone, only few may; ``stop_waiting`` ends it.
        """
        pause = min(member.queue.pause_left() for member in self._members[receiver])
        if pause <= 0 or self._places.take(holder):
            return None
        waiting = f"{MOST} requests wait for the end of the receiver's pause already"
        return Unavailable(Reason.BUSY, waiting, whole_seconds(pause))

    def stop_waiting(self, holder: object) -> None:
        """A request does not wait any more."""
        self._places.leave(holder)

    def close(self) -> None:
        """Deliver what waits, then end; what is submitted later is refused."""
        for member in self._all():
            member.close()

    def _all(self) -> list[Senders]:
        return [member for members in self._members.values() for member in members]

    def _waiting(self) -> int:
        return sum(len(member.queue) for member in self._all())
