"""The whole path of a request: events → records → rules → alerts → delivery → a reply.

Without a web framework, so that both doors call it. KafkaSource looks at nothing but the reply's
status, so the status says what may happen next: 2xx only when every alert was accepted, 503 while
trying again can help, another 4xx where it cannot.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from function import alerts as alerting
from function import events, records, replies
from function.alerts import Alert
from function.delivery import Delivery
from function.errors import (
    AlertRefused,
    EventError,
    ReceiverUnavailable,
    RecordError,
    RequestError,
)
from function.events import Event
from function.json_text import JSON
from function.logs import log
from function.metrics import Metrics
from function.receivers import Accepted, Outcome, Reason, Receiver, Refused, Unavailable
from function.records import LogRecord
from function.repeats import Repeats
from function.replies import Reply
from function.rules import Match, RuleSet

RETRY_AFTER = 5  # seconds; KafkaSource keeps to its own back-off, other senders may look


@dataclass(frozen=True, slots=True)
class Found:
    """What a request held in one place: a record, or what was wrong there.

    ``position`` says where in a batch ("event 3, record 2"); None where there is only one place.
    """

    record: LogRecord | RequestError
    position: str | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of a request before delivery. ``positions`` are those of the alerts."""

    records: int
    problems: Sequence[RequestError]
    alerts: Sequence[Alert]
    positions: Sequence[str | None]
    headers: Mapping[str, str]
    receiver: Receiver
    repeats: Repeats

    def reply(self, outcomes: Sequence[Outcome]) -> Reply:
        """The reply when each alert has its outcome."""
        for alert, outcome in zip(self.alerts, outcomes, strict=True):
            if isinstance(outcome, Accepted):
                self.repeats.delivered(alert)
        undelivered = [
            error
            for outcome, position in zip(outcomes, self.positions, strict=True)
            if (error := _undelivered(outcome, position))
        ]
        problems = [*undelivered, *self.problems]
        if problems:
            return _refuse(problems, self.headers)
        return self._summary() if _wants_summary(self.headers) else replies.no_content()

    def _summary(self) -> Reply:
        now = time.time_ns()
        return replies.summary(
            {
                "records": self.records,
                "matches": len(self.alerts),
                "alerts": [self.receiver.as_sent(alert, now) for alert in self.alerts],
            }
        )


@dataclass(frozen=True, slots=True)
class Pending:
    """A reply that waits for delivery; ``budget`` is how long a door waits, in seconds."""

    future: Future[list[Outcome]]
    budget: float
    receipt: Receipt

    def give_up(self) -> Reply:
        """The reply where no outcome came in time; the alerts may still arrive, and then twice."""
        late = Unavailable(Reason.TIMEOUT, "no answer in time")
        return self.receipt.reply([late] * len(self.receipt.alerts))


class Sink:
    """Applies rules to what the doors receive and hands alerts to ``delivery``.

    ``rules()`` gives the rules that are in force when a request comes.
    """

    def __init__(self, rules: Callable[[], RuleSet], delivery: Delivery, metrics: Metrics) -> None:
        self.rules = rules
        self.delivery = delivery
        self._metrics = metrics
        self._repeats = Repeats()

    def receive(self, headers: Mapping[str, str], body: bytes) -> Reply | Pending:
        """Take an HTTP message with CloudEvents; ``headers`` have lower-case names."""
        try:
            found = _records_of(events.read(headers, body))
        except EventError as error:
            return _refuse([error], headers)
        return self._process(headers, found)

    def receive_records(self, headers: Mapping[str, str], body: bytes) -> Reply | Pending:
        """Take plain Fluent Bit JSON: one record, an array, or JSON lines."""
        try:
            events.require_readable(events.media_type(headers.get("content-type", "")))
        except EventError as error:
            return _refuse([error], headers)
        return self._process(headers, _read(body or None, received=None, event=None))

    def _process(self, headers: Mapping[str, str], found: Sequence[Found]) -> Reply | Pending:
        now, rules = time.time_ns(), self.rules()
        problems: list[RequestError] = []
        fired: list[Alert] = []
        positions: list[str | None] = []
        for place in found:
            if isinstance(place.record, RequestError):
                problems.append(place.record)
                continue
            new = self._new_alerts(rules.match(place.record), now)
            fired += new
            positions += [place.position] * len(new)
        receipt = Receipt(
            records=len(found),
            problems=problems,
            alerts=fired,
            positions=positions,
            headers=headers,
            receiver=self.delivery.receiver,
            repeats=self._repeats,
        )
        if not fired:
            return receipt.reply([])
        return Pending(self.delivery.submit(fired), self.delivery.budget, receipt)

    def _new_alerts(self, matches: Sequence[Match], now: int) -> list[Alert]:
        """The alerts of one record, without those whose repeat_interval is not over."""
        new = []
        for match in matches:
            alert = alerting.alert(match, now)
            if self._repeats.holds_back(alert):
                self._metrics.alert_held_back()
            else:
                new.append(alert)
        return new


def _records_of(found: Sequence[Event | EventError]) -> list[Found]:
    """All records of all events, in order."""
    places: list[Found] = []
    for number, event in enumerate(found, 1):
        position = f"event {number}" if len(found) > 1 else None
        if isinstance(event, EventError):
            places.append(Found(event, event.position))
        else:
            places += _read(event.data, event.time, position)
    return places


def _read(data: JSON, received: int | None, event: str | None) -> list[Found]:
    """The records in one event's data; where it holds none, the reason why in their place."""
    try:
        read = records.read(data, received)
    except RecordError as error:
        read = [error]
    return [_place(record, event) for record in read]


def _place(record: LogRecord | RecordError, event: str | None) -> Found:
    if isinstance(record, LogRecord):
        return Found(record, event)
    position = ", ".join(filter(None, (event, record.position))) or None
    return Found(RecordError(record.detail, position), position)


def _undelivered(outcome: Outcome, position: str | None) -> RequestError | None:
    """The error that an outcome means for the request; None for an accepted alert."""
    if isinstance(outcome, Refused):
        return AlertRefused(outcome.detail, position)
    if isinstance(outcome, Unavailable):
        return ReceiverUnavailable(outcome.detail, outcome.retry_after or RETRY_AFTER, position)
    return None


def _wants_summary(headers: Mapping[str, str]) -> bool:
    """RFC 7240: ``Prefer: return=representation``, alone or among others.

    KafkaSource always sends ``Prefer: reply``, which asks for no such thing.
    """
    preferences = headers.get("prefer", "").lower().replace('"', "").split(",")
    return "return=representation" in (item.partition(";")[0].strip() for item in preferences)


def _refuse(problems: Sequence[RequestError], headers: Mapping[str, str]) -> Reply:
    reply = replies.refusal(problems)
    log(
        logging.WARNING,
        "request_refused",
        status=reply.status,
        detail=replies.sentence(replies.first(problems)),
        problems=len(problems),
        event_source=headers.get("ce-source"),  # of binary mode, all that KafkaSource sends
        event_id=headers.get("ce-id"),
    )
    return reply
