"""What Prometheus can ask this process for, under the names it is documented by."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import lru_cache

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BATCH = (1, 2, 5, 10, 20, 50, 100, 200)


class Metrics:
    """One process' metrics, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "logs_handler_requests",
            "Requests with events or records, also those that come again.",
            registry=registry,
        )
        self._refusals = Counter(
            "logs_handler_requests_refused",
            "Requests of any kind that were not answered with 2xx, by status and reason.",
            ["status", "reason"],
            registry=registry,
        )
        self._events = Counter(
            "logs_handler_events",
            "CloudEvents answered for good; plain records without one count as one.",
            registry=registry,
        )
        records = Counter(
            "logs_handler_records",
            "Log records answered for good by outcome: matched by a rule, unmatched, unreadable.",
            ["outcome"],
            registry=registry,
        )
        # Looking a label up costs more than counting, and most records are unmatched.
        self._matched = records.labels("matched")
        self._unmatched = records.labels("unmatched")
        self._unreadable = records.labels("unreadable")
        self._matches = Counter(
            "logs_handler_matches",
            "Records answered for good that a rule fired for.",
            ["rule"],
            registry=registry,
        )
        self._by_rule = lru_cache(1024)(self._matches.labels)
        self._template_failures = Counter(
            "logs_handler_template_failures",
            "Alerts with a template that failed, each time that one was made, by rule.",
            ["rule"],
            registry=registry,
        )
        self._alerts = Counter(
            "logs_handler_alerts",
            "Alerts by receiver and outcome: accepted, or refused for good.",
            ["receiver", "outcome"],
            registry=registry,
        )
        self._accepted = lru_cache(64)(lambda name: self._alerts.labels(name, "accepted"))
        self._not_delivered = Counter(
            "logs_handler_delivery_failures",
            "Alerts that did not get through, each time that they did not, by receiver and reason.",
            ["receiver", "reason"],
            registry=registry,
        )
        self._missed = Counter(
            "logs_handler_member_missed_alerts",
            "Alerts that a member of a cluster has not got though another one has.",
            ["receiver", "address"],
            registry=registry,
        )
        self._works = Gauge(
            "logs_handler_receiver_up",
            "Whether an address took the last POST: 1 or 0.",
            ["receiver", "address"],
            registry=registry,
        )
        self._held_back = Counter(
            "logs_handler_alerts_held_back",
            "Alerts not sent because the rule's repeat_interval was not over.",
            registry=registry,
        )
        self._redelivered = Counter(
            "logs_handler_events_redelivered",
            "Events answered without a POST because their alerts were delivered before.",
            registry=registry,
        )
        self._waiting = Gauge(
            "logs_handler_alerts_waiting", "Alerts that wait for a sender.", registry=registry
        )
        self._batch = Histogram(
            "logs_handler_delivery_batch_size",
            "Alerts in one POST to the receiver.",
            buckets=_BATCH,
            registry=registry,
        )
        self._seconds = Histogram(
            "logs_handler_delivery_seconds",
            "How long one POST to the receiver took.",
            buckets=_SECONDS,
            registry=registry,
        )
        reloads = Counter(
            "logs_handler_rules_reloads",
            "Attempts to read the rule file by outcome: success or failure.",
            ["outcome"],
            registry=registry,
        )
        self._reload_success, self._reload_failure = map(reloads.labels, ("success", "failure"))
        # Named after Prometheus' own prometheus_config_last_reload_*.
        self._last_reload_successful = Gauge(
            "logs_handler_rules_last_reload_successful",
            "Whether the last attempt to read the rule file succeeded: 1 or 0.",
            registry=registry,
        )
        self._last_reload_success = Gauge(
            "logs_handler_rules_last_reload_success_timestamp_seconds",
            "When the rule file was last read successfully, in seconds since 1970.",
            registry=registry,
        )
        self._rules = Gauge(
            "logs_handler_rules", "Rules in force, disabled ones not counted.", registry=registry
        )

    def received(self) -> None:
        """A request with events or records came."""
        self._requests.inc()

    def refused(self, status: int, reason: str) -> None:
        """A request of any kind was not answered with 2xx."""
        self._refusals.labels(status, reason).inc()

    def unmatched(self, events: int, records: int) -> None:
        """A request is answered for good that no rule fired for."""
        self._events.inc(events)
        self._unmatched.inc(records)

    def answered(
        self, events: int, unmatched: int, unreadable: int, rules: Sequence[Sequence[str]]
    ) -> None:
        """A request is answered for good; ``rules`` are those that fired, by record."""
        self._events.inc(events)
        if unmatched:
            self._unmatched.inc(unmatched)
        if unreadable:
            self._unreadable.inc(unreadable)
        if rules:
            self._matched.inc(len(rules))
        for fired in rules:
            for rule in fired:
                self._by_rule(rule).inc()

    def template_failed(self, rule: str) -> None:
        """A label or an annotation of an alert says that its template failed."""
        self._template_failures.labels(rule).inc()

    def not_sent(self, held_back: int, redelivered: int) -> None:
        """Alerts were held back by repeat_interval, and events came whose alerts are delivered."""
        self._held_back.inc(held_back)
        self._redelivered.inc(redelivered)

    def watch_waiting(self, alerts: Callable[[], int]) -> None:
        """Whom to ask how many alerts wait for a sender, when Prometheus asks."""
        self._waiting.set_function(alerts)

    def posted(self, alerts: int, seconds: float) -> None:
        """One POST with so many alerts took so long, however it ended."""
        self._batch.observe(alerts)
        self._seconds.observe(seconds)

    def accepted(self, receiver: str, alerts: int = 1) -> None:
        """A receiver has alerts."""
        self._accepted(receiver).inc(alerts)

    def alerts_refused(self, receiver: str, alerts: int) -> None:
        """A receiver will never take alerts."""
        self._alerts.labels(receiver, "refused").inc(alerts)

    def not_delivered(self, receiver: str, reason: str) -> None:
        """An alert did not get through this time."""
        self._not_delivered.labels(receiver, reason).inc()

    def member_missed(self, receiver: str, address: str) -> None:
        """A member of a cluster has not got an alert that another one has."""
        self._missed.labels(receiver, address).inc()

    def address_works(self, receiver: str, address: str, *, works: bool) -> None:
        """Whether an address takes alerts."""
        self._works.labels(receiver, address).set(works)

    def rules_loaded(self, rules: int) -> None:
        """The rule file was read; it holds this many rules."""
        self._reload_success.inc()
        self._last_reload_successful.set(1)
        self._last_reload_success.set(time.time())
        self._rules.set(rules)

    def rules_not_loaded(self) -> None:
        """The rule file has changed and cannot be used."""
        self._reload_failure.inc()
        self._last_reload_successful.set(0)

    def page(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)
