"""An event's data → its values → their log records.

One record per value is the norm; a JSON array, JSON lines and an OTLP export hold several.
"""

from __future__ import annotations

from typing import Any

from function import bounds
from function.errors import RecordError
from function.formats import json_text
from function.formats.json_text import JSON
from function.records import otlp, shapes
from function.records.record import LogRecord

Records = list[LogRecord | RecordError]
_RECORDS = "log records"


def read(data: JSON, received: int | None, before: int = 0) -> Records:
    """Read the records in an event's data: bytes, or a JSON value that is decoded already.

    ``received`` is the event's own time, for records that carry none; ``before`` counts the records
    of the request's events before this one. An element that is not an object is returned as a
    RecordError in its place; data that holds nothing readable raises one, and too many records
    raise TooMany.
    """
    if data is None:
        raise RecordError("the event carries no data: a log record is a JSON object")
    values, unit = _values(data, before) if isinstance(data, bytes) else (data, "record")
    number_of_records = sum(map(_count, values)) if isinstance(values, list) else _count(values)
    bounds.require_few(before + number_of_records, _RECORDS)
    if not isinstance(values, list):
        return _records(values, received)
    found: Records = []
    for number, value in enumerate(values, 1):
        found += _in_batch(value, received, f"{unit} {number}")
    return found


def _count(value: Any) -> int:
    """How many records a value holds."""
    return otlp.count(value) if isinstance(value, dict) and otlp.is_export(value) else 1


def _values(data: bytes, before: int) -> tuple[JSON, str]:
    """Decode one JSON value, or JSON lines as a list; with what an element is called."""
    try:
        return json_text.loads(data), "record"
    except json_text.NotJSON as error:
        lines = [line for line in data.split(b"\n") if line.strip()]
        bounds.require_few(before + len(lines), _RECORDS)
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
