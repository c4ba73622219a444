"""A real Apache Kafka for the length of a block: one KRaft node on free loopback ports."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.kafka_clients import Cluster, KafkaError
from tests import real

# While its broker is away, kafka-python forgets a socket at every attempt to connect.
FORGETS_SOCKETS = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)

_START = 30.0  # seconds
_JAVA = ("java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # starts in two seconds
_CLUSTER_ID = "bG9ncy1oYW5kbGVyLXRlcw"  # any 16 bytes in URL-safe base64


class KafkaNode:
    """One broker and controller whose data outlives `stop`, until the block that made it ends."""

    def __init__(self, jars: Path, folder: Path) -> None:
        port, controller = _free_ports(2)
        self.bootstrap_servers = f"127.0.0.1:{port}"
        # Kafka 4 brings no binding for its log interface, so that it logs nothing at all.
        self._java = (*_JAVA, "-cp", f"{jars}/*")
        self._properties = folder / "server.properties"
        self._properties.write_text(_server_properties(port, controller, folder / "data"))
        self._process: subprocess.Popen[bytes] | None = None
        self._run("kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c").check_returncode()

    @property
    def cluster(self) -> Cluster:
        """The way to it for this project's clients."""
        return Cluster(self.bootstrap_servers)

    def start(self) -> None:
        """Returns when it answers clients. Raises RuntimeError if it does not come up."""
        self._process = subprocess.Popen(
            (*self._java, "kafka.Kafka", str(self._properties)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _START
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Kafka did not start: exit status {self._process.poll()}")

    def stop(self) -> None:
        """Ends it in order; its data stays."""
        if self._process:
            self._process.terminate()
            self._process.wait(timeout=_START)
            self._process = None

    def restart(self) -> None:
        """A new process on the same data and the same port."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """Ends it at once."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = (*self._java, *arguments, str(self._properties))
        return subprocess.run(command, capture_output=True, check=False)

    def _answers(self) -> bool:
        host, port = self.bootstrap_servers.split(":")
        try:  # a cheap look first: every refused attempt of the client would leave a socket behind
            socket.create_connection((host, int(port)), timeout=1).close()
            self.cluster.consumer(bootstrap_timeout_ms=1_000).close()
        except (OSError, KafkaError):
            time.sleep(0.05)
            return False
        return True


@contextmanager
def kafka() -> Iterator[KafkaNode]:
    """A started node. Skips the test where Java or Kafka's jars are absent."""
    jars = real.kafka_jars()
    with tempfile.TemporaryDirectory(prefix="kafka-") as folder:
        node = KafkaNode(jars, Path(folder))
        try:
            node.start()
            yield node
        finally:
            node.kill()


def _free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _server_properties(port: int, controller: int, data: Path) -> str:
    return f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
group.initial.rebalance.delay.ms=0
"""
