"""The alerts of one request on their way to one receiver.

Every member of a cluster gets every alert. An alert is accepted as soon as one of them has it, and
failed when all have failed. For the others it is a copy then, which nobody waits for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Protocol

from function.alerts import Alert
from function.delivery.places import Places
from function.receivers import Accepted, Outcome, Refused, Unavailable

# What became of an alert; an exception is a bug of ours.
Result = Outcome | Exception
# Is told what became of alerts, each by its place in its request; of each once.
Settled = Callable[[Sequence[tuple[int, Result]]], None]
_ALERT = 1_500  # bytes of an alert that waits, without its texts


class Parcel:
    """Alerts for the one address of a receiver, by a deadline on the monotonic clock."""

    def __init__(
        self, alerts: Sequence[Alert], deadline: float, settled: Settled, places: Places
    ) -> None:
        self.alerts = alerts
        self.deadline = deadline
        self._settled = settled
        self._places = places
        self._has_place = False
        self._open = len(alerts)  # alerts that somebody waits for
        self.weight = sum(map(weight, alerts))

    def is_wanted(self, index: int) -> bool:  # noqa: ARG002 - by every one of them
        """Whether an alert is to be posted."""
        return True

    def depends_on(self, member: Member) -> bool:  # noqa: ARG002 - there is no other
        """Whether somebody waits for this member alone: all others have failed."""
        return self._open > 0

    def may_wait(self) -> bool:
        """Whether the request may wait until a receiver's pause is over: few may."""
        self._has_place = self._has_place or self._places.take(self)
        return self._has_place

    def settle(self, indexes: Sequence[int], member: Member, result: Result) -> set[int]:  # noqa: ARG002 - there is no other
        """Note what became of alerts at a member; those that it is to try again, as copies."""
        self._decide([(index, result) for index in indexes])
        return set()

    def give_up(self, indexes: Iterable[int], member: Member) -> None:
        """A member will not get alerts any more."""

    def _decide(self, decided: Sequence[tuple[int, Result]]) -> None:
        self._open -= len(decided)
        if self._has_place and not self._open:
            self._places.leave(self)
        self._settled(decided)


class Member(Protocol):
    """A member of a cluster: its address, ``host:port``, and its queue."""

    address: str

    def reconsider(self, parcel: Parcel) -> None:
        """All other members have failed for an alert that waits here."""


class ClusterParcel(Parcel):
    """Alerts for all members of a cluster.

    ``missed`` is told the address of a member that has not got an alert though another one has it.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - a parcel's, and two
        self,
        alerts: Sequence[Alert],
        deadline: float,
        settled: Settled,
        places: Places,
        members: Sequence[Member],
        missed: Callable[[str], None],
    ) -> None:
        super().__init__(alerts, deadline, settled, places)
        self._members = members
        self._missed = missed
        self._decisions: dict[int, bool] = {}  # by alert: was it accepted?
        self._failures: dict[int, dict[Member, Result]] = {}  # by alert, until it is decided
        self._given_up: dict[int, set[Member]] = {}  # by alert, who will not get it
        self._lock = Lock()

    def is_wanted(self, index: int) -> bool:
        """Whether an alert is to be posted: not where all have failed, and it will come again."""
        return self._decisions.get(index, True)

    def depends_on(self, member: Member) -> bool:
        """Whether somebody waits for this member alone: all others have failed."""
        others = {*self._members} - {member}
        with self._lock:
            return any(
                index not in self._decisions and self._failures.get(index, {}).keys() >= others
                for index in range(len(self.alerts))
            )

    def settle(self, indexes: Sequence[int], member: Member, result: Result) -> set[int]:
        """Note what became of alerts at a member; those that it is to try again, as copies."""
        decided: list[tuple[int, Result]] = []
        with self._lock:
            for index in indexes:
                if (decision := self._decided(index, member, result)) is not None:
                    decided.append((index, decision))
            last = {other for index in indexes if (other := self._last_hope(index))}
            may_try = isinstance(result, Unavailable)
            again = {index for index in indexes if may_try and self.is_wanted(index)}
        for other in last:
            other.reconsider(self)
        if decided:
            self._decide(decided)
        return again

    def give_up(self, indexes: Iterable[int], member: Member) -> None:
        """A member will not get alerts any more."""
        with self._lock:
            for index in indexes:
                if self._decisions.get(index):
                    self._missed(member.address)
                else:
                    self._given_up.setdefault(index, set()).add(member)

    def _last_hope(self, index: int) -> Member | None:
        """The one member that has not failed, where an alert depends on it from now on."""
        failures = self._failures.get(index, {})
        if len(failures) != len(self._members) - 1:
            return None
        return next(member for member in self._members if member not in failures)

    def _decided(self, index: int, member: Member, result: Result) -> Result | None:
        """What decides the alert's outcome now; None where it is decided, or is not yet."""
        if index in self._decisions:
            return None
        if isinstance(result, Accepted):
            self._failures.pop(index, None)
            for other in self._given_up.pop(index, ()):
                self._missed(other.address)
            self._decisions[index] = True
            return result
        failures = self._failures.setdefault(index, {})
        failures[member] = result
        if len(failures) < len(self._members):
            return None
        del self._failures[index]
        self._decisions[index] = False
        return min(failures.values(), key=_preference)


def weight(alert: Alert) -> int:
    """About how many bytes an alert takes while it waits."""
    labels, annotations = alert.labels.values(), alert.annotations.values()
    return _ALERT + sum(map(len, labels)) + sum(map(len, annotations))


def _preference(result: Result) -> int:
    """Of several failures the lowest counts: what may succeed later is not given up."""
    if isinstance(result, Unavailable):
        return 0
    return 2 if isinstance(result, Refused) else 1
