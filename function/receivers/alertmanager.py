"""Alertmanager's API v2: an array of alerts to ``/api/v2/alerts`` (api/v2/openapi.yaml)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from function.alerts import Alert
from function.formats import timestamps
from function.receivers.answers import Answer
from function.receivers.contract import HTTPReceiver, Request


class Alertmanager(HTTPReceiver):
    """One Alertmanager, or the members of a cluster; also Mimir, and what else speaks its API."""

    name: str = "alertmanager"
    is_told_the_end = True

    def says_no(self, answer: Answer) -> bool:
        """Its errors are an object with a code, or a text (api/v2/api.go)."""
        content = answer.json()
        return isinstance(content, str) or (isinstance(content, dict) and "code" in content)

    def request(self, alerts: Sequence[Alert], now: int) -> Request:
        """One array with all alerts."""
        body = orjson.dumps([self.as_sent(alert, now) for alert in alerts])
        return Request({"content-type": "application/json"}, body)

    def as_sent(self, alert: Alert, now: int) -> Mapping[str, Any]:
        """One element of the array.

        The end is explicit: without one, Alertmanager resolves the alert after its own
        ``resolve_timeout``. It counts from now where the record is old, or the alert would be
        resolved when it arrives.
        """
        ends_at = max(alert.starts_at, now) + alert.keep_firing_for
        return {
            "labels": dict(alert.labels),
            "annotations": dict(alert.annotations),
            "startsAt": timestamps.format(alert.starts_at),
            "endsAt": timestamps.format(min(ends_at, timestamps.MAXIMUM)),
        }
