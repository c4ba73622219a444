"""Kafka records to CloudEvents, as KafkaSource maps them.

Mirrors eventing-kafka-broker: CloudEventDeserializer.java, InvalidCloudEventInterceptor.java and
CloudEventOverridesMutator.java.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from local.kafkasource.event import Event
from local.kafkasource.native_event import native_event
from local.kafkasource.plain_record import NullHeaderError, plain_event
from local.record import Record

_TRACES = ("traceparent", "tracestate", "baggage")


@dataclass(frozen=True, slots=True)
class Mapper:
    """How the records of one KafkaSource (`namespace`, `name`) look as events."""

    namespace: str
    name: str
    overrides: Mapping[str, str] = field(default_factory=dict)

    def event(self, record: Record) -> Event:
        """The event for one record.

        Raises NullHeaderError for a plain record of which a Kafka header has no value.
        """
        event = native_event(record) or plain_event(record, self._source(record.topic))
        place = {
            "knativekafkapartition": str(record.partition),
            "knativekafkaoffset": str(record.offset),
        }
        return replace(event.with_extensions({**place, **self.overrides}), traces=_traces(record))

    def events(self, batch: Iterable[Record]) -> list[tuple[Record, Event | None]]:
        """The events of one poll; None for a record that KafkaSource discards.

        One null Kafka header makes its interceptor fail, Kafka then hands on the batch as it was,
        and every record of it that is not a CloudEvent by itself is discarded and committed.
        """
        records = list(batch)
        try:
            return [(record, self.event(record)) for record in records]
        except NullHeaderError:
            return [(each, self.event(each) if native_event(each) else None) for each in records]

    def _source(self, topic: str) -> str:
        return f"/apis/v1/namespaces/{self.namespace}/kafkasources/{self.name}#{topic}"


def _traces(record: Record) -> tuple[tuple[str, str], ...]:
    """The record's trace headers as they are; KafkaSource puts its own span id into them."""
    headers = dict(record.headers)
    present = [(name, headers.get(name)) for name in _TRACES]
    return tuple((name, raw.decode("utf-8", "replace")) for name, raw in present if raw)
