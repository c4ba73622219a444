"""One consumer group's place in one topic: where it begins, what it reads, what it may commit.

Mirrors KafkaSource: eventing-kafka-broker OffsetManager.java, and the control plane's
initialisation of offsets. kafka-python's consumer is not thread-safe: whoever opens a
`Partitions` is the only one to use it.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable

from local.kafka_clients import (
    Cluster,
    KafkaConsumer,
    KafkaError,
    OffsetAndMetadata,
    TopicPartition,
    assign_all,
    records_of,
)
from local.kafkasource.config import SourceConfig
from local.kafkasource.offsets import Progress
from local.record import Record

log = logging.getLogger(__name__)

POLL_SIZE = 50  # max.poll.records of the shipped config-kafka-source-data-plane
_ANSWER = 5_000  # milliseconds to wait for a broker before trying again later
_FETCH_WAIT = 100  # milliseconds; a question to the same broker waits for the fetch before it
_ALL = 1_000_000  # records of a poll that leaves none with kafka-python
_FETCH_BYTES = 65_536  # max.partition.fetch.bytes of the shipped config-kafka-source-data-plane


class Partitions:
    """All partitions of the topic, assigned to this one member of the group.

    There is no rebalancing: the embedded broker cannot do it, and one source is one member.
    """

    def __init__(self, consumer: KafkaConsumer, config: SourceConfig) -> None:
        self._consumer = consumer
        self._assigned = {each.partition: each for each in assign_all(consumer, config.topic)}
        if not self._assigned:
            raise KafkaError(f"Kafka has no topic {config.topic!r} yet")
        starts = self._starts(config)
        self._progress = {number: Progress(start) for number, start in starts.items()}
        self._committed = dict(starts)
        self._fetched: dict[int, deque[Record]] = {number: deque() for number in self._assigned}

    @classmethod
    def open(cls, cluster: Cluster, config: SourceConfig) -> Partitions:
        """Connects. Raises KafkaError if there is no broker, or no such topic."""
        consumer = cluster.consumer(
            config.consumer_group,
            bootstrap_timeout_ms=_ANSWER // 5,
            max_partition_fetch_bytes=_FETCH_BYTES,
            fetch_max_wait_ms=_FETCH_WAIT,
            isolation_level="read_committed",
            allow_auto_create_topics=False,
        )
        try:
            return cls(consumer, config)
        except KafkaError:
            consumer.close(autocommit=False)
            raise

    @property
    def numbers(self) -> frozenset[int]:
        """The partitions' numbers."""
        return frozenset(self._assigned)

    def poll(self, seconds: float, only: Iterable[int] | None = None) -> list[Record]:
        """At most POLL_SIZE records, of these partitions only if any are named."""
        wanted = list(self._assigned if only is None else only)
        if not any(self._fetched[number] for number in wanted):
            self._fetch(seconds, wanted)
        records: list[Record] = []
        for number in wanted:
            fetched = self._fetched[number]
            while fetched and len(records) < POLL_SIZE:
                records.append(fetched.popleft())
        for record in records:
            self._progress[record.partition].received(record.offset)
        return records

    def _fetch(self, seconds: float, wanted: Iterable[int]) -> None:
        """Take all that has come from Kafka for these partitions.

        kafka-python 3.0 would lose sight of records that a poll leaves with it when their partition
        is paused then: it does not give them after `resume` (Fetcher.fetched_records).
        """
        asked = {self._assigned[number] for number in wanted}
        self._consumer.pause(*(set(self._assigned.values()) - asked))
        self._consumer.resume(*asked)
        polled = self._consumer.poll(timeout_ms=int(seconds * 1000), max_records=_ALL)
        for record in records_of(polled):
            self._fetched[record.partition].append(record)

    def finished(self, record: Record) -> None:
        """The record need not be read again."""
        self._progress[record.partition].finished(record.offset)

    def commit(self) -> None:
        """Commits how far everything is finished. Without an answer, the next call does it."""
        offsets = {number: each.committable for number, each in self._progress.items()}
        changed = {n: offset for n, offset in offsets.items() if offset != self._committed[n]}
        try:
            self._commit(changed)
        except KafkaError as error:
            log.warning("not committed, Kafka does not answer: %s", error)
        else:
            self._committed = offsets

    def at_end(self) -> bool:
        """Whether everything that the topic holds now was read and is finished."""
        if any(self._fetched.values()) or any(each.unfinished for each in self._progress.values()):
            return False
        try:
            ends = self._consumer.end_offsets(self._assigned.values(), timeout_ms=_ANSWER)
            return all(self._is_past(each, end) for each, end in ends.items())
        except KafkaError as error:
            log.warning("Kafka does not say where the topic ends: %s", error)
            return False

    def close(self) -> None:
        """Disconnects, and commits nothing."""
        self._consumer.close(autocommit=False)

    def _is_past(self, partition: TopicPartition, end: int) -> bool:
        if self._progress[partition.partition].committable >= end:
            return True
        # A topic may end with transaction markers, which no poll returns: the position is behind
        # them. It is asked second because that takes its time.
        position: int | None = self._consumer.position(partition, timeout_ms=_ANSWER)
        return position is not None and position >= end

    def _starts(self, config: SourceConfig) -> dict[int, int]:
        """Where to begin: what is committed, else the initial offset; `latest` is committed now."""
        latest = config.initial_offset == "latest"
        ask = self._consumer.end_offsets if latest else self._consumer.beginning_offsets
        initial = ask(self._assigned.values(), timeout_ms=_ANSWER)
        starts = {
            n: self._consumer.committed(each, timeout_ms=_ANSWER)
            for n, each in self._assigned.items()
        }
        new = {n: initial[self._assigned[n]] for n, start in starts.items() if start is None}
        starts |= new
        for number, start in starts.items():
            self._consumer.seek(self._assigned[number], start)
        if latest:
            self._commit(new)
        return starts

    def _commit(self, offsets: dict[int, int]) -> None:
        if offsets:
            metadata: dict[TopicPartition, OffsetAndMetadata] = {
                self._assigned[number]: OffsetAndMetadata(offset, "", -1)
                for number, offset in offsets.items()
            }
            self._consumer.commit(metadata, timeout_ms=_ANSWER)
