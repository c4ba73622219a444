"""An event's data → its values → their log records.

One record per value is the norm; a JSON array, JSON lines and an OTLP export hold several.
"""

from __future__ import annotations

from collections.abc import Sequence

from function.errors import RecordError
from function.formats import json_text
from function.formats.json_text import JSON
from function.records import otlp, shapes
from function.records.record import LogRecord

Records = list[LogRecord | RecordError]
MOST = 10_000  # records of one event: a MiB of empty ones would take a pod's whole memory


def read(data: JSON, received: int | None) -> Records:
    """Read the records in an event's data: bytes, or a JSON value that is decoded already.

    ``received`` is the event's own time, for records that carry none. An element that is no
    object is returned as a RecordError in its place; data that holds nothing readable raises one.
    """
    if data is None:
        raise RecordError("the event carries no data: a log record is a JSON object")
    values, unit = _values(data) if isinstance(data, bytes) else (data, "record")
    if not isinstance(values, list):
        return _records(values, received)
    _require_few(values)
    found: Records = []
    for number, value in enumerate(values, 1):
        found += _in_batch(value, received, f"{unit} {number}")
    return found


def _require_few(values: Sequence[object]) -> None:
    """Raise RecordError for more values than a pod's memory is made for."""
    if len(values) > MOST:
        raise RecordError(f"the data holds {len(values)} records; an event may hold {MOST}")


def _values(data: bytes) -> tuple[JSON, str]:
    """Decode one JSON value, or JSON lines as a list; with what an element is called."""
    try:
        return json_text.loads(data), "record"
    except json_text.NotJSON as error:
        lines = [line for line in data.split(b"\n") if line.strip()]
        _require_few(lines)
        values = [_line(line) for line in lines]
        if len(lines) < 2 or not any(isinstance(value, dict) for value in values):
            raise RecordError(f"the data is not JSON: {error}") from None
        return values, "line"


def _line(line: bytes) -> JSON | RecordError:
    try:
        return json_text.loads(line)
    except json_text.NotJSON as error:
        return RecordError(f"not JSON: {error}")


def _records(value: JSON, received: int | None) -> Records:
    if not isinstance(value, dict):
        raise RecordError(f"a log record is a JSON object, not {json_text.kind(value)}")
    if otlp.is_export(value):
        return otlp.records(value, received)
    return [shapes.record(value, received)]


def _in_batch(value: JSON, received: int | None, position: str) -> Records:
    if isinstance(value, RecordError):
        return [RecordError(value.detail, position)]
    try:
        found = _records(value, received)
    except RecordError as error:
        return [RecordError(error.detail, position)]
    return [
        RecordError(each.detail, f"{position}, {each.position}")
        if isinstance(each, RecordError)
        else each
        for each in found
    ]
