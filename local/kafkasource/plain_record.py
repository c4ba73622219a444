"""A Kafka record that is not a CloudEvent, as Fluent Bit writes it, becomes one.

Mirrors KafkaSource: eventing-kafka-broker InvalidCloudEventInterceptor.java and
KeyDeserializer.java with the default key type, string.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from local.kafkasource.event import Event
from local.record import Record

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_NOT_IN_A_NAME = re.compile("[^a-z0-9]")


class NullHeaderError(ValueError):
    """A Kafka header without a value: KafkaSource's interceptor fails on it and its batch."""


def plain_event(record: Record, source: str) -> Event:
    """Wraps the record; `source` is the CloudEvent source: it names KafkaSource and topic.

    Raises NullHeaderError for a Kafka header that has no value.
    """
    attributes = {
        "specversion": "1.0",
        "id": f"partition:{record.partition}/offset:{record.offset}",
        "source": source,
        "type": "dev.knative.kafka.event",
        "subject": f"partition:{record.partition}#{record.offset}",
        "time": rfc3339(record.timestamp),
    }
    extensions = _key_extensions(record.key)
    for name, value in record.headers:
        if value is None:
            raise NullHeaderError(f"Kafka header {name!r} of {attributes['id']} has no value")
        text = value.decode("utf-8", "replace")
        if name.lower() == "content-type":
            attributes["datacontenttype"] = text.lower()
        else:
            extensions["kafkaheader" + _NOT_IN_A_NAME.sub("", name.lower())] = text
    return Event(attributes, extensions, record.value)


def rfc3339(timestamp: int) -> str:
    """Milliseconds since 1970 as UTC, with as few digits of a second as needed: .123Z, .12Z, Z."""
    moment = _EPOCH + timedelta(milliseconds=timestamp)
    fraction = f".{timestamp % 1000:03}".rstrip("0").rstrip(".")
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def _key_extensions(key: bytes | None) -> dict[str, str]:
    if not key:
        return {}
    text = key.decode("utf-8", "replace")
    return {"key": text, "partitionkey": text}
