"""A KafkaSource on a laptop: it reads a topic and posts each record to a sink as Knative's does.

Mirrors KafkaSource as eventing-kafka-broker implements it: the request's headers and their order,
what is retried and after which delay, dead letters, the two orderings, and when offsets are
committed.

Not mirrored: rebalancing (one source reads all partitions), key types other than string, TLS and
OIDC.
"""

from __future__ import annotations

import argparse
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType

from local.kafka_clients import Cluster, KafkaError
from local.kafkasource.config import SourceConfig
from local.kafkasource.dead_letters import DeadLetters
from local.kafkasource.dispatch import AbandonedError, Dispatcher
from local.kafkasource.figures import Counters, Figures, Finished
from local.kafkasource.lanes import Item, Lanes, Ordered, Unordered
from local.kafkasource.mapping import Mapper
from local.kafkasource.partitions import Partitions
from local.kafkasource.retry import Delivery
from local.kafkasource.sink import Sink
from local.record import Record

log = logging.getLogger(__name__)

COMMIT_INTERVAL = (
    5.0  # seconds, auto.commit.interval.ms of the shipped config-kafka-source-data-plane
)
_RECONNECT = 0.5  # seconds until the next try to reach Kafka, or to find the topic in it


class KafkaSource:
    """Starts with `start`; ends with `stop`, or with `abort` as if the process had been killed.

    `on_finished` is called for every record that is done with, in the thread that worked on it.
    """

    def __init__(
        self,
        cluster: Cluster,
        config: SourceConfig,
        on_finished: Callable[[Finished], None] | None = None,
    ) -> None:
        delivery = config.delivery
        topic = delivery.dead_letter_topic
        self._cluster = cluster
        self._config = config
        self._on_finished = on_finished
        self._counters = Counters()
        self._mapper = Mapper(config.namespace, config.name, config.ce_overrides)
        self._dispatcher = Dispatcher(
            Sink(config.sink, config.namespace, delivery.timeout),
            DeadLetters(cluster, topic) if topic else None,
            delivery,
            self._counters.attempted,
        )
        self._finished: queue.SimpleQueue[Record] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._aborted = threading.Event()
        self._asked = threading.Event()
        self._caught_up = threading.Event()
        self._grace = 0.0
        # This thread alone uses kafka-python's consumer, which is not thread-safe; the others
        # tell it through _finished what they are done with.
        self._thread = threading.Thread(target=self._run, name="kafka-source", daemon=True)

    def start(self) -> None:
        """Begins to read; waits neither for Kafka nor for the topic to exist."""
        self._thread.start()

    def stop(self, grace: float = 120.0) -> None:
        """Waits for what is under way, its retries included, at most `grace` seconds; commits."""
        self._grace = grace
        self._stopping.set()
        self._thread.join()

    def abort(self) -> None:
        """Stops as SIGKILL would: requests under way are cut off, nothing is committed any more."""
        self._aborted.set()
        self._stopping.set()
        self._dispatcher.abandon()
        self._thread.join()

    def figures(self) -> Figures:
        """What was done so far."""
        return self._counters.snapshot()

    def wait_until_caught_up(self, seconds: float | None = None) -> bool:
        """Waits until all that the topic holds is finished; says whether it was in time."""
        self._caught_up.clear()
        self._asked.set()
        return self._caught_up.wait(seconds)

    def __enter__(self) -> KafkaSource:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.stop()
        else:
            self.abort()

    def _run(self) -> None:
        partitions = self._connect()
        if partitions is None:
            self._dispatcher.close()
            return
        lanes = self._lanes(partitions)
        try:
            self._read(partitions, lanes)
            self._finish(partitions, lanes)
        finally:
            partitions.close()

    def _connect(self) -> Partitions | None:
        while not self._stopping.is_set():
            try:
                return Partitions.open(self._cluster, self._config)
            except KafkaError as error:
                log.warning("waiting for Kafka: %s", error)
                self._stopping.wait(_RECONNECT)
        return None

    def _lanes(self, partitions: Partitions) -> Lanes:
        if self._config.ordering == "ordered":
            return Ordered(self._work, partitions.numbers)
        return Unordered(self._work)

    def _read(self, partitions: Partitions, lanes: Lanes) -> None:
        commit_at = time.monotonic() + COMMIT_INTERVAL
        while not self._stopping.is_set():
            records = lanes.poll(partitions)
            self._counters.received(len(records))
            lanes.put(self._mapper.events(records))
            self._note_finished(partitions)
            if time.monotonic() >= commit_at:
                partitions.commit()
                commit_at = time.monotonic() + COMMIT_INTERVAL
            if self._asked.is_set() and not records and partitions.at_end():
                self._asked.clear()
                self._caught_up.set()

    def _finish(self, partitions: Partitions, lanes: Lanes) -> None:
        patience = threading.Timer(self._grace, self._dispatcher.abandon)
        patience.start()
        lanes.close()
        patience.cancel()
        self._dispatcher.close()
        if not self._aborted.is_set():
            self._note_finished(partitions)
            partitions.commit()

    def _note_finished(self, partitions: Partitions) -> None:
        while not self._finished.empty():
            partitions.finished(self._finished.get())

    def _work(self, item: Item) -> None:
        record, event = item
        self._counters.began()
        try:
            outcome = self._dispatcher.dispatch(event) if event else "discarded"
        except AbandonedError:
            self._counters.ended(None)
            return
        finished = Finished(record, outcome, time.time() - record.timestamp / 1000)
        self._counters.ended(finished)
        self._finished.put(record)
        if self._on_finished:
            self._on_finished(finished)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one source, and says in one line what it did."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level="WARNING", format="%(levelname)s %(message)s")
    logging.getLogger("kafka").setLevel("CRITICAL")  # the source says itself that Kafka is away
    source = KafkaSource(Cluster(options.bootstrap_servers, options.embedded), _config(options))
    source.start()
    try:
        if options.until_caught_up:
            source.wait_until_caught_up()
        else:
            threading.Event().wait()
    except KeyboardInterrupt:
        print()
    source.stop()
    print(source.figures())


