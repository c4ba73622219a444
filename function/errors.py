"""Every error this function raises on purpose.

::

    FunctionError
    ├─ ConfigError            the process cannot start; carries every problem found
    │  ├─ SettingsError       an environment variable
    │  └─ RulesError          the rule file; problems read file:line: path: message
    │     └─ RulesUnreadable  it cannot be read now
    └─ RequestError           this request cannot be acknowledged; carries its HTTP status
       ├─ EventError             400   not a CloudEvent, or a broken one
       │  ├─ ContentTooLarge     413   body over MAX_BODY_BYTES
       │  └─ UnsupportedContent  415   a content type that holds no log record
       ├─ TooMany                413   more events, records or alerts than are taken at once
       ├─ HeadTooLarge           431   too many header fields, or too much in them
       ├─ BodyIncomplete         503   the request broke off; sent again, it may arrive whole
       ├─ RecordError            400   the event's data is not a log record
       ├─ AlertRefused           422   the receiver will never take this alert
       └─ ReceiverUnavailable    503   the receiver may take it later
          └─ QueueFull           503   too much is waiting for it already

The statuses are chosen for KafkaSource, which retries 404, 408, 409, 429 and everything from 500
on, and gives up at once on the rest (eventing-kafka-broker, WebClientCloudEventSender.java).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar


class FunctionError(Exception):
    """The base of all errors below."""


class ConfigError(FunctionError):
    """The process cannot start as it is configured; ``problems`` holds one sentence each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class SettingsError(ConfigError):
    """Environment variables that cannot be used."""


class RulesError(ConfigError):
    """A rule file that cannot be used."""


class RulesUnreadable(RulesError):
    """A rule file that the system does not read now; a moment later it may."""


class RequestError(FunctionError):
    """A request that is answered with ``status`` and an RFC 9457 problem.

    ``position`` says which event and record of a batch are meant ("event 3"); None where the
    request holds only one.
    """

    status: ClassVar[int]
    title: ClassVar[str]
    reason: str  # in logs and metrics, one of few

    def __init__(self, detail: str, position: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.position = position


class EventError(RequestError):
    """The HTTP message is not a CloudEvent, or a broken one."""

    status = 400
    title = "Not a valid CloudEvent"
    reason = "event"


class ContentTooLarge(EventError):
    """The body is over MAX_BODY_BYTES."""

    status = 413
    title = "Request body too large"
    reason = "body_size"


class UnsupportedContent(EventError):
    """The content type is none that a log record comes in."""

    status = 415
    title = "Unsupported content type"
    reason = "content_type"


class TooMany(RequestError):
    """The request holds more events, records or alerts than are taken at once."""

    status = 413
    title = "Too much in one request"
    reason = "too_many"


class HeadTooLarge(RequestError):
    """The request's header fields are too many, or too large."""

    status = 431
    title = "Request header fields too large"
    reason = "headers"


class BodyIncomplete(RequestError):
    """The request's body broke off or stood still: no fault of the record in it."""

    status = 503
    title = "The request did not arrive whole"
    reason = "body_incomplete"


class RecordError(RequestError):
    """The event's data is not a log record: not JSON, or not a JSON object."""

    status = 400
    title = "Not a log record"
    reason = "record"

    def within(self, position: str | None) -> RecordError:
        """The same one, in an event at a position of a batch."""
        if not position:
            return self
        inner = f", {self.position}" if self.position else ""
        return RecordError(self.detail, f"{position}{inner}")


class AlertRefused(RequestError):
    """The receiver refused this very alert and always will."""

    status = 422
    title = "The receiver refused the alert"
    reason = "refused"


class ReceiverUnavailable(RequestError):
    """The receiver did not take the alert now; it may later.

    ``reason`` is the outcome's; ``retry_after`` seconds, where the receiver said when.
    """

    status = 503
    title = "The receiver is not available"

    def __init__(
        self, detail: str, position: str | None, reason: str, retry_after: int | None
    ) -> None:
        super().__init__(detail, position)
        self.reason = reason
        self.retry_after = retry_after


class QueueFull(ReceiverUnavailable):
    """Too many alerts wait for the receiver already; that they do not is no fault of its."""

    title = "Too many alerts are waiting"
