"""kafka-python's clients, made in one place, because three of its quirks have to be known there.

The embedded broker answers the client's opening question about API versions in a way kafka-python
cannot decode, so that the version has to be named; a real Kafka must be asked instead. And on
Python 3.11 and 3.12 importing kafka-python warns about a function of the standard library that it
uses. A producer that is closed with records left raises, and goes on (`_Producer`).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from local.record import Record

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "(read|open)_text is deprecated", DeprecationWarning)
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition
    from kafka.admin import KafkaAdminClient, NewTopic
    from kafka.errors import KafkaError, KafkaTimeoutError
    from kafka.structs import OffsetAndMetadata

__all__ = [
    "Cluster",
    "KafkaConsumer",
    "KafkaError",
    "KafkaProducer",
    "OffsetAndMetadata",
    "TopicPartition",
    "assign_all",
    "create_topic",
    "produce",
    "read_to_end",
    "records_of",
]

# The newest API version that both sides of the embedded broker understand.
_EMBEDDED_VERSION = (2, 3)
_NO_WAIT = 50  # milliseconds of a poll that only asks what is there


class _Producer(KafkaProducer):  # type: ignore[misc] # it has no types
    """kafka-python's; `close` ends its thread and its sockets also where records are left."""

    def flush(self, timeout: float | None = None) -> None:
        """Write what is left, for at most `timeout` seconds; says nothing where some is left then.

        Only `close` gives a timeout, and whoever wrote hears from the record's own future.
        """
        with suppress(KafkaTimeoutError):  # raised, `close` would end here and leave all running
            super().flush(timeout)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where Kafka is: `bootstrap_servers` as host:port,...; and whether it is the embedded one."""

    bootstrap_servers: str
    embedded: bool = False

    def producer(self, **options: Any) -> KafkaProducer:
        """A producer; `options` are kafka-python's.

        Raises KafkaError if no broker answers within bootstrap_timeout_ms (30 000).
        """
        return _made(_Producer, {**self._connection(), "acks": "all", **options})

    def consumer(self, group: str | None = None, **options: Any) -> KafkaConsumer:
        """A consumer that begins at the start of a topic and never commits by itself.

        Raises KafkaError if no broker answers within bootstrap_timeout_ms (30 000).
        """
        chosen = {"enable_auto_commit": False, "auto_offset_reset": "earliest", **options}
        consumer = _made(KafkaConsumer, {**self._connection(), "group_id": group, **chosen})
        try:  # with a pinned version the client would connect only later, and then wait for ever
            consumer.bootstrap(timeout_ms=chosen.get("bootstrap_timeout_ms", 30_000))
        except KafkaError:
            consumer.close()
            raise
        return consumer

    def _connection(self) -> dict[str, Any]:
        version = {"api_version": _EMBEDDED_VERSION} if self.embedded else {}
        return {
            "bootstrap_servers": self.bootstrap_servers.split(","),
            "reconnect_backoff_max_ms": 1_000,  # Java's client, too; kafka-python waits up to 30 s
            **version,
        }


def _made(kind: Any, options: dict[str, Any]) -> Any:
    """A client; if it cannot be made, without the thread that kafka-python then leaves running."""
    networks: list[Any] = []

    def network(**config: Any) -> Any:
        networks.append(kind.DEFAULT_CONFIG["kafka_client"](**config))
        return networks[-1]

    try:
        return kind(**options, kafka_client=network)
    except KafkaError:
        for each in networks:
            each.close()
        raise


def assign_all(consumer: KafkaConsumer, topic: str) -> list[TopicPartition]:
    """Gives the consumer all partitions of the topic: none, if Kafka does not know the topic."""
    known = consumer.partitions_for_topic(topic) or ()
    partitions = [TopicPartition(topic, number) for number in sorted(known)]
    if partitions:
        consumer.assign(partitions)
    return partitions


def records_of(polled: dict[TopicPartition, Sequence[Any]]) -> list[Record]:
    """What a poll brought, partition after partition."""
    return [
        Record(
            each.topic,
            each.partition,
            each.offset,
            each.timestamp,
            each.key,
            each.value,
            tuple(each.headers),
        )
        for batch in polled.values()
        for each in batch
    ]


def create_topic(cluster: Cluster, name: str, partitions: int) -> None:
    """Creates a topic of one replica. Raises KafkaError; the embedded broker cannot do it."""
    admin = KafkaAdminClient(bootstrap_servers=cluster.bootstrap_servers.split(","))
    try:
        admin.create_topics([NewTopic(name, num_partitions=partitions, replication_factor=1)])
    finally:
        admin.close()


def produce(cluster: Cluster, topic: str, values: Iterable[bytes], *, wait: float = 30.0) -> int:
    """Writes the values, waits until Kafka has them all, and returns how many they were."""
    producer = cluster.producer()
    try:
        sent = [producer.send(topic, value=value) for value in values]
        for each in sent:
            each.get(timeout=wait)
    finally:
        producer.close()
    return len(sent)


def read_to_end(cluster: Cluster, topic: str, *, wait: float = 10.0) -> list[Record]:
    """Every record that the topic holds at this moment, ordered within each partition.

    Raises TimeoutError if they have not all come after `wait` seconds.
    """
    consumer = cluster.consumer()
    try:
        partitions = assign_all(consumer, topic)
        ends = consumer.end_offsets(partitions) if partitions else {}
        return _read_until(consumer, ends, time.monotonic() + wait)
    finally:
        consumer.close()


def _read_until(
    consumer: KafkaConsumer, ends: dict[TopicPartition, int], deadline: float
) -> list[Record]:
    found: list[Record] = []
    while any(consumer.position(partition) < end for partition, end in ends.items()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"Kafka gave {len(found)} records before the time was up: {ends}")
        found += records_of(consumer.poll(timeout_ms=_NO_WAIT))
    return found
