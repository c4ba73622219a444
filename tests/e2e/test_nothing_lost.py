"""The promise: an acknowledged match is a delivered alert, under every fault that can be made."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
import requests

from local import sample
from local.broker import EmbeddedBroker
from local.kafka_clients import Cluster, assign_all, create_topic, produce, read_to_end
from local.kafkasource.config import SourceConfig
from local.kafkasource.figures import Figures
from local.kafkasource.retry import Delivery
from local.source import KafkaSource
from tests import servers
from tests.e2e.faulty_receiver import FaultyReceiver, Identity, faulty_receiver
from tests.e2e.real_kafka import FORGETS_SOCKETS, kafka
from tests.servers import Answer, Function

HERE = Path(__file__).parent.parent
ARTICLE = (HERE / "records" / "article.json").read_bytes().strip()
POISON = [b"not json", b'"text"', b"[1]", b'{"log": "cut']
# The timeouts of the manifests, scaled down; the logic is the same.
SCALED = {"RECEIVER_TIMEOUT": "300ms", "DELIVERY_TIMEOUT": "1500ms"}
QUICK = Delivery(retry=12, backoff_delay=0.03, timeout=10, dead_letter_topic="dead")


def cycle(number: int) -> tuple[list[bytes], list[Identity]]:
    """The sample, with pods of its own so that its alerts are no other cycle's, and those."""
    suffix = f"c{number:04d}"

    def renamed(pod: str) -> str:
        return f"{pod.rpartition('-')[0]}-{suffix}"

    pods = {each.pod for each in sample.expected()}
    values = sample.values()
    for pod in pods:
        values = [value.replace(pod.encode(), renamed(pod).encode()) for value in values]
    alerts = [(renamed(each.pod), *each[1:]) for each in sample.expected()]
    return values, alerts


def records(cycles: int) -> tuple[list[bytes], list[Identity]]:
    """Captured records with some poison among them, and the alerts that they call for."""
    values: list[bytes] = []
    alerts: list[Identity] = []
    for number in range(cycles):
        more, expected = cycle(number)
        values += more
        alerts += expected
    for number, poison in enumerate(POISON):
        values.insert(number * len(values) // len(POISON), poison)
    return values, alerts


class Killable:
    """The function on one port, killed and started again as a platform would."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self._folder = folder
        self._settings = settings
        self._stack = ExitStack()
        self._server: Function | None = None
        self.port = servers.free_port()

    def start(self) -> None:
        running = servers.function(self._folder, port=self.port, **self._settings)
        self._server = self._stack.enter_context(running)

    def restart(self) -> None:
        """SIGKILL, with whatever is under way, and a new process."""
        assert self._server
        self._server.kill()
        self.start()

    def __enter__(self) -> Killable:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def run(
    cluster: Cluster,
    values: Sequence[bytes],
    disturb: Sequence[Callable[[], None]],
    server: Killable,
) -> Figures:
    """Deliver values, and disturb at even steps of the way."""
    config = SourceConfig(sink=f"http://127.0.0.1:{server.port}/", delivery=QUICK)
    produce(cluster, "logs", values)
    with KafkaSource(cluster, config) as source:
        for step, disturbance in enumerate(disturb, 1):
            goal = step * len(values) // (len(disturb) + 1)
            wait_until(partial(_has_finished, source, goal))
            disturbance()
        assert source.wait_until_caught_up(600), source.figures()
        return source.figures()


def _has_finished(source: KafkaSource, goal: int) -> bool:
    return source.figures().finished >= goal


def wait_until(condition: Callable[[], bool], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "this takes too long"
        time.sleep(0.02)


def check(
    receiver: FaultyReceiver, alerts: Sequence[Identity], figures: Figures, cluster: Cluster
) -> None:
    """Every expected alert at least once, none other; dead letters are the poison; all is read."""
    assert [each for each in alerts if each not in receiver.taken] == [], "lost"
    assert [each for each in receiver.taken if each not in set(alerts)] == [], "wrong"
    dead = [record.value for record in read_to_end(cluster, "dead")]
    assert set(dead) == set(POISON)
    assert figures.dropped == 0
    assert sum(receiver.faults.values()) > 0


def committed_to_the_end(cluster: Cluster) -> bool:
    consumer = cluster.consumer("logs-handler")
    try:
        partitions = assign_all(consumer, "logs")
        ends = consumer.end_offsets(partitions)
        return all((consumer.committed(each) or 0) == ends[each] for each in partitions)
    finally:
        consumer.close()


@pytest.mark.parametrize("kind", servers.SERVERS)
def test_nothing_is_lost_while_the_receiver_fails_and_the_function_is_killed(
    kind: str, tmp_path: Path
) -> None:
    values, alerts = records(cycles=3)
    with (
        EmbeddedBroker() as broker,
        faulty_receiver(seed=1) as receiver,
        Killable(tmp_path, server=kind, RECEIVER_URL=receiver.url, **SCALED) as server,
    ):
        figures = run(broker.cluster, values, [server.restart] * 2, server)
        check(receiver, alerts, figures, broker.cluster)
        assert committed_to_the_end(broker.cluster)


@FORGETS_SOCKETS
@pytest.mark.usefixtures("forgotten_sockets")
@pytest.mark.long
@pytest.mark.parametrize("kind", ["flask", "asgi"])
def test_nothing_of_twenty_thousand_records_is_lost_on_a_real_kafka_that_restarts_too(
    kind: str, tmp_path: Path
) -> None:
    values, alerts = records(cycles=47)
    assert len(values) > 20_000
    with (
        kafka() as node,
        faulty_receiver(seed=2) as receiver,
        Killable(tmp_path, server=kind, RECEIVER_URL=receiver.url, **SCALED) as server,
    ):
        for topic in ("logs", "dead"):
            create_topic(node.cluster, topic, partitions=4)
        kill = server.restart
        figures = run(node.cluster, values, [kill, kill, node.restart, kill, kill, kill], server)
        check(receiver, alerts, figures, node.cluster)
        assert committed_to_the_end(node.cluster)
    assert len(receiver.faults) == 7, "every kind of fault has happened"


@pytest.mark.parametrize("kind", servers.SERVERS)
def test_after_sigterm_fifty_waiting_requests_are_all_answered(kind: str, tmp_path: Path) -> None:
    statuses: list[int] = []
    with (
        servers.receiver(Answer(delay=0.7)) as receiver,
        servers.function(tmp_path, server=kind, RECEIVER_URL=receiver.url) as server,
    ):
        bodies = [ARTICLE.replace(b"/notfound", b"/%d" % number) for number in range(50)]
        threads = [
            threading.Thread(
                target=lambda body: statuses.append(server.post(body).status_code), args=(body,)
            )
            for body in bodies
        ]
        for thread in threads:
            thread.start()
        metrics = f"{server.url}/metrics"
        all_of_them = "logs_handler_requests_total 50.0"
        wait_until(lambda: all_of_them in requests.get(metrics, timeout=10).text)
        assert server.terminate() == 0
        for thread in threads:
            thread.join()
        paths = {alert["labels"]["path"] for body in receiver.bodies for alert in body["alerts"]}
    assert statuses == [204] * 50
    assert len(paths) == 50
