"""What Prometheus can ask this process for, under the names it is documented by."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """One process' metrics, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        # Named after Prometheus' own prometheus_config_last_reload_*.
        self._reload_successful = Gauge(
            "logs_handler_rules_last_reload_successful",
            "Whether the last attempt to read the rule file succeeded: 1 or 0.",
            registry=self._registry,
        )
        self._reload_success = Gauge(
            "logs_handler_rules_last_reload_success_timestamp_seconds",
            "When the rule file was last read successfully, in seconds since 1970.",
            registry=self._registry,
        )
        self._held_back = Counter(
            "logs_handler_alerts_held_back",
            "Alerts not sent because the rule's repeat_interval was not over.",
            registry=self._registry,
        )
        self._rules = Gauge(
            "logs_handler_rules",
            "Rules in force, disabled ones not counted.",
            registry=self._registry,
        )

    def rules_loaded(self, rules: int) -> None:
        """The rule file was read; it holds this many rules."""
        self._reload_successful.set(1)
        self._reload_success.set(time.time())
        self._rules.set(rules)

    def rules_not_loaded(self) -> None:
        """The rule file has changed and cannot be used."""
        self._reload_successful.set(0)

    def alert_held_back(self) -> None:
        """An alert was not sent because the same one was, a short while ago."""
        self._held_back.inc()

    def page(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)
