"""Every record of a topic is read, in the order of its partition, whatever is asked for when."""

from __future__ import annotations

import time

from local.broker import PARTITIONS, EmbeddedBroker
from local.kafkasource.config import SourceConfig
from local.kafkasource.partitions import POLL_SIZE, Partitions
from local.record import Record
from tests.kafkasource.begin import put
from tests.kafkasource.raw_sink import WAIT


def open_topic(broker: EmbeddedBroker, topic: str, *counts: int) -> Partitions:
    """A topic with so many records in its partitions, opened for reading."""
    for partition, count in enumerate(counts):
        put(broker.cluster, topic, count, partition)
    config = SourceConfig(sink="http://127.0.0.1:9/", topic=topic, consumer_group=topic)
    return Partitions.open(broker.cluster, config)


def read(partitions: Partitions, count: int, *only: int) -> list[Record]:
    """Poll until there are so many records, or a few more: Kafka sends them as it likes."""
    found: list[Record] = []
    until = time.monotonic() + WAIT
    while len(found) < count and time.monotonic() < until:
        found += partitions.poll(0.05, only=only or None)
    assert len(found) >= count, f"{len(found)} records of {only or 'all partitions'}"
    return found


def test_what_waits_in_a_partition_that_is_not_asked_comes_when_it_is(
    broker: EmbeddedBroker,
) -> None:
    partitions = open_topic(broker, "paused", 3 * POLL_SIZE, 30)
    try:
        first = read(partitions, 1, 0)
        read(partitions, 30, 1)  # more of partition 0 has come from Kafka, and waits
        rest = read(partitions, 3 * POLL_SIZE - len(first), 0)
        assert [record.offset for record in first + rest] == [*range(3 * POLL_SIZE)]
    finally:
        partitions.close()


def test_a_poll_brings_at_most_so_many_and_only_of_the_partitions_that_are_asked(
    broker: EmbeddedBroker,
) -> None:
    counts = (60, 70, 80, 90)
    partitions = open_topic(broker, "asked", *counts)
    try:
        offsets: dict[int, list[int]] = {number: [] for number in range(PARTITIONS)}
        until = time.monotonic() + WAIT
        for turn in range(10_000):
            asked = [turn % PARTITIONS, (turn + 1) % PARTITIONS]
            records = partitions.poll(0, only=asked)
            assert len(records) <= POLL_SIZE
            assert {record.partition for record in records} <= set(asked)
            for record in records:
                offsets[record.partition].append(record.offset)
            if sum(map(len, offsets.values())) == sum(counts) or time.monotonic() > until:
                break
        assert offsets == {number: [*range(count)] for number, count in enumerate(counts)}
    finally:
        partitions.close()


def test_a_topic_is_at_its_end_when_all_is_polled_and_finished(broker: EmbeddedBroker) -> None:
    partitions = open_topic(broker, "end", POLL_SIZE + 1)
    try:
        first = read(partitions, 1)
        for record in first:
            partitions.finished(record)
        assert not partitions.at_end(), "one at least was not polled"
        rest = read(partitions, POLL_SIZE + 1 - len(first))
        assert not partitions.at_end(), "the last ones are not finished"
        for record in rest:
            partitions.finished(record)
        assert partitions.at_end()
    finally:
        partitions.close()
