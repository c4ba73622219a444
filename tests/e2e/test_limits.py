"""What happens at limits: of a receiver, of requests that may wait, of our own log's growth."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests

from local.broker import EmbeddedBroker
from local.kafka_clients import produce, read_to_end
from local.kafkasource.config import SourceConfig
from local.kafkasource.retry import Delivery
from local.source import KafkaSource
from tests import servers
from tests.e2e.slack import Slack
from tests.servers import Answer, Function

HERE = Path(__file__).parent.parent
ARTICLE = (HERE / "records" / "article.json").read_bytes().strip()


def deliver(broker: EmbeddedBroker, server: Function, values: list[bytes]) -> None:
    """Have the source post values, with the shipped retries."""
    produce(broker.cluster, "logs", values)
    config = SourceConfig(sink=server.url, delivery=Delivery(dead_letter_topic="dead"))
    with KafkaSource(broker.cluster, config) as source:
        assert source.wait_until_caught_up(100), source.figures()


def at(number: int) -> bytes:
    """The article's record, a number of milliseconds later."""
    return ARTICLE.replace(b"1629856477.226758", b"1629856477.%06d" % (226_758 + number))


@pytest.mark.parametrize(
    ("kind", "lines", "most"),
    [
        ("flask", 150, 20),
        pytest.param("flask", 500, 40, marks=pytest.mark.long),
        pytest.param("asgi", 500, 40, marks=pytest.mark.long),
    ],
)
def test_equal_lines_for_a_slack_of_one_message_a_second_become_few_messages(
    kind: str, lines: int, most: int, tmp_path: Path
) -> None:
    with (
        EmbeddedBroker() as broker,
        servers.receiver(kind=Slack) as slack,
        servers.function(tmp_path, server=kind, RECEIVER="slack", RECEIVER_URL=slack.url) as server,
    ):
        start = time.monotonic()
        deliver(broker, server, [at(number) for number in range(lines)])
        seconds = time.monotonic() - start
        assert list(read_to_end(broker.cluster, "dead")) == []
    assert isinstance(slack, Slack)
    assert slack.alerts == lines
    assert len(slack.messages) <= most, f"{len(slack.messages)} messages in {seconds:.0f} s"


@contextmanager
def unfinished(server: Function, number: int) -> Iterator[None]:
    """Requests whose bodies do not come: each holds a thread of the Flask server."""
    head = b"POST / HTTP/1.1\r\nhost: x\r\nce-id: 1\r\ncontent-length: 10\r\n\r\n{"
    with ExitStack() as stack:
        for _ in range(number):
            address = ("127.0.0.1", server.port)
            connection = stack.enter_context(socket.create_connection(address, 10))
            connection.sendall(head)
        yield


@pytest.mark.parametrize("kind", ["flask", "asgi"])
def test_probes_and_records_without_a_match_get_through_while_others_wait_for_a_pause(
    kind: str, tmp_path: Path
) -> None:
    """32 wait for the pause, and the other half of containerConcurrency is taken, too."""
    pause = Answer(429, headers={"retry-after": "6"})
    with (
        servers.receiver(pause) as receiver,
        servers.function(tmp_path, server=kind, RECEIVER_URL=receiver.url) as server,
        ThreadPoolExecutor(80) as pool,
    ):
        first = pool.submit(server.post, at(0))
        servers.wait_until(lambda: receiver.requests)
        time.sleep(0.2)
        others = [pool.submit(server.post, at(number)) for number in range(1, 60)]
        servers.wait_until(lambda: sum(each.done() for each in others) == 28)
        waiting = [first, *(each for each in others if not each.done())]
        assert len(waiting) == 32
        refused = [each.result() for each in others if each.done()]
        assert {each.status_code for each in refused} == {503}
        assert all("32 requests wait" in each.json()["detail"] for each in refused)
        with unfinished(server, 32):
            for _ in range(20):
                assert server.post(b'{"log": "nothing"}').status_code == 204
                for path in ("/health/readiness", "/health/liveness", "/metrics"):
                    assert requests.get(server.url + path, timeout=5).status_code == 200
            assert not any(each.done() for each in waiting), "all of those still wait"
        receiver.answers = [Answer()]
        assert {each.result().status_code for each in waiting} == {204}


@pytest.mark.parametrize("kind", ["flask", "asgi"])
def test_sixteen_large_requests_for_a_receiver_of_20_ms_are_all_delivered(
    kind: str, tmp_path: Path
) -> None:
    """No queue is full: 38 848 alerts of 16 requests of 1 MiB."""
    records = b"[" + b",".join(at(number) for number in range(2428)) + b"]"
    with (
        servers.receiver(Answer(delay=0.02)) as receiver,
        servers.function(
            tmp_path, server=kind, RECEIVER_URL=receiver.url, MAX_BODY_BYTES="2MiB"
        ) as server,
        ThreadPoolExecutor(16) as pool,
    ):
        bodies = [records.replace(b"/notfound", b"/%08d" % number) for number in range(16)]
        answers = list(pool.map(server.post, bodies))
    assert [answer.status_code for answer in answers] == [204] * 16
    assert sum(body.count(b"startsAt") for _, body in receiver.requests) == 16 * 2428
