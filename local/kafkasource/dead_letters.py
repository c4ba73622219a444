"""The dead letter topic: an event that could not be delivered, written as a KafkaSink writes it.

Mirrors eventing-kafka-broker RecordDispatcherImpl.java (the error extensions) and KafkaSink in
its binary content mode (CloudEvents' Java SDK: ce_ headers, and partitionkey as the record's
key).
"""

from __future__ import annotations

import base64
import re
import threading

from local.kafka_clients import Cluster, KafkaError, KafkaProducer
from local.kafkasource.event import Event
from local.kafkasource.sink import Answer, TransportError

_ERROR_BYTES = 1024  # of the sink's answer; the rest is not kept
_NAME = re.compile("[a-z0-9]+")
_WAIT = 30.0  # seconds that one write may take
_CONNECT = 5_000  # milliseconds to wait for a broker

_WRITTEN = Answer(202, (), b"")


def with_error(event: Event, sink: str, answer: Answer | None) -> Event:
    """The event with what became of it: knativeerrordest, and -code and -data if the sink answered.

    Each header kne-<x> of the answer becomes the extension <x>. Names that no extension can have
    are left out; KafkaSource's own handler would fail on them.
    """
    extensions = {"knativeerrordest": sink}
    if answer:
        extensions["knativeerrorcode"] = str(answer.status)
        if answer.body:
            extensions["knativeerrordata"] = base64.b64encode(answer.body[:_ERROR_BYTES]).decode()
        extensions.update(_named_by_the_sink(answer))
    return event.with_extensions(extensions)


class DeadLetters:
    """Writes events to one topic; any thread may `write`."""

    def __init__(self, cluster: Cluster, topic: str) -> None:
        self._cluster = cluster
        self._topic = topic
        self._lock = threading.Lock()
        self._closed = False
        self._producer: KafkaProducer | None = None

    def write(self, event: Event) -> Answer:
        """Returns a KafkaSink's answer when Kafka has the event. Raises TransportError.

        An event without data gets an empty value: kafka-python writes no record with neither key
        nor value.
        """
        key = event.extensions.get("partitionkey")
        headers = [(name, _utf8(value)) for name, value in event.headers("ce_")]
        try:
            sent = self._connected().send(
                self._topic,
                key=_utf8(key) if key else None,
                value=event.data or b"",
                headers=headers,
            )
            sent.get(timeout=_WAIT)
        except KafkaError as error:
            raise TransportError(f"dead letter topic {self._topic}: {error}") from error
        return _WRITTEN

    def close(self, wait: float) -> None:
        """Writes what is left for at most `wait` seconds."""
        with self._lock:
            self._closed = True
            if self._producer:
                self._producer.close(timeout=wait)

    def _connected(self) -> KafkaProducer:
        with self._lock:
            if self._closed:
                raise TransportError("the source is closed")
            if self._producer is None:
                self._producer = self._cluster.producer(
                    bootstrap_timeout_ms=_CONNECT, max_block_ms=_CONNECT
                )
            return self._producer


def _utf8(text: str) -> bytes:
    """As Java encodes it: a lone surrogate, which JSON can hold, becomes a question mark."""
    return text.encode("utf-8", "replace")


def _named_by_the_sink(answer: Answer) -> dict[str, str]:
    named = {name.lower()[4:]: text for name, text in answer.headers if name.lower()[:4] == "kne-"}
    return {name: text for name, text in named.items() if _NAME.fullmatch(name)}
