"""What Prometheus can ask this process for, under the names it is documented by."""

from __future__ import annotations

import time
from collections.abc import Callable
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
        self._events = Counter(
            "logs_handler_events",
            "CloudEvents received; a plain record counts as one.",
            registry=registry,
        )
        records = Counter(
            "logs_handler_records",
            "Log records by outcome: matched by a rule, unmatched, or unreadable.",
            ["outcome"],
            registry=registry,
        )
        # Looking a label up costs more than counting, and most records are unmatched.
        self._matched = records.labels("matched")
        self._unmatched = records.labels("unmatched")
        self._unreadable = records.labels("unreadable")
        self._matches = Counter(
            "logs_handler_matches", "Records that a rule fired for.", ["rule"], registry=registry
        )
        self._by_rule = lru_cache(1024)(self._matches.labels)
        self._alerts = Counter(
            "logs_handler_alerts",
            "Alerts by receiver and outcome: accepted, or the reason why not.",
            ["receiver", "outcome"],
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

    def received(self, events: int) -> None:
        """A request carried this many events."""
        self._events.inc(events)

    def record_matched(self, rules: list[str]) -> None:
        """These rules fired for a record."""
        self._matched.inc()
        for rule in rules:
            self._by_rule(rule).inc()

    def record_unmatched(self) -> None:
        """No rule fired for a record."""
        self._unmatched.inc()

    def record_unreadable(self) -> None:
        """An event or a record could not be read."""
        self._unreadable.inc()

    def alert_held_back(self) -> None:
        """An alert was not sent because the same one was, a short while ago."""
        self._held_back.inc()

    def event_redelivered(self) -> None:
        """An event came again whose alerts are delivered."""
        self._redelivered.inc()

    def watch_waiting(self, alerts: Callable[[], int]) -> None:
        """Whom to ask how many alerts wait for a sender, when Prometheus asks."""
        self._waiting.set_function(alerts)

    def posted(self, alerts: int, seconds: float) -> None:
        """One POST with so many alerts took so long, however it ended."""
        self._batch.observe(alerts)
        self._seconds.observe(seconds)

    def delivered(self, receiver: str, outcome: str, alerts: int) -> None:
        """So many alerts came to this outcome: accepted, or the reason why not."""
        self._alerts.labels(receiver, outcome).inc(alerts)

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
