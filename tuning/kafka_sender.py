"""KafkaSource as the sender: how many records are under way at once, and what is sent again.

Mirrors eventing-kafka-broker, data plane: OrderedConsumerVerticle.java, OrderedAsyncExecutor.java,
UnorderedConsumerVerticle.java and WebClientCloudEventSender.java. A poll takes no time here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from random import Random

from local.kafkasource.retry import accepted, retried
from tuning.engine import Engine
from tuning.kafka_source import KafkaSource
from tuning.pod import Request
from tuning.traffic import Traffic

POLL_SIZE = 50  # config-kafka-source-data-plane, max.poll.records
_POLL_EVERY_S = 0.2  # OrderedConsumerVerticle.java, in order only
_LOOK_EVERY_S = 1.0  # for attempts that have taken too long


class Record:
    """A record on its way, and how often it has been sent."""

    __slots__ = ("attempts", "born", "partition")

    def __init__(self, born: float, partition: int) -> None:
        self.born = born
        self.partition = partition
        self.attempts = 0


class KafkaSender:
    """All dispatcher pods of a KafkaSource; each has its share of the partitions."""

    def __init__(self, engine: Engine, source: KafkaSource, traffic: Traffic, seed: int) -> None:
        self._engine = engine
        self._source = source
        self._traffic = traffic
        self._seed = seed
        self._random = Random(seed)  # noqa: S311 - chooses partitions
        self._sent: dict[Request, Record] = {}  # the oldest first
        self.unfinished = 0
        self._lanes = _Ordered(self) if source.ordering == "ordered" else _Unordered(self)
        engine.at(_LOOK_EVERY_S, self._give_up_on_slow_ones, None)

    @property
    def waiting(self) -> int:
        """Records in Kafka, and those that wait for their next attempt."""
        return self.unfinished - len(self._sent)

    def arrivals(self) -> Iterator[float]:
        """The moments at which records are written."""
        return self._traffic.arrivals(self._seed)

    def arrive(self, now: float) -> None:
        """A record is written to a partition, without a key as Fluent Bit's are."""
        self.unfinished += 1
        self._lanes.put(Record(now, int(self._random.random() * self._source.partitions)))

    def send(self, record: Record) -> None:
        """Make one attempt."""
        record.attempts += 1
        request = Request(self._engine.now, record)
        self._sent[request] = record
        self._engine.send(request)

    def answered(self, request: Request, status: int, now: float) -> None:
        """The Service has answered, perhaps later than anybody waited for."""
        record = self._sent.pop(request, None)
        if record is not None:
            self._settle(record, status, now)

    def _give_up_on_slow_ones(self, _nothing: None) -> None:
        now, timeout = self._engine.now, self._source.delivery.timeout
        slow = []
        for request in self._sent:
            if now - request.sent < timeout:
                break
            slow.append(request)
        for request in slow:
            self._settle(self._sent.pop(request), 504, now)
        self._engine.at(now + _LOOK_EVERY_S, self._give_up_on_slow_ones, None)

    def _settle(self, record: Record, status: int, now: float) -> None:
        delivery = self._source.delivery
        if not accepted(status) and retried(status) and record.attempts <= delivery.retry:
            self._engine.at(now + delivery.delay(record.attempts), self.send, record)
            return
        if accepted(status):
            self._engine.recorder.delivered(record.born, now)
        else:
            self._engine.recorder.lost += 1
        self.unfinished -= 1
        self._lanes.finished(record)

    @property
    def source(self) -> KafkaSource:
        """What it was told."""
        return self._source

    @property
    def engine(self) -> Engine:
        """Where its events go."""
        return self._engine


class _Unordered:
    """A client polls whenever it has fewer records under way than one poll may bring."""

    def __init__(self, sender: KafkaSender) -> None:
        self._sender = sender
        self._consumers = sender.source.consumers
        self._in_kafka: list[deque[Record]] = [deque() for _ in range(self._consumers)]
        self._under_way = [0] * self._consumers

    def put(self, record: Record) -> None:
        consumer = record.partition % self._consumers
        self._in_kafka[consumer].append(record)
        self._poll(consumer)

    def finished(self, record: Record) -> None:
        consumer = record.partition % self._consumers
        self._under_way[consumer] -= 1
        if self._in_kafka[consumer]:
            self._poll(consumer)

    def _poll(self, consumer: int) -> None:
        waiting = self._in_kafka[consumer]
        if self._under_way[consumer] >= POLL_SIZE:
            return
        polled = [waiting.popleft() for _ in range(min(POLL_SIZE, len(waiting)))]
        self._under_way[consumer] += len(polled)
        for record in polled:
            self._sender.send(record)


class _Ordered:
    """One record of a partition at a time, its retries included; a poll every 200 ms."""

    def __init__(self, sender: KafkaSender) -> None:
        self._sender = sender
        self._consumers = sender.source.consumers
        partitions = range(sender.source.partitions)
        self._in_kafka: list[deque[Record]] = [deque() for _ in partitions]
        self._polled: list[deque[Record]] = [deque() for _ in partitions]
        self._busy = [False for _ in partitions]
        sender.engine.at(_POLL_EVERY_S, self._poll, None)

    def put(self, record: Record) -> None:
        self._in_kafka[record.partition].append(record)

    def finished(self, record: Record) -> None:
        self._busy[record.partition] = False
        self._next(record.partition)

    def _next(self, partition: int) -> None:
        if self._polled[partition] and not self._busy[partition]:
            self._busy[partition] = True
            self._sender.send(self._polled[partition].popleft())

    def _poll(self, _nothing: None) -> None:
        for consumer in range(self._consumers):
            room = POLL_SIZE
            for partition in range(consumer, len(self._in_kafka), self._consumers):
                if self._polled[partition]:
                    continue  # asked for again when it is empty
                taken = min(room, len(self._in_kafka[partition]))
                room -= taken
                waiting = self._in_kafka[partition]
                self._polled[partition].extend(waiting.popleft() for _ in range(taken))
                self._next(partition)
        self._sender.engine.at(self._sender.engine.now + _POLL_EVERY_S, self._poll, None)
