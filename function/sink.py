"""The whole path of a request: events → records → rules → alerts → delivery → a reply.

Without a web framework, so that both doors call it. KafkaSource looks at nothing but the reply's
status, so the status says what may happen next: 2xx only when every alert was accepted, 503 while
trying again can help, another 4xx where it cannot.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from function import alerts, reading
from function.alerts import Alert
from function.delivery import Delivery
from function.errors import EventError, RequestError
from function.memory import Memory
from function.metrics import Metrics
from function.reading import Found
from function.receipt import Fired, Pending, Receipt, refuse, wants_summary
from function.receivers import Accepted
from function.replies import NO_CONTENT, Reply
from function.rules import Match, RuleSet
from function.timestamps import SECOND


class Sink:
    """Applies rules to what the doors receive and hands alerts to ``delivery``.

    ``rules()`` gives the rules that are in force when a request comes. A delivered event is
    remembered for ``remembered`` seconds.
    """

    def __init__(
        self,
        rules: Callable[[], RuleSet],
        delivery: Delivery,
        metrics: Metrics,
        remembered: float = 1800,
    ) -> None:
        self.rules = rules
        self.delivery = delivery
        self._metrics = metrics
        self._remembered = int(remembered * SECOND)
        self._events = Memory()
        self._alerts = Memory()

    def receive(self, headers: Mapping[str, str], body: bytes) -> Reply | Pending:
        """Take an HTTP message with CloudEvents; ``headers`` have lower-case names."""
        try:
            events, found = reading.of_events(headers, body)
        except EventError as error:
            return self._refuse(error, headers)
        return self._process(headers, events, found)

    def receive_records(self, headers: Mapping[str, str], body: bytes) -> Reply | Pending:
        """Take plain Fluent Bit JSON: one record, an array, or JSON lines."""
        try:
            found = reading.of_records(headers, body)
        except EventError as error:
            return self._refuse(error, headers)
        return self._process(headers, 1, found)

    def _refuse(self, error: EventError, headers: Mapping[str, str]) -> Reply:
        self._metrics.received(1)
        self._metrics.record_unreadable()
        return refuse([error], headers)

    def _process(
        self, headers: Mapping[str, str], events: int, found: Sequence[Found]
    ) -> Reply | Pending:
        self._metrics.received(events)
        now, rules = time.time_ns(), self.rules()
        problems: list[RequestError] = []
        fired: list[Fired] = []
        matched = 0
        for place in found:
            if isinstance(place.record, RequestError):
                self._metrics.record_unreadable()
                problems.append(place.record)
            elif matches := rules.match(place.record):
                matched += len(matches)
                fired += self._fired(matches, place, now, headers.get("traceparent", ""))
            else:
                self._metrics.record_unmatched()
        if not matched and not problems and not wants_summary(headers):
            return NO_CONTENT  # what most records come to
        receipt = Receipt(
            records=len(found),
            matches=matched,
            problems=problems,
            fired=fired,
            headers=headers,
            receiver=self.delivery.receiver,
            delivered_events=self._events,
            remembered=self._remembered,
            delivered_alerts=self._alerts,
        )
        if not self.delivery.receiver.urls:  # the reply itself carries the alerts
            return receipt.reply([Accepted()] * len(fired))
        if not fired:
            return receipt.reply([])
        future = self.delivery.submit([each.alert for each in fired])
        return Pending(future, self.delivery.limits.budget, receipt)

    def _fired(
        self, matches: Sequence[Match], place: Found, now: int, traceparent: str
    ) -> list[Fired]:
        """The alerts of one record, without those that have been delivered already."""
        self._metrics.record_matched([match.rule.alert for match in matches])
        event: bytes | None = None
        if place.event is not None and self.delivery.receiver.urls:
            event = reading.identity(place.event)
            if self._events.holds(event):
                self._metrics.event_redelivered()
                return []
        made = (alerts.alert(match, now, traceparent) for match in matches)
        return [Fired(alert, place.position, event) for alert in made if self._is_new(alert, event)]

    def _is_new(self, alert: Alert, event: bytes | None) -> bool:
        """Whether neither this alert of an event, nor its labels within the interval, is out."""
        if event is not None and self._events.holds(reading.identity_in(event, alert)):
            return False
        held_back = alert.repeat_interval and self._alerts.holds(alert.fingerprint.encode())
        if not held_back or not self.delivery.receiver.urls:
            return True
        self._metrics.alert_held_back()
        return False
