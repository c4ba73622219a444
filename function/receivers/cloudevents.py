"""A CloudEvents sink, such as a Knative Broker, Channel or Service: one structured event per alert.

Knative takes no batches (knative/eventing#6797). Structured mode, because every attribute may then
hold any text; a header could not. The CloudEvents SDK does not write the event: it would cut
``time`` to microseconds, take 20 ms or more to import, and 30 times as long for each event. It is
the tests' oracle instead: it reads what is written here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from function.alerts import Alert, fingerprint
from function.formats import timestamps
from function.receivers.contract import HTTPReceiver, Request

TYPE = "dev.logs-handler.alert"
SOURCE = "/logs-handler"

# What no extension may be called: the attributes of CloudEvents 1.0.2, and the data.
_RESERVED = frozenset(
    {"specversion", "id", "source", "type", "time", "subject", "datacontenttype", "dataschema"}
    | {"data"}
)
_NAME = re.compile(r"[a-z0-9]+")
# What the type String of CloudEvents leaves out (CloudEvents 1.0.2, "Type System"), surrogates
# apart: JSON cannot carry them here.
_NOT_IN_STRINGS = re.compile("[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")
# W3C Trace Context, "traceparent Header": versions after 00 may append to it, and an id of zeros,
# which Dapr sends, is not valid.
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]*)?"
)


class CloudEvents(HTTPReceiver):
    """One sink; an event in its answer is a reply to nobody.

    ``overrides`` are extension attributes that all events get, applied last.
    ``source`` is the events' source: different ones tell several installations apart.
    """

    name: str = "cloudevents"

    largest_batch: int | None = 1

    def __init__(
        self, urls: Sequence[str], overrides: Mapping[str, str] = {}, source: str = SOURCE
    ) -> None:
        super().__init__(urls)
        self._overrides = dict(overrides)
        self._source = source

    def request(self, alerts: Sequence[Alert], now: int) -> Request:
        """One event. The trace goes on in the event and, for what looks only there, in a header."""
        [alert] = alerts
        headers = {"content-type": "application/cloudevents+json"}
        if trace := traceparent(alert):
            headers["traceparent"] = trace
        return Request(headers, orjson.dumps(self.as_sent(alert, now)))

    def as_sent(self, alert: Alert, now: int) -> Mapping[str, Any]:  # noqa: ARG002 - it has no end
        """The event. Its id is the alert's identity: redelivery gives the same one."""
        starts_at = timestamps.format(alert.starts_at)
        event = {
            "specversion": "1.0",
            "id": event_id(alert),
            "source": self._source,
            "type": TYPE,
            "time": starts_at,
            "datacontenttype": "application/json",
        }
        if name := alert.labels.get("alertname"):
            event["subject"] = _NOT_IN_STRINGS.sub("\ufffd", name)
        if trace := traceparent(alert):
            event["traceparent"] = trace
        data = {
            "status": "firing",
            "labels": dict(alert.labels),
            "annotations": dict(alert.annotations),
            "startsAt": starts_at,
            "fingerprint": alert.fingerprint,
        }
        return {**event, **self._overrides, "data": data}


def event_id(alert: Alert) -> str:
    """What the alert is known by; the annotations tell lines apart that share labels and time."""
    return f"{alert.fingerprint}-{alert.starts_at}-{fingerprint(alert.annotations)}"


def traceparent(alert: Alert) -> str:
    """The alert's traceparent, or nothing where it is not valid: it came in a stranger's header."""
    return alert.traceparent if _TRACEPARENT.fullmatch(alert.traceparent) else ""


def overrides(text: str) -> dict[str, str]:
    """Read K_CE_OVERRIDES, ``{"extensions": {"cluster": "prod"}}``, as a SinkBinding sets it.

    Nothing at all means no overrides. What Knative's own sources would refuse raises ValueError:
    values that are not texts, and names of attributes that are not extensions (cloudevents/sdk-go,
    EventContextV1.SetExtension). Names are lower-cased, as there.
    """
    if not text.strip():
        return {}
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error}") from None
    extensions = value.get("extensions", {}) if isinstance(value, dict) else None
    if not isinstance(extensions, dict):
        example = '{"extensions": {"cluster": "prod"}}'
        raise ValueError(f"it is not an object such as {example}")  # noqa: TRY004 - a setting's text
    return {name.lower(): _extension(name, each) for name, each in extensions.items()}


def _extension(name: str, value: object) -> str:
    """The value of an extension attribute; raises ValueError with a sentence that names it."""
    shown = f'the extension "{name[:60]}"'
    if name.lower() in _RESERVED:
        raise ValueError(f"{shown} would replace an attribute of CloudEvents itself")
    if not _NAME.fullmatch(name.lower()):
        raise ValueError(f"{shown} has a name with more than letters and digits")
    if not isinstance(value, str) or _NOT_IN_STRINGS.search(value):
        raise ValueError(f"{shown} needs a text in double quotes, without control characters")
    return value
