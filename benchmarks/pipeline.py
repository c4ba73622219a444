"""From Kafka to acknowledged, through the KafkaSource emulator, whose pace is KafkaSource's.

The function runs on the server's core; the embedded broker and the emulator, one Python process,
on the load's: ``python -m benchmarks.pipeline URL ORDERING PARTITIONS RECORDS``.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass

from benchmarks import event, processes
from benchmarks.load import WrongAnswersError
from benchmarks.servers import finished, receiving, serving
from benchmarks.subjects import Subject
from local.broker import EmbeddedBroker
from local.kafkasource.config import Ordering, SourceConfig
from local.source import KafkaSource

KIND = "pipeline"
_MATCHING = 100  # every so many records one matches
_PATIENCE = 300  # seconds


@dataclass(frozen=True, slots=True)
class Case:
    """Enough records for a few seconds."""

    ordering: Ordering
    partitions: int
    records: int

    @property
    def name(self) -> str:
        """As the tables show it."""
        return f"{self.ordering}, {self.partitions} partition" + "s" * (self.partitions > 1)


CASES = (
    Case("unordered", 1, 3000),
    Case("unordered", 4, 3000),
    Case("ordered", 1, 500),
    Case("ordered", 4, 1000),
)


def measure(case: Case, subject: Subject) -> dict[str, float]:
    """One topic, read to its end; raises WrongAnswersError where a record was not delivered."""
    with receiving(0) as receiver, serving(subject, receiver.url) as server:
        before = processes.cpu_seconds(server.process.pid)
        url = f"http://127.0.0.1:{server.port}/"
        partitions, records = str(case.partitions), str(case.records)
        done = finished("pipeline", url, case.ordering, partitions, records)
        cpu = processes.cpu_seconds(server.process.pid) - before
        alerts = receiver.taken()[1]
    if done.returncode:
        raise WrongAnswersError(done.stderr.strip() or "the emulator failed")
    figures = json.loads(done.stdout)
    if figures["delivered"] != case.records or alerts < case.records // _MATCHING:
        raise WrongAnswersError(f"of {case.records} records: {figures}, {alerts} alerts")
    return {
        "records_per_second": case.records / figures["seconds"],
        "function_cpu_us": cpu / case.records * 1e6,
        "source_cpu_us": figures["cpu_seconds"] / case.records * 1e6,
    }


def main(url: str, ordering: Ordering, partitions: int, records: int) -> None:
    """Fill a topic, then read it, and print how long that took."""
    with EmbeddedBroker() as broker:
        producer = broker.cluster.producer()
        for number in range(records):
            matches = number % _MATCHING == 0
            value = event.value(matches=matches, number=event.FIRST + number)
            producer.send("logs", value=value, partition=number % partitions)
        producer.flush()
        producer.close()
        source = KafkaSource(broker.cluster, SourceConfig(sink=url, ordering=ordering))
        start, cpu = time.perf_counter(), time.process_time()
        with source:
            if not source.wait_until_caught_up(_PATIENCE):
                raise SystemExit(f"not finished after {_PATIENCE} s: {source.figures()}")
            seconds = time.perf_counter() - start
            cpu = time.process_time() - cpu
        figures = {"seconds": seconds, "cpu_seconds": cpu, "delivered": source.figures().delivered}
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))  # type: ignore[arg-type]
