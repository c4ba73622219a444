"""Dead letters replayed: by the command, against a real Kafka and its tools; by a KafkaSource."""

from __future__ import annotations

import re
import shlex
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from local.broker import EmbeddedBroker
from local.kafka_clients import Cluster, create_topic, produce, read_to_end
from local.kafkasource.config import SourceConfig
from local.kafkasource.figures import Figures
from local.kafkasource.retry import Delivery
from local.source import KafkaSource
from tests import real, servers
from tests.e2e.real_kafka import FORGETS_SOCKETS, kafka
from tests.manifests import ROOT, one

ARTICLE = (ROOT / "tests/records/article.json").read_bytes().strip()

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
SECTION = PAGE.split("\n### Replaying them\n")[1].split("\n## ")[0]
TOOLS = {
    "kafka-console-consumer.sh": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-console-producer.sh": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-consumer-groups.sh": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
}
JAVA = ("java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # starts in a second
DEAD = [b'{"log":"one"}', '{"log":"zw\u00f6lf"}'.encode(), b"no JSON at all"]


def command(containing: str) -> str:
    """The one command of the section that contains a text."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
    [found] = [block for block in blocks if containing in block]
    return str(found)


def in_the_pod(folder: Path) -> str:
    """The shell script that the command runs in its pod, with a shorter wait and its own files."""
    arguments = shlex.split(command("kubectl -n kafka run"))
    script = arguments[arguments.index("-c") + 1]
    assert script.count("30000") == 1
    return script.replace("30000", "5000").replace("/tmp/records", str(folder / "records"))


def make_tools(folder: Path) -> None:
    """Kafka's start scripts come with its distribution, not with its jars."""
    jars = real.kafka_jars()
    (folder / "bin").mkdir()
    for name, java_class in TOOLS.items():
        tool = folder / "bin" / name
        tool.write_text(f'#!/bin/sh\nexec {" ".join(JAVA)} -cp "{jars}/*" {java_class} "$@"\n')
        tool.chmod(stat.S_IRWXU)


def run(folder: Path, *arguments: str) -> None:
    subprocess.run(arguments, cwd=folder, check=True, timeout=120, capture_output=True)


def values(cluster: Cluster, topic: str) -> list[bytes]:
    """Every value on a topic, sorted."""
    return sorted(record.value or b"" for record in read_to_end(cluster, topic))


def die(cluster: Cluster, *records: bytes) -> None:
    """Write records as a KafkaSink leaves them: the value as it was, the reason in the headers."""
    headers = [("ce_id", b"partition:0/offset:1"), ("ce_knativeerrorcode", b"503")]
    producer = cluster.producer()
    for record in records:
        producer.send("logs-dead-letter", record, headers=headers)
    producer.close()


@pytest.mark.long
@pytest.mark.real("kafka")
@FORGETS_SOCKETS
def test_each_dead_letter_is_replayed_once_until_the_group_is_told_to_forget(
    tmp_path: Path,
) -> None:
    make_tools(tmp_path)
    with kafka() as node:
        cluster = node.cluster
        create_topic(cluster, "logs", 10)
        create_topic(cluster, "logs-dead-letter", 1)
        die(cluster, *DEAD)
        replay = ("sh", "-c", in_the_pod(tmp_path), node.bootstrap_servers)

        run(tmp_path, *replay)
        assert values(cluster, "logs") == sorted(DEAD)

        run(tmp_path, *replay)
        assert values(cluster, "logs") == sorted(DEAD), "a second run finds nothing new"

        die(cluster, b'{"log":"later"}')
        run(tmp_path, *replay)
        assert values(cluster, "logs") == sorted([*DEAD, b'{"log":"later"}'])

        reset = shlex.split(command("--reset-offsets"))
        forget = [each.replace("localhost:9092", node.bootstrap_servers) for each in reset]
        run(tmp_path, *forget[forget.index("--") + 1 :])
        run(tmp_path, *replay)
        assert len(values(cluster, "logs")) == 2 * (len(DEAD) + 1)


# The other way: a KafkaSource on the dead letter topic.


def as_configured(path: str, sink: str, **delivery: Any) -> SourceConfig:
    """The KafkaSource of a manifest, but with other waiting times."""
    spec = one(path)["spec"]
    wanted = {"retry": spec["delivery"]["retry"], "backoff_delay": 0.01, "timeout": 10}
    dead = "logs-dead-letter" if "deadLetterSink" in spec["delivery"] else None
    [topic] = spec["topics"]
    return SourceConfig(
        sink=sink,
        topic=topic,
        consumer_group=spec["consumerGroup"],
        ordering=spec["ordering"],
        initial_offset=spec["initialOffset"],
        delivery=Delivery(**{**wanted, "dead_letter_topic": dead, **delivery}),
    )


def deliver(cluster: Cluster, config: SourceConfig) -> Figures:
    with KafkaSource(cluster, config) as source:
        assert source.wait_until_caught_up(60), source.figures()
        return source.figures()


def test_a_second_source_delivers_dead_letters_and_makes_no_new_ones(tmp_path: Path) -> None:
    poison = b"no JSON at all"
    with (
        EmbeddedBroker() as broker,
        servers.receiver() as receiver,
        servers.function(tmp_path, RECEIVER_URL=receiver.url) as server,
    ):
        produce(broker.cluster, "logs", [ARTICLE, poison])
        receiver.refuse = ("/notfound",)
        first = deliver(
            broker.cluster, as_configured("eventing/kafkasource.yaml", f"{server.url}/", retry=1)
        )
        assert first.attempts == {422: 1, 400: 1}
        assert first.dead_lettered == 2

        receiver.refuse = ()
        replay = as_configured("eventing/replay/kafkasource.yaml", f"{server.url}/")
        second = deliver(broker.cluster, replay)
        assert second.attempts == {204: 1, 400: 1}, "the one that was corrected, and the other"
        assert (second.dead_lettered, second.dropped) == (0, 1)
        assert len(read_to_end(broker.cluster, "logs-dead-letter")) == 2, "none came back"
