"""A Kafka broker inside this process: librdkafka's mock cluster, on a loopback port.

It is the cluster that librdkafka's own tests use, so any client can talk to it over TCP: Fluent
Bit, kcat, kafka-python. What it cannot do, and this project therefore does without on a laptop:
create or delete topics (it makes a topic of four partitions the first time one is named),
rebalance a consumer group, keep anything after it is closed.
"""

from __future__ import annotations

import argparse
import threading

from confluent_kafka import Producer

from local.closing import Closing
from local.kafka_clients import Cluster

PARTITIONS = 4  # of every topic; librdkafka offers no way to choose another number
_LOG_ERRORS = 3  # syslog's level: without it librdkafka announces its mock on stderr


class EmbeddedBroker(Closing):
    """One broker, alive from here to `close`; as a context manager, for the length of its block."""

    def __init__(self) -> None:
        # The mock belongs to a client object: it stops when that object is collected.
        self._holder: Producer | None = Producer(
            {"test.mock.num.brokers": 1, "log_level": _LOG_ERRORS}
        )
        brokers = self._holder.list_topics(timeout=5).brokers.values()
        self.bootstrap_servers: str = ",".join(f"{each.host}:{each.port}" for each in brokers)

    @property
    def cluster(self) -> Cluster:
        """The way to it for this project's clients."""
        return Cluster(self.bootstrap_servers, embedded=True)

    def close(self) -> None:
        """Stops the broker and forgets every record."""
        self._holder = None


def main() -> None:
    """Runs one broker until Ctrl-C."""
    argparse.ArgumentParser(prog="python -m local.broker", description=main.__doc__).parse_args()
    with EmbeddedBroker() as broker:
        address = broker.bootstrap_servers
        source = (
            f"python -m local.source --embedded --bootstrap-servers {address} --sink http://..."
        )
        try:
            print(f"Kafka listens on {address}, {PARTITIONS} partitions per topic", flush=True)
            print(source)
            threading.Event().wait()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
