"""Records in a topic, sources that read it, and what they have committed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from local.kafka_clients import Cluster, TopicPartition
from local.kafkasource.config import InitialOffset, Ordering, SourceConfig
from local.kafkasource.figures import Finished
from local.kafkasource.retry import Delivery
from local.source import KafkaSource
from tests.kafkasource.raw_sink import MILLISECOND, WAIT


def put(cluster: Cluster, topic: str, count: int, partition: int = 0) -> None:
    """Records 0, 1, ... one after the other into one partition."""
    producer = cluster.producer()
    for number in range(count):
        producer.send(topic, value=b"%d" % number, partition=partition)
    producer.flush()
    producer.close()


def committed(cluster: Cluster, topic: str, group: str, partition: int = 0) -> int | None:
    consumer = cluster.consumer(group)
    try:
        offset: int | None = consumer.committed(TopicPartition(topic, partition))
    finally:
        consumer.close()
    return offset


@dataclass
class Begin:
    """Makes sources for a topic whose group is the topic's name."""

    cluster: Cluster
    topic: str
    made: list[KafkaSource] = field(default_factory=list)

    def __call__(
        self,
        url: str,
        *,
        ordering: Ordering = "unordered",
        initial_offset: InitialOffset = "earliest",
        retry: int = 3,
        backoff_delay: float = MILLISECOND,
        timeout: float = WAIT,
        dead_letter_topic: str | None = None,
        on_finished: Callable[[Finished], None] | None = None,
    ) -> KafkaSource:
        delivery = Delivery(
            retry=retry,
            backoff_delay=backoff_delay,
            timeout=timeout,
            dead_letter_topic=dead_letter_topic,
        )
        config = SourceConfig(
            sink=url,
            topic=self.topic,
            consumer_group=self.topic,
            ordering=ordering,
            initial_offset=initial_offset,
            delivery=delivery,
        )
        source = KafkaSource(self.cluster, config, on_finished)
        source.start()
        self.made.append(source)
        return source
