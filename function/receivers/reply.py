"""The sender itself: alerts leave as the CloudEvent that answers the request.

For a Knative Trigger, Sequence or Channel, which pass the answer on. They take one event, so that
several alerts of a request share it. No receiver: nothing is posted, and nothing is remembered,
because an answer may get lost and is given again when it is asked for again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import orjson

from function.alerts import Alert
from function.formats import timestamps
from function.metrics import Metrics
from function.receivers.cloudevents import SOURCE, event_id, traceparent
from function.receivers.contract import Accepted, Outcome
from function.replies import Reply

TYPE = "dev.logs-handler.alerts"


class Replying:
    """Lets alerts out as an event; ``overrides`` are extension attributes of it, applied last."""

    name = "reply"
    budget = 0.0  # seconds: nobody is waited for

    def __init__(self, overrides: Mapping[str, str], metrics: Metrics) -> None:
        self._overrides = overrides
        self._metrics = metrics

    def send(self, fired: Sequence[object], _deadline: float) -> Future[list[Outcome]]:
        """Accept all: there is nobody who could refuse them."""
        self._metrics.accepted(self.name, len(fired))
        sent: Future[list[Outcome]] = Future()
        sent.set_result([Accepted()] * len(fired))
        return sent

    def reply(self, alerts: Sequence[Alert]) -> Reply:
        """200 and one structured event with all alerts.

        Its id depends on the alerts alone, so that an event that is delivered twice is answered
        with the same event twice.
        """
        first = alerts[0]
        trace = traceparent(first)
        event = {
            "specversion": "1.0",
            "id": "+".join(event_id(alert) for alert in alerts),
            "source": SOURCE,
            "type": TYPE,
            "time": timestamps.format(first.starts_at),
            "datacontenttype": "application/json",
            **({"traceparent": trace} if trace else {}),
            **self._overrides,
            "data": {"alerts": [self.as_sent(alert) for alert in alerts]},
        }
        headers = {"content-type": "application/cloudevents+json; charset=utf-8"}
        return Reply(200, headers, orjson.dumps(event))

    def as_sent(self, alert: Alert) -> Mapping[str, Any]:
        """One element of ``alerts``."""
        return {
            "status": "firing",
            "labels": dict(alert.labels),
            "annotations": dict(alert.annotations),
            "startsAt": timestamps.format(alert.starts_at),
            "fingerprint": alert.fingerprint,
        }
