"""One request's whole life: read → match → reserve → deliver → remember → reply.

Without a web framework, so that every server calls it. KafkaSource looks at nothing but the reply's
status, so the status says what may happen next: 2xx only when every alert was accepted, 503 while
trying again can help, another 4xx where it cannot.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Protocol

from function import alerts, bounds, events, records, replies
from function.alerts import Alert
from function.delivery import Delivery
from function.errors import (
    AlertRefused,
    EventError,
    QueueFull,
    ReceiverUnavailable,
    RecordError,
    RequestError,
    TooMany,
)
from function.events import Event
from function.formats.json_text import JSON
from function.logs import log
from function.metrics import Metrics
from function.receivers import Accepted, Outcome, Reason, Refused, Unavailable
from function.records import LogRecord
from function.replies import Headers, Reply
from function.rules import RuleSet
from function.state import Claim, DeliveredBefore, HeldBack, State, Waiting, Wanted
from function.turns import Turns

_FEW = 200  # alerts of a request whose body is not large


class Fired(NamedTuple):
    """An alert of a request, and which record it comes from.

    ``position`` is its event's in a batch, ``event`` a digest of that, ``number`` its record's.
    """

    alert: Alert
    position: str | None
    event: bytes | None
    number: int


class WayOut(Protocol):
    """Where alerts leave: they are posted, or they are the reply."""

    name: str
    budget: float  # seconds that a request may wait for it

    def send(self, fired: Sequence[Fired], deadline: float) -> Future[list[Outcome]]:
        """Let alerts out; the future holds an outcome for each, in order."""

    def reply(self, alerts: Sequence[Alert]) -> Reply:
        """The reply where all alerts were accepted."""

    def as_sent(self, alert: Alert) -> Mapping[str, object]:
        """One alert as it leaves."""


class Posting:
    """Posts alerts to receivers, none twice that need not be.

    What was delivered is remembered for ``remembered`` seconds.
    """

    def __init__(self, delivery: Delivery, remembered: float, metrics: Metrics) -> None:
        self._delivery = delivery
        self._receivers = [*delivery.receivers]
        self._metrics = metrics
        self.name = ", ".join(self._receivers)
        self.budget = delivery.limits.budget
        waiting = Waiting(delivery.why_not_wait, delivery.stop_waiting)
        timeout = delivery.limits.post_timeout
        self._state = State(self._deliver, waiting, remembered, timeout)

    def send(self, fired: Sequence[Fired], deadline: float) -> Future[list[Outcome]]:
        """Reserve alerts for every receiver, and deliver those that no other request has."""
        wanted = [Wanted(each.alert, self._receivers, each.event, each.number) for each in fired]
        return self._state.reserve(wanted, deadline).future

    def reply(self, _alerts: Sequence[Alert]) -> Reply:
        """An empty one: a Broker takes a body for an event."""
        return replies.NO_CONTENT

    def as_sent(self, alert: Alert) -> Mapping[str, object]:
        """One alert as the first receiver gets it."""
        return self._delivery.receivers[self._receivers[0]].as_sent(alert, time.time_ns())

    def _deliver(self, claims: Sequence[Claim]) -> None:
        """Post claims; what becomes of each is remembered, and told to all who wait for it."""
        together: dict[tuple[str, float], list[Claim]] = {}
        for claim in claims:
            together.setdefault((claim.receiver, claim.deadline), []).append(claim)
        for (receiver, deadline), some in together.items():
            alerts = [claim.alert for claim in some]
            self._delivery.submit(receiver, alerts, deadline, partial(self._settle, some))

    def _settle(
        self, claims: Sequence[Claim], decided: Sequence[tuple[int, Outcome | Exception]]
    ) -> None:
        receiver = claims[0].receiver
        if accepted := sum(isinstance(result, Accepted) for _, result in decided):
            self._metrics.accepted(receiver, accepted)
        for _, result in decided:
            if isinstance(result, Unavailable):
                self._metrics.not_delivered(receiver, result.reason.value)
        self._state.settle([(claims[index], result) for index, result in decided])


@dataclass(slots=True)
class Work:
    """What was read of a request, and what came of it before its alerts leave."""

    headers: Headers
    events: int
    rules: RuleSet
    records: int = 0
    unmatched: int = 0
    problems: list[RequestError] = field(default_factory=list)
    matched: list[list[str]] = field(default_factory=list)  # names of the rules, by record
    fired: list[Fired] = field(default_factory=list)


class Pending(NamedTuple):
    """A reply that waits for alerts, until ``deadline`` on the monotonic clock."""

    future: Future[list[Outcome]]
    deadline: float
    alerts: int
    finish: Callable[[Sequence[Outcome]], Reply]

    def give_up(self) -> Reply:
        """The reply where no outcome came in time; what is delivered later is remembered."""
        late = Unavailable(Reason.TIMEOUT, "no answer of the receiver in time")
        return self.finish([late] * self.alerts)


class Sink:
    """Applies rules to what servers receive, and lets the alerts out.

    ``rules()`` gives the rules that are in force when a request comes.
    """

    def __init__(self, rules: Callable[[], RuleSet], way_out: WayOut, metrics: Metrics) -> None:
        self.rules = rules
        self.turns = Turns()
        self._broken: tuple[RuleSet | None, set[str]] = None, set()  # rules that were told of
        self._way_out = way_out
        self._metrics = metrics

    def receive(self, headers: Headers, body: bytes) -> Reply | Pending:
        """Take an HTTP message with CloudEvents."""
        self._metrics.received()
        try:
            read = events.read(headers, body)
            work = Work(headers, len(read), self.rules())
            for number, event in enumerate(read, 1):
                position = f"event {number}" if len(read) > 1 else None
                if isinstance(event, EventError):
                    work.problems.append(event)
                else:
                    self._match(work, event.data, position, event)
        except (EventError, TooMany) as error:
            return self._unreadable(error)
        return self._send(work)

    def receive_records(self, headers: Headers, body: bytes) -> Reply | Pending:
        """Take plain Fluent Bit JSON: one record, an array, or JSON lines."""
        self._metrics.received()
        try:
            events.require_readable(events.media_type(headers.get("content-type", "")))
            work = Work(headers, 1, self.rules())
            self._match(work, body or None, None, None)
        except (EventError, TooMany) as error:
            return self._unreadable(error)
        return self._send(work)

    def _unreadable(self, error: RequestError) -> Reply:
        self._metrics.answered(events=1, unmatched=0, unreadable=1, rules=())
        return replies.refusal([error])

    def _match(self, work: Work, data: JSON, position: str | None, event: Event | None) -> None:
        """Read an event's records, and apply the rules to each; raises TooMany.

        The event itself is not kept: a request may wait for a minute, and have a MiB of data.
        """
        try:
            found = records.read(data, event.time if event else None, work.records)
        except RecordError as error:
            found = [error]
        work.records += len(found)
        digest: bytes | None = None
        for number, record in enumerate(found):
            if not isinstance(record, LogRecord):
                work.problems.append(record.within(position))
            elif matches := work.rules.match(record):
                bounds.require_few(len(work.fired) + len(matches), "alerts")
                digest = digest or (events.identity(event) if event else None)
                work.matched.append([match.rule.alert for match in matches])
                now, trace = time.time_ns(), work.headers.get("traceparent", "")
                for match in matches:
                    alert = alerts.alert(match, now, trace)
                    if alert.broken:
                        self._tell_broken(work.rules, match.rule.alert, alert.broken)
                    work.fired.append(Fired(alert, position, digest, number))
            else:
                work.unmatched += 1

    def _tell_broken(self, rules: RuleSet, rule: str, broken: str) -> None:
        """Count that a template failed, and write it down, once for each rule as it is now."""
        self._metrics.template_failed(rule)
        if self._broken[0] is not rules:
            self._broken = rules, set()
        if rule not in self._broken[1]:
            self._broken[1].add(rule)
            log(logging.WARNING, "template_failed", rule=rule, detail=broken)

    def _send(self, work: Work) -> Reply | Pending:
        """Let the alerts out; the reply, or who waits for it."""
        if not work.fired:
            if not work.problems and not replies.wants_summary(work.headers):
                self._metrics.unmatched(work.events, work.unmatched)
                return replies.NO_CONTENT  # what most records come to
            return self._finish(work, [])
        deadline = time.monotonic() + self._way_out.budget
        future = self._way_out.send(work.fired, deadline)
        finish = partial(self._finish, work)
        if future.done():  # all of it is delivered already, or can not be delivered now
            return finish(future.result())
        number = len(work.fired)
        if number > _FEW:
            self.turns.begin(number)
            future.add_done_callback(lambda _: self.turns.end(number))
        return Pending(future, deadline, number, finish)

    def _finish(self, work: Work, outcomes: Sequence[Outcome]) -> Reply:
        """The reply when each alert has its outcome; counts what is answered for good."""
        plain = all(type(outcome) is Accepted for outcome in outcomes)
        problems = work.problems
        if not plain:
            problems = [*filter(None, map(_undelivered, work.fired, outcomes)), *problems]
        if problems:
            reply = replies.refusal(problems)
        elif replies.wants_summary(work.headers):
            reply = self._summary(work, outcomes)
        else:
            made = [each.alert for each in work.fired]
            reply = self._way_out.reply(made) if made else replies.NO_CONTENT
        if reply.status < 500:  # KafkaSource does not send it again
            unreadable = len(work.problems)
            self._metrics.answered(work.events, work.unmatched, unreadable, work.matched)
            if not plain:
                self._count([*zip(work.fired, outcomes, strict=True)])
        return reply

    def _count(self, pairs: Sequence[tuple[Fired, Outcome]]) -> None:
        """Count what became of alerts, apart from those that were accepted now."""
        if refused := sum(isinstance(outcome, Refused) for _, outcome in pairs):
            self._metrics.alerts_refused(self._way_out.name, refused)
        held_back = sum(isinstance(outcome, HeldBack) for _, outcome in pairs)
        new = {each.position for each, outcome in pairs if type(outcome) is not DeliveredBefore}
        again = {each.position for each, _ in pairs if each.event} - new
        self._metrics.not_sent(held_back, len(again))

    def _summary(self, work: Work, outcomes: Sequence[Outcome]) -> Reply:
        pairs = zip(work.fired, outcomes, strict=True)
        sent = [fired for fired, outcome in pairs if not isinstance(outcome, _NOT_SENT)]
        return replies.summary(
            {
                "records": work.records,
                "matches": len(work.fired),
                "delivered_before": len(work.fired) - len(sent),
                "alerts": [self._way_out.as_sent(fired.alert) for fired in sent],
            }
        )


_NOT_SENT = (DeliveredBefore, HeldBack)


def _undelivered(fired: Fired, outcome: Outcome) -> RequestError | None:
    """The error that an outcome means for the request; None for an accepted alert."""
    if isinstance(outcome, Refused):
        return AlertRefused(outcome.detail, fired.position)
    if isinstance(outcome, Unavailable):
        kind = QueueFull if outcome.reason is Reason.FULL else ReceiverUnavailable
        return kind(outcome.detail, fired.position, outcome.reason.value, outcome.retry_after)
    return None
