"""Our own log lines come back as records, where an output does not leave our namespace out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from local.broker import EmbeddedBroker
from local.kafka_clients import Cluster, produce, read_to_end
from local.kafkasource.config import SourceConfig
from local.kafkasource.retry import Delivery
from local.source import KafkaSource
from tests import servers
from tests.servers import Function

RULES = """
groups:
  - name: everything
    rules:
      - alert: Line
        match: [log =~ .+]
        labels: {pod: "{{ pod }}"}
        annotations: {message: "{{ log }}"}
"""
SECONDS = 6
LINES = 5  # a second: kinds of lines that a refused attempt may write, each at most once a second


def fluent_bit(line: str) -> bytes:
    """A record of our own pod."""
    kubernetes = {
        "namespace_name": "logs-handler",
        "pod_name": "logs-handler-00001-deployment-5c9f7d4b8-x2k8q",
        "container_name": "user-container",
    }
    return json.dumps({"log": line, "kubernetes": kubernetes, "@timestamp": time.time()}).encode()


@contextmanager
def shipping(server: Function, cluster: Cluster) -> Iterator[None]:
    """Produce each line of the function's log into its topic, beside others."""
    done = Event()

    def ship() -> None:
        shipped = 0
        while not done.wait(0.02):
            lines = server.log.splitlines()
            produce(cluster, "logs", map(fluent_bit, [*lines[shipped:], "another"]))
            shipped = len(lines)

    thread = Thread(target=ship)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("kind", ["flask", "asgi"])
def test_a_log_that_is_fed_back_grows_by_a_few_lines_a_second(kind: str, tmp_path: Path) -> None:
    """A rule fires for each of them, the receiver is away, and one source has a wrong path."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    away = f"http://127.0.0.1:{servers.free_port()}/api/v2/alerts"
    with (
        EmbeddedBroker() as broker,
        servers.function(tmp_path, server=kind, RULES_FILE=str(rules), RECEIVER_URL=away) as server,
    ):
        config = SourceConfig(server.url, delivery=Delivery(dead_letter_topic="dead"))
        wrong = SourceConfig(f"{server.url}/typo", consumer_group="wrong", delivery=config.delivery)
        sources = [KafkaSource(broker.cluster, each) for each in (config, wrong)]
        with shipping(server, broker.cluster):
            start = time.monotonic()
            for source in sources:
                source.start()
            time.sleep(SECONDS)
            seconds = time.monotonic() - start
            lines = [line["event"] for line in server.events()]
        for source in sources:
            source.abort()
        assert len(read_to_end(broker.cluster, "logs")) >= len(lines)
    assert {"request_refused", "delivery_failed", "receiver_failing"} <= {*lines}
    assert lines.count("request_refused") > SECONDS / 2, "the loop is not closed"
    assert len(lines) <= LINES * seconds + 10, lines
