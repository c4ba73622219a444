"""A CloudEvent's data → log records: the JSON that Fluent Bit writes to Kafka, and its relatives.

One record per value is the norm; a JSON array and JSON lines are read as several.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import re2

from function import json_text, timestamps
from function.access_log import AccessLog
from function.access_log import parse as parse_access_log
from function.errors import RecordError
from function.json_text import JSON

MINUTE = 60 * timestamps.SECOND
MICROSECOND = timestamps.SECOND // 1_000_000

# "2021-08-25T01:54:37.226757612Z stdout F ": the prefix that containerd and CRI-O write before
# each line, left in `log` where no parser was set (Kubernetes, CRI logging format).
_CRI_PREFIX = re2.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d) (?:stdout|stderr) [FP] "
)


@dataclass(frozen=True)
class LogRecord:
    """One log line and where it came from.

    ``log`` is the line without its newline and without a CRI prefix; None where the record holds
    no text. ``time`` is in nanoseconds since 1970, None where nothing tells. The other fields are
    empty where the shipper did not say. ``raw`` is the whole record.
    """

    log: str | None
    time: int | None
    namespace: str
    pod: str
    container: str
    image: str
    node: str
    labels: Mapping[str, Any]
    raw: Mapping[str, Any]

    @cached_property
    def access_log(self) -> AccessLog | None:
        """The HTTP request that the line reports, parsed when first asked for."""
        return None if self.log is None else parse_access_log(self.log)


def read(data: JSON, received: int | None) -> list[LogRecord | RecordError]:
    """Read the records in an event's data: bytes, or a JSON value that is decoded already.

    ``received`` is the event's own time, for records that carry none. An element that is no
    object is returned as a RecordError in its place; data that holds nothing readable raises one.
    """
    if data is None:
        raise RecordError("the event carries no data: a log record is a JSON object")
    values, unit = _values(data) if isinstance(data, bytes) else (data, "record")
    if not isinstance(values, list):
        return [_record(values, received)]
    return [
        _in_batch(value, received, f"{unit} {number}") for number, value in enumerate(values, 1)
    ]


def _values(data: bytes) -> tuple[JSON, str]:
    """Decode one JSON value, or JSON lines as a list; with what an element is called."""
    try:
        return json_text.loads(data), "record"
    except json_text.NotJSON as error:
        lines = [line for line in data.split(b"\n") if line.strip()]
        if len(lines) < 2 or not isinstance(_line(lines[0]), dict):
            raise RecordError(f"the data is not JSON: {error}") from None
        return [_line(line) for line in lines], "line"


def _line(line: bytes) -> JSON | RecordError:
    try:
        return json_text.loads(line)
    except json_text.NotJSON as error:
        return RecordError(f"not JSON: {error}")


def _in_batch(value: JSON, received: int | None, position: str) -> LogRecord | RecordError:
    if isinstance(value, RecordError):
        return RecordError(value.detail, position)
    try:
        return _record(value, received)
    except RecordError as error:
        return RecordError(error.detail, position)


def _record(raw: JSON, received: int | None) -> LogRecord:
    if not isinstance(raw, dict):
        raise RecordError(f"a log record is a JSON object, not {json_text.kind(raw)}")
    found = raw.get("kubernetes")
    kubernetes = found if isinstance(found, dict) else {}
    labels = kubernetes.get("labels")
    return LogRecord(
        log=_log(raw),
        time=_time(raw, received),
        namespace=_text(kubernetes, "namespace_name"),
        pod=_text(kubernetes, "pod_name"),
        container=_text(kubernetes, "container_name"),
        image=_text(kubernetes, "container_image"),
        node=_text(kubernetes, "host"),
        labels=labels if isinstance(labels, dict) else {},
        raw=raw,
    )


def _text(mapping: Mapping[str, Any], key: str) -> str:
    value = mapping.get(key)
    return value if isinstance(value, str) else ""


def _log(raw: Mapping[str, Any]) -> str | None:
    """The record's text: `log`, else `message`, which the plain CRI parser writes."""
    text = raw.get("log")
    if not isinstance(text, str):
        text = raw.get("message")
        if not isinstance(text, str):
            return None
    if text[4:5] == "-" and text[10:11] == "T":  # cheap, and true of few lines without a prefix
        prefix = _CRI_PREFIX.match(text)
        if prefix:
            text = text[prefix.end() :]
    return text[:-1].removesuffix("\r") if text.endswith("\n") else text


def _time(raw: Mapping[str, Any], received: int | None) -> int | None:
    """When the line was written.

    `time` has the nanoseconds, but Fluent Bit's containerd filter writes some of them wrong, and
    @timestamp is the moment of parsing where the line's own time could not be read. So `time`
    counts where both agree to the microsecond or @timestamp is over a minute later.
    """
    time = _moment(raw.get("time"))
    timestamp = _moment(raw.get("@timestamp"))
    if timestamp is None:
        return received if time is None else time
    if time is None:
        return timestamp
    if abs(timestamp - time) <= MICROSECOND or timestamp - time > MINUTE:
        return time
    return timestamp


def _moment(value: JSON) -> int | None:
    """A time in nanoseconds, from an RFC 3339 text or from seconds since 1970."""
    if isinstance(value, str):
        try:
            return timestamps.parse(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value <= timestamps.MAXIMUM // timestamps.SECOND:
        return None
    if isinstance(value, int):
        return value * timestamps.SECOND
    return round(value * 1_000_000) * 1_000  # a double holds microseconds of this century, no more
