"""The embedded broker speaks Kafka's protocol, as far as this project needs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from local.broker import PARTITIONS, EmbeddedBroker
from local.kafka_clients import Cluster, assign_all, produce, read_to_end
from tests import real, servers


def test_what_was_produced_can_be_read_to_its_end() -> None:
    with EmbeddedBroker() as broker:
        assert produce(broker.cluster, "logs", [b"a", b"b", b"c"]) == 3
        assert {record.value for record in read_to_end(broker.cluster, "logs")} == {
            b"a",
            b"b",
            b"c",
        }


def test_a_topic_comes_into_being_with_four_partitions_when_it_is_written_to() -> None:
    with EmbeddedBroker() as broker:
        consumer = broker.cluster.consumer()
        assert assign_all(consumer, "logs") == []
        produce(broker.cluster, "logs", [b"a"])
        assert [each.partition for each in assign_all(consumer, "logs")] == [*range(PARTITIONS)]
        consumer.close()


def test_a_topic_that_does_not_exist_reads_as_empty() -> None:
    with EmbeddedBroker() as broker:
        assert read_to_end(broker.cluster, "nothing") == []


def test_keys_headers_and_the_time_of_production_survive() -> None:
    with EmbeddedBroker() as broker:
        producer = broker.cluster.producer()
        headers = [("traceparent", b"00-1"), ("x", b"\xff")]
        producer.send("logs", key=b"k", value=None, headers=headers, timestamp_ms=1_629_856_477_226)
        producer.close()
        (record,) = read_to_end(broker.cluster, "logs")
    assert (record.key, record.value, record.timestamp) == (b"k", None, 1_629_856_477_226)
    assert record.headers == (("traceparent", b"00-1"), ("x", b"\xff"))


def test_two_brokers_share_nothing() -> None:
    with EmbeddedBroker() as one, EmbeddedBroker() as other:
        produce(one.cluster, "logs", [b"a"])
        assert read_to_end(other.cluster, "logs") == []


def test_only_the_embedded_broker_gets_a_pinned_api_version() -> None:
    with EmbeddedBroker() as broker:
        assert broker.cluster == Cluster(broker.bootstrap_servers, embedded=True)
    assert not Cluster("kafka:9092").embedded


def test_the_command_line_serves_other_processes_until_it_is_interrupted() -> None:
    with servers.broker() as (process, address):
        assert produce(Cluster(address, embedded=True), "logs", [b"a"]) == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0


@contextmanager
def full_pipe() -> Iterator[tuple[int, int]]:
    """The ends of a pipe into which nothing can be written until something is read."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    with suppress(BlockingIOError):
        while True:
            os.write(write, b"x" * 4096)
    os.set_blocking(write, True)
    try:
        yield read, write
    finally:
        os.close(read)
        os.close(write)


@pytest.mark.skipif(not Path("/proc/self/wchan").exists(), reason="/proc does not tell who waits")
@pytest.mark.parametrize("tool", ["local.broker", "local.inbox"])
def test_ctrl_c_while_the_first_line_is_printed_is_an_ordinary_end(tool: str) -> None:
    with full_pipe() as (read, write):
        command = (sys.executable, "-m", tool)
        with subprocess.Popen(command, stdout=write, cwd=real.ROOT) as process:
            waits_in = Path(f"/proc/{process.pid}/wchan")
            servers.wait_until(lambda: "pipe_write" in waits_in.read_text(), 30)
            process.send_signal(signal.SIGINT)
            os.read(read, 65536)  # or its end would wait for room, too
            assert process.wait(timeout=10) == 0