def _parser() -> argparse.ArgumentParser:
    usual, delivery = SourceConfig(sink=""), Delivery()
    parser = argparse.ArgumentParser(
        prog="python -m local.source",
        description=main.__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--bootstrap-servers", required=True, metavar="HOST:PORT,...", help="Kafka")
    add("--embedded", action="store_true", help="that Kafka is the one of python -m local.broker")
    add("--sink", required=True, metavar="URL", help="where each event is posted")
    add("--topic", default=usual.topic, help="what is read")
    add("--consumer-group", default=usual.consumer_group, help="whose offsets are committed")
    add("--ordering", default=usual.ordering, choices=("ordered", "unordered"), help="of delivery")
    add(
        "--initial-offset",
        default=usual.initial_offset,
        choices=("earliest", "latest"),
        help="of a new group",
    )
    add("--retry", default=delivery.retry, type=int, help="attempts after the first")
    add(
        "--backoff-policy",
        default=delivery.backoff_policy,
        choices=("exponential", "linear"),
        help="delay",
    )
    add(
        "--backoff-delay",
        default=delivery.backoff_delay,
        type=float,
        metavar="SECONDS",
        help="of the policy",
    )
    add("--timeout", default=delivery.timeout, type=float, metavar="SECONDS", help="of one attempt")
    add(
        "--dead-letter-topic",
        default=delivery.dead_letter_topic,
        help="'' drops what cannot be delivered",
    )
    add("--name", default=usual.name, help="the KafkaSource's name")
    add("--namespace", default=usual.namespace, help="the KafkaSource's namespace")
    add(
        "--until-caught-up",
        action="store_true",
        help="end when all that the topic holds is finished",
    )
    return parser


def _config(options: argparse.Namespace) -> SourceConfig:
    return SourceConfig(
        sink=options.sink,
        topic=options.topic,
        consumer_group=options.consumer_group,
        ordering=options.ordering,
        initial_offset=options.initial_offset,
        delivery=Delivery(
            retry=options.retry,
            backoff_policy=options.backoff_policy,
            backoff_delay=options.backoff_delay,
            timeout=options.timeout,
            dead_letter_topic=options.dead_letter_topic or None,
        ),
        name=options.name,
        namespace=options.namespace,
    )


if __name__ == "__main__":
    main()
