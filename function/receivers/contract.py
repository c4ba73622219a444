"""What every receiver is: alerts → one request, and one answer → an outcome.

The outcome separates what failed for good from what may succeed later (the contract of
Alertmanager's notifiers), because that decides the status KafkaSource gets to see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from function.alerts import Alert
from function.receivers.answers import Answer


class Reason(str, Enum):
    """Why alerts were not accepted: a closed set, the same in logs and metrics."""

    REFUSED = "refused"  # this very alert, for good
    AUTH = "auth"  # refuses us: 401, 403
    NOT_FOUND = "not_found"  # wrong URL: 404, 405, 410, a redirect
    RATE_LIMITED = "rate_limited"
    SERVER = "server"
    TIMEOUT = "timeout"
    BUSY = "busy"  # it has been away too long, or asked for a pause: not even tried
    FULL = "full"  # too much is waiting already
    CONNECTION = "connection"
    UNEXPECTED = "unexpected"  # an answer that this kind of receiver does not give


@dataclass(frozen=True, slots=True)
class Request:
    """What is posted: the headers of one HTTP POST and its body."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """The receiver has the alert."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The receiver will never take this alert; ``detail`` is its own explanation."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The receiver may take the alert later; in ``retry_after`` seconds, where it said so.

    ``passing``: what went wrong is often over a moment later. ``too_large``: fewer alerts at once
    may do.
    """

    reason: Reason
    detail: str
    retry_after: int | None = None
    passing: bool = False
    too_large: bool = False


Outcome = Accepted | Refused | Unavailable


class Receiver(Protocol):
    """A kind of receiver. ``now`` is in nanoseconds since 1970.

    The same request goes to all ``urls``, members of one cluster; that one of them accepts it is
    enough. ``largest_batch`` is the most alerts that one request may carry and ``most_posts`` how
    many requests may be under way at once, None for any number.
    """

    name: str
    urls: Sequence[str]
    largest_batch: int | None
    most_posts: int | None
    is_told_the_end: bool  # of alerts, as a time

    def request(self, alerts: Sequence[Alert], now: int) -> Request:
        """The POST that carries these alerts."""

    def outcome(self, answer: Answer) -> Outcome:
        """What an answer means for the alerts."""

    def as_sent(self, alert: Alert, now: int) -> Mapping[str, Any]:
        """One alert as it stands in the request's body."""


_REFUSALS = frozenset({400, 413, 422})
_PASSING = frozenset({502, 503, 504})
_REASONS = {401: Reason.AUTH, 403: Reason.AUTH, 429: Reason.RATE_LIMITED} | dict.fromkeys(
    (404, 405, 410), Reason.NOT_FOUND
)


class HTTPReceiver:
    """What most receivers have in common.

    A yes is believed where nothing in it contradicts, and a no where it is in the receiver's own
    words: what stands in between, a proxy or another server, knows nothing of the alert.
    """

    largest_batch: int | None = None
    most_posts: int | None = None
    is_told_the_end = False
    words: frozenset[str] = frozenset()  # texts that it answers with, whatever their content type

    def __init__(self, urls: Sequence[str]) -> None:
        self.urls = urls

    def outcome(self, answer: Answer) -> Outcome:
        """What an answer means.

        What blames the alert (400, 413, 422) is final. What blames us or the receiver is not: an
        operator can correct a URL or a password while KafkaSource tries again.
        """
        status = answer.status
        if 200 <= status < 300:
            if self.says_yes(answer) and not answer.is_contradiction(self.words):
                return Accepted()
            return Unavailable(Reason.UNEXPECTED, f"{answer.quoted()}, which is not a yes")
        if status in _REFUSALS:
            if self.says_no(answer):
                return Refused(Reason.REFUSED, answer.quoted())
            return Unavailable(Reason.UNEXPECTED, answer.quoted(), too_large=status == 413)
        if status >= 500:
            reason = Reason.SERVER
        elif 300 <= status < 400:
            reason = Reason.NOT_FOUND
        else:
            reason = _REASONS.get(status, Reason.UNEXPECTED)
        retry_after = answer.retry_after()
        passing = status in _PASSING and retry_after is None
        return Unavailable(reason, answer.quoted(), retry_after, passing)

    def says_yes(self, answer: Answer) -> bool:  # noqa: ARG002 - any 2xx is one
        """Whether a 2xx means that the receiver has the alerts."""
        return True

    def says_no(self, answer: Answer) -> bool:
        """Whether a 400, 413 or 422 is the receiver's own, and so about the alerts."""
        return isinstance(answer.json(), dict)
