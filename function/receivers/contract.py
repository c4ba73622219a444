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


class Reason(str, Enum):
    """Why alerts were not accepted: a closed set, the same in logs and metrics."""

    REFUSED = "refused"  # this very alert, for good
    AUTH = "auth"  # refuses us: 401, 403
    NOT_FOUND = "not_found"  # wrong URL: 404, 405, 410, a redirect
    RATE_LIMITED = "rate_limited"
    SERVER = "server"
    TIMEOUT = "timeout"
    BUSY = "busy"  # too much is waiting, or the receiver has been away too long: not even tried
    CONNECTION = "connection"
    UNEXPECTED = "unexpected"  # an answer that no receiver documents


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

    ``passing``: what went wrong is often over a moment later.
    """

    reason: Reason
    detail: str
    retry_after: int | None = None
    passing: bool = False


Outcome = Accepted | Refused | Unavailable


class Receiver(Protocol):
    """A kind of receiver. ``now`` is in nanoseconds since 1970.

    The same request goes to all ``urls``, members of one cluster; that one of them accepts it is
    enough. ``largest_batch`` is the most alerts that one request may carry, None for any number.
    """

    name: str
    urls: Sequence[str]
    largest_batch: int | None

    def request(self, alerts: Sequence[Alert], now: int) -> Request:
        """The POST that carries these alerts."""

    def outcome(self, status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
        """What an answer means for the alerts; ``body`` may be only its beginning."""

    def as_sent(self, alert: Alert, now: int) -> Mapping[str, Any]:
        """One alert as it stands in the request's body."""


_REFUSED = frozenset({400, 413, 422})
_PASSING = frozenset({502, 503, 504})
_REASONS = {401: Reason.AUTH, 403: Reason.AUTH, 429: Reason.RATE_LIMITED} | dict.fromkeys(
    (404, 405, 410), Reason.NOT_FOUND
)
_EXCERPT = 300  # characters of a receiver's explanation that are passed on


def outcome(status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
    """Read an answer as HTTP means it, which most receivers do.

    What blames the alert (400, 413, 422) is final. What blames us or the receiver is not: an
    operator can mend a URL or a password while KafkaSource tries again.
    """
    if 200 <= status < 300:
        return Accepted()
    explanation = " ".join(body.decode("utf-8", "replace").split())[:_EXCERPT]
    detail = f"answered {status}: {explanation}" if explanation else f"answered {status}"
    if status in _REFUSED:
        return Refused(Reason.REFUSED, detail)
    if status >= 500:
        reason = Reason.SERVER
    elif 300 <= status < 400:
        reason = Reason.NOT_FOUND
    else:
        reason = _REASONS.get(status, Reason.UNEXPECTED)
    retry_after = _seconds(headers.get("retry-after", ""))
    passing = status in _PASSING and retry_after is None
    return Unavailable(reason, detail, retry_after, passing)


def _seconds(retry_after: str) -> int | None:
    """Retry-After in its form of seconds; an HTTP date counts as not said."""
    digits = retry_after.strip()
    return int(digits[:9]) if digits.isascii() and digits.isdigit() else None


class HTTPReceiver:
    """What most receivers have in common: any number of alerts, and answers as HTTP means them."""

    largest_batch: int | None = None

    def __init__(self, urls: Sequence[str]) -> None:
        self.urls = urls

    def outcome(self, status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
        """What an answer means: the status says it."""
        return outcome(status, headers, body)
