"""KubeSphere Notification Manager: Alertmanager's ``template.Data`` to ``/api/v2/alerts``.

The JSON is what Go's encoding/json makes of alertmanager/template.Data, byte for byte, so that
what worked with the Go function works with this one. Labels and annotations are always objects of
texts: a null panics Notification Manager (pkg/webhook/v1/handler.go).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from function.alerts import Alert
from function.formats import timestamps
from function.receivers.answers import Answer
from function.receivers.contract import HTTPReceiver, Request

GROUP_LABELS = ("alertname", "namespace")
COMMON_LABELS = ("alertname", "namespace", "severity")
_NEVER = "0001-01-01T00:00:00Z"  # Go's zero time: the alert fires and has no end
# encoding/json escapes what could end a <script> or a JavaScript line.
_GO_ESCAPES = tuple((c.encode(), b"\\u%04x" % ord(c)) for c in "<>&\u2028\u2029")


class NotificationManager(HTTPReceiver):
    """Notification Manager."""

    name: str = "notification-manager"

    def says_yes(self, answer: Answer) -> bool:
        """``{"Status":200,"Message":…}`` (pkg/webhook/v1/handler.go)."""
        content = answer.json()
        return isinstance(content, dict) and content.get("Status") == 200

    def says_no(self, answer: Answer) -> bool:
        """An object of the same form."""
        content = answer.json()
        return isinstance(content, dict) and "Status" in content

    def request(self, alerts: Sequence[Alert], now: int) -> Request:
        """One ``template.Data`` with all alerts."""
        data = {
            "receiver": "notification_manager",
            "status": "firing",
            "alerts": [self.as_sent(alert, now) for alert in alerts],
            "groupLabels": _shared(alerts, GROUP_LABELS),
            "commonLabels": _shared(alerts, COMMON_LABELS),
            "commonAnnotations": {},
            "externalURL": "",
        }
        return Request({"content-type": "application/json"}, go_json(data))

    def as_sent(self, alert: Alert, now: int) -> Mapping[str, Any]:  # noqa: ARG002 - it has no end
        """One element of ``alerts``."""
        return {
            "status": "firing",
            "labels": dict(alert.labels),
            "annotations": dict(alert.annotations),
            "startsAt": timestamps.format(alert.starts_at),
            "endsAt": _NEVER,
            "generatorURL": "",
            "fingerprint": alert.fingerprint,
        }


def _shared(alerts: Sequence[Alert], names: Sequence[str]) -> dict[str, str]:
    """Those of the labels that all alerts have with the same value."""
    first, *others = (alert.labels for alert in alerts)
    return {
        name: first[name]
        for name in names
        if name in first and all(labels.get(name) == first[name] for labels in others)
    }


def go_json(value: Mapping[str, Any]) -> bytes:
    """Encode as Go's encoding/json does: compact, and ``< > &`` U+2028 U+2029 escaped."""
    text = orjson.dumps(value)
    for character, escape in _GO_ESCAPES:
        if character in text:
            text = text.replace(character, escape)
    return text
