"""The sender itself: alerts leave as the CloudEvent that answers the request.

For a Knative Trigger, Sequence or Channel, which pass the answer on. They take one event, so that
several alerts of a request share it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from function import timestamps
from function.alerts import Alert
from function.receivers.cloudevents import SOURCE, event_id
from function.receivers.contract import Accepted, Outcome, Request

TYPE = "dev.logs-handler.alerts"


class Reply:
    """Whoever sent the request. Without ``urls``: nothing is posted."""

    name: str = "reply"
    largest_batch: int | None = None

    def __init__(self, overrides: Mapping[str, str]) -> None:
        self.urls: Sequence[str] = ()
        self._overrides = overrides

    def request(self, alerts: Sequence[Alert], now: int) -> Request:
        """The answer's headers and body: one structured event with all alerts.

        Its id depends on the alerts alone, so that an event that is delivered twice is answered
        with the same event twice.
        """
        first = alerts[0]
        event = {
            "specversion": "1.0",
            "id": "+".join(event_id(alert) for alert in alerts),
            "source": SOURCE,
            "type": TYPE,
            "time": timestamps.format(first.starts_at),
            "datacontenttype": "application/json",
            **({"traceparent": first.traceparent} if first.traceparent else {}),
            **self._overrides,
            "data": {"alerts": [self.as_sent(alert, now) for alert in alerts]},
        }
        headers = {"content-type": "application/cloudevents+json; charset=utf-8"}
        return Request(headers, orjson.dumps(event))

    def outcome(self, status: int, headers: Mapping[str, str], body: bytes) -> Outcome:  # noqa: ARG002 - none
        """Nobody answers an answer."""
        return Accepted()

    def as_sent(self, alert: Alert, now: int) -> Mapping[str, Any]:  # noqa: ARG002 - it has no end
        """One element of ``alerts``."""
        return {
            "status": "firing",
            "labels": dict(alert.labels),
            "annotations": dict(alert.annotations),
            "startsAt": timestamps.format(alert.starts_at),
            "fingerprint": alert.fingerprint,
        }
