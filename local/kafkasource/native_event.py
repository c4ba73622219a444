"""A Kafka record that already is a CloudEvent, in binary or in structured content mode.

Mirrors KafkaSource: CloudEvents' Java SDK, KafkaMessageFactory.java and MessageUtils.java.
Whatever it cannot parse is not a CloudEvent to it, and is wrapped like any other record.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from local.kafkasource.event import CONTEXT_ATTRIBUTES, Event
from local.record import Record

_STRUCTURED = "application/cloudevents+json"
_NAME = re.compile("[a-z0-9]+")
_JSON = re.compile(r"(application|text)/(json|[^;]*\+json)\b", re.IGNORECASE)
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.IGNORECASE
)


def native_event(record: Record) -> Event | None:
    """The event that the record carries, or None if it carries none that can be parsed."""
    headers = dict(record.headers)  # the last header of a name wins, as in Kafka's lastHeader
    content_type = (headers.get("content-type") or b"").decode("utf-8", "replace")
    try:
        if content_type.split(";")[0].strip().lower() == _STRUCTURED:
            return _structured(record.value or b"")
        if headers.get("ce_specversion"):
            return _binary(headers, record.value)
    except (ValueError, TypeError, RecursionError):
        return None
    return None


def _binary(headers: Mapping[str, bytes | None], value: bytes | None) -> Event:
    found = {
        name[3:].lower(): _text(raw) for name, raw in headers.items() if name.startswith("ce_")
    }
    if "content-type" in headers:
        found["datacontenttype"] = _text(headers["content-type"])
    return _event(found, value)


def _structured(value: bytes) -> Event:
    document = json.loads(value)
    if not isinstance(document, dict):
        raise TypeError("a structured CloudEvent is a JSON object")
    data = document.pop("data", None)
    encoded = document.pop("data_base64", None)
    found = {name: _scalar(each) for name, each in document.items() if each is not None}
    if encoded is not None:
        return _event(found, base64.b64decode(encoded, validate=True))
    return _event(found, _data_bytes(data, found.get("datacontenttype", "application/json")))


def _data_bytes(data: Any, content_type: str) -> bytes | None:
    if data is None:
        return None
    if isinstance(data, str) and not _JSON.match(content_type):
        return data.encode()
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


def _event(found: Mapping[str, str], data: bytes | None) -> Event:
    for required in ("id", "source", "type"):
        if not found.get(required):
            raise ValueError(f"a CloudEvent needs {required}")
    if found.get("specversion") not in ("1.0", "0.3"):
        raise ValueError("unknown specversion")
    if re.search(r"[\s\x00-\x1f<>\"{}|\\^`]", found["source"]):
        raise ValueError("source is not a URI reference")
    if "time" in found:
        _check_time(found["time"])
    attributes = {name: text for name, text in found.items() if name in CONTEXT_ATTRIBUTES}
    extensions = {name: text for name, text in found.items() if name not in CONTEXT_ATTRIBUTES}
    if not all(_NAME.fullmatch(name) for name in extensions):
        raise ValueError("an extension's name has other characters than a-z and 0-9")
    return Event(attributes, extensions, data)


def _check_time(text: str) -> None:
    parts = _TIME.fullmatch(text)
    if not parts:
        raise ValueError("time is not in RFC 3339's format")
    datetime.fromisoformat(parts[1].upper())


def _text(raw: bytes | None) -> str:
    if raw is None:
        raise ValueError("an attribute's header has no value")
    return raw.decode("utf-8", "replace")


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return str(value)
    raise TypeError("an attribute is a string, a number or a boolean")
