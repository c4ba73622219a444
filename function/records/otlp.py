"""OpenTelemetry's logs as JSON, which Fluent Bit writes to Kafka with `format otlp_json`.

One value holds many records: ``{"resourceLogs":[{"resource":…,"scopeLogs":[{"logRecords":[…]}]}]}``
(opentelemetry-proto, ExportLogsServiceRequest). Fluent Bit drops the kubernetes map there
(plugins/out_kafka); other exporters name the pod in attributes, as the semantic conventions have it
(``k8s.pod.name``), of the resource or of the record, and the record's own win.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping
from typing import Any

from function.errors import RecordError
from function.formats import json_text, timestamps
from function.formats.json_text import JSON
from function.records.record import LogRecord

_LABEL_PREFIXES = ("k8s.pod.label.", "k8s.pod.labels.")  # the second until 2025
_DEPTH = 32  # of maps and lists in a value; what is deeper stays as OTLP wraps it


def is_export(value: dict[str, Any]) -> bool:
    """Whether this is an OTLP export, whose only key is `resourceLogs`."""
    return len(value) == 1 and isinstance(value.get("resourceLogs"), list)


def count(export: dict[str, Any]) -> int:
    """How many records an export holds."""
    return sum(map(_count, export["resourceLogs"]))


def _count(group: JSON) -> int:
    if not isinstance(group, dict):
        return 1
    scopes = _list(group.get("scopeLogs"))
    return sum(len(_list(s.get("logRecords"))) if isinstance(s, dict) else 1 for s in scopes)


def records(export: dict[str, Any], received: int | None) -> list[LogRecord | RecordError]:
    """All log records of an export, in order; a RecordError for what is not an object."""
    return [
        _record(resource, value, received)
        if isinstance(value, dict)
        else RecordError(
            f"an OTLP log record is a JSON object, not {json_text.kind(value)}", f"record {number}"
        )
        for number, (resource, value) in enumerate(_log_records(export), 1)
    ]


class _Resource:
    """What all records of a group share: one map for all, which may be as large as the body."""

    def __init__(self, resource: JSON) -> None:
        members = resource if isinstance(resource, dict) else {}
        self.attributes = _attributes(members.get("attributes"))
        self.labels = _labels(self.attributes)
        self.raw = {**members, "attributes": self.attributes}


def _log_records(export: dict[str, Any]) -> Iterator[tuple[_Resource, JSON]]:
    """Each log record with its resource; a group that is not an object stands for a record."""
    for group in export["resourceLogs"]:
        if not isinstance(group, dict):
            yield _Resource(None), group
            continue
        resource = _Resource(group.get("resource"))
        for scope in _list(group.get("scopeLogs")):
            if not isinstance(scope, dict):
                yield resource, scope
                continue
            for value in _list(scope.get("logRecords")):
                yield resource, value


def _record(resource: _Resource, value: dict[str, Any], received: int | None) -> LogRecord:
    own = _attributes(value.get("attributes"))
    attributes = ChainMap(own, resource.attributes)
    labels = _labels(own)
    body = _value(value.get("body"))
    time = _moment(value.get("timeUnixNano"))
    if time is None:
        time = _moment(value.get("observedTimeUnixNano"))
    return LogRecord(
        log=_without_newline(body) if isinstance(body, str) else None,
        time=received if time is None else time,
        namespace=_text(attributes, "k8s.namespace.name"),
        pod=_text(attributes, "k8s.pod.name"),
        container=_text(attributes, "k8s.container.name"),
        image=_text(attributes, "container.image.name"),
        node=_text(attributes, "k8s.node.name"),
        labels=ChainMap(labels, resource.labels) if labels else resource.labels,
        raw={**value, "attributes": own, "body": body, "resource": resource.raw},
    )


def _labels(attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        key.removeprefix(prefix): value
        for prefix in _LABEL_PREFIXES
        for key, value in attributes.items()
        if key.startswith(prefix)
    }


def _text(attributes: Mapping[str, Any], key: str) -> str:
    value = attributes.get(key)
    return value if isinstance(value, str) else ""


def _without_newline(line: str) -> str:
    return line[:-1].removesuffix("\r") if line.endswith("\n") else line


def _moment(value: JSON) -> int | None:
    """Nanoseconds since 1970, a number or a text of digits; 0 is unknown."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 < value <= timestamps.MAXIMUM else None


def _list(value: JSON) -> list[Any]:
    return value if isinstance(value, list) else []


def _attributes(value: JSON, depth: int = 0) -> dict[str, Any]:
    """``[{"key": "a", "value": {"stringValue": "x"}}]`` → ``{"a": "x"}``."""
    return {
        item["key"]: _value(item.get("value"), depth)
        for item in _list(value)
        if isinstance(item, dict) and isinstance(item.get("key"), str)
    }


def _value(value: JSON, depth: int = 0) -> JSON:
    """An OTLP AnyValue as the JSON value that it wraps."""
    if not isinstance(value, dict) or len(value) != 1 or depth > _DEPTH:
        return value if value else None
    [(kind, inner)] = value.items()
    if kind in ("arrayValue", "kvlistValue"):
        items = inner.get("values") if isinstance(inner, dict) else None
        if kind == "kvlistValue":
            return _attributes(items, depth + 1)
        return [_value(item, depth + 1) for item in _list(items)]
    if kind == "intValue" and isinstance(inner, str):  # protobuf's JSON writes int64 as text
        return int(inner) if _is_integer(inner) else inner
    return inner


def _is_integer(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= 19
