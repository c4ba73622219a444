"""What a request holds: events → records, each with its place in a batch and its event."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import orjson

from function import events, records
from function.alerts import Alert
from function.errors import EventError, RecordError, RequestError
from function.events import Event
from function.json_text import JSON
from function.records import LogRecord


class Found(NamedTuple):  # like AccessLog, for speed
    """What a request held in one place: a record, or what was wrong there.

    ``position`` says where in a batch ("event 3, record 2"); None where there is only one place.
    ``event`` is None for a record that came without one.
    """

    record: LogRecord | RequestError
    position: str | None
    event: Event | None


def of_events(headers: Mapping[str, str], body: bytes) -> tuple[int, list[Found]]:
    """How many CloudEvents an HTTP message holds, and all their records, in order.

    Raises EventError where the message is none.
    """
    read = events.read(headers, body)
    places: list[Found] = []
    for number, event in enumerate(read, 1):
        position = f"event {number}" if len(read) > 1 else None
        if isinstance(event, EventError):
            places.append(Found(event, event.position, None))
        else:
            places += _records(event.data, event.time, position, event)
    return len(read), places


def of_records(headers: Mapping[str, str], body: bytes) -> list[Found]:
    """The records of a body that is no event: one, an array, or JSON lines.

    Raises UnsupportedContent where the content type is none that records come in.
    """
    events.require_readable(events.media_type(headers.get("content-type", "")))
    return _records(body or None, None, None, None)


def identity(event: Event) -> bytes:
    """A digest of what tells a redelivered event from another one.

    The data belongs to it: KafkaSource's ids are offsets, which begin again with a new topic.
    """
    digest = hashlib.blake2b(digest_size=16)
    for text in (event.source, event.id):
        digest.update(b"%b\0" % text.encode("utf-8", "surrogatepass"))
    if isinstance(event.data, bytes):
        digest.update(event.data)
    else:
        try:
            digest.update(orjson.dumps(event.data))
        except orjson.JSONEncodeError:  # nested too deeply, or a number beyond 64 bits
            digest.update(b"\0")
    return digest.digest()


def identity_in(event: bytes, alert: Alert) -> bytes:
    """A digest of an alert of the event with this identity."""
    return hashlib.blake2b(event + repr(alert.identity).encode(), digest_size=16).digest()


def _records(
    data: JSON, received: int | None, position: str | None, event: Event | None
) -> list[Found]:
    """The records in one event's data; where it holds none, the reason why in their place."""
    try:
        read: Sequence[LogRecord | RecordError] = records.read(data, received)
    except RecordError as error:
        read = [error]
    return [_place(record, position, event) for record in read]


def _place(record: LogRecord | RecordError, position: str | None, event: Event | None) -> Found:
    if isinstance(record, LogRecord):
        return Found(record, position, event)
    place = ", ".join(filter(None, (position, record.position))) or None
    return Found(RecordError(record.detail, place), place, event)
