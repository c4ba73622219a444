"""The whole way over real sockets: Kafka → KafkaSource → the function → a receiver."""

from __future__ import annotations

import base64
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from function.formats import timestamps
from local import sample
from local.broker import EmbeddedBroker
from local.inbox import Inbox
from local.kafka_clients import Cluster, create_topic, produce, read_to_end
from local.kafkasource.config import SourceConfig
from local.kafkasource.figures import Figures
from local.kafkasource.retry import Delivery
from local.receivers.http_messages import Alert
from local.record import Record
from local.source import KafkaSource
from tests import servers
from tests.e2e.real_alertmanager import alertmanager
from tests.e2e.real_kafka import kafka
from tests.servers import Answer, Function

HERE = Path(__file__).parent.parent
ARTICLE_RULE = str(HERE / "rules" / "article.yaml")
ARTICLE = (HERE / "records" / "article.json").read_bytes().strip()
QUICK = Delivery(retry=6, backoff_delay=0.01, timeout=10)  # the shipped values wait for minutes


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


def deliver(cluster: Cluster, server: Function, topic: str, ordering: Any = "unordered") -> Figures:
    """Send all that the topic holds to the function, as a KafkaSource does."""
    config = SourceConfig(
        sink=f"{server.url}/",
        topic=topic,
        consumer_group=f"group-{topic}",
        ordering=ordering,
        delivery=replace(QUICK, dead_letter_topic=f"{topic}-dead"),
    )
    with KafkaSource(cluster, config) as source:
        assert source.wait_until_caught_up(60), source.figures()
        return source.figures()


def what_it_is(alert: Alert) -> sample.Expected:
    labels = alert.labels
    second = f"{alert.starts_at[:19]}Z"
    return sample.Expected(labels["pod"], labels["method"], labels["path"], second)


def header(record: Record, name: str) -> str:
    value = dict(record.headers)[name]
    assert value is not None
    return value.decode()


@pytest.mark.parametrize("ordering", ["unordered", "ordered"])
def test_exactly_the_expected_alerts_arrive_and_every_record_is_acknowledged(
    broker: EmbeddedBroker, tmp_path: Path, ordering: str
) -> None:
    topic = f"all-{ordering}"
    produce(broker.cluster, topic, sample.values())
    with (
        Inbox("notification-manager") as inbox,
        servers.function(tmp_path, RECEIVER_URL=inbox.url) as server,
    ):
        figures = deliver(broker.cluster, server, topic, ordering)
        assert Counter(map(what_it_is, inbox.alerts)) == Counter(sample.expected())
    assert figures.attempts == {204: len(sample.values())}
    assert figures.dead_lettered == figures.dropped == 0


def test_what_cannot_be_read_goes_to_the_dead_letter_topic_with_the_reason(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    poison = [b"not json", b"[]3", b'"text"', b'{"log": "cut', b"x" * 70_000]
    another = ARTICLE.replace(b"/notfound", b"/another")
    produce(broker.cluster, "poison", [poison[0], ARTICLE, *poison[1:], another])
    with (
        Inbox("notification-manager") as inbox,
        servers.function(tmp_path, RECEIVER_URL=inbox.url, MAX_BODY_BYTES="64KiB") as server,
    ):
        figures = deliver(broker.cluster, server, "poison")
        assert len(inbox.alerts) == 2
    dead = {record.value: record for record in read_to_end(broker.cluster, "poison-dead")}
    assert set(dead) == set(poison)
    assert figures.attempts == {204: 2, 400: 4, 413: 1}, "none of them is worth a second attempt"
    reason = json.loads(base64.b64decode(header(dead[b"not json"], "ce_knativeerrordata")))
    assert header(dead[b"not json"], "ce_knativeerrorcode") == "400"
    assert reason["detail"] == "the data is not JSON: expecting value at byte 0"


def test_an_alert_that_the_receiver_refuses_takes_no_other_down(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    values = [ARTICLE.replace(b"/notfound", b"/%d" % number) for number in range(20)]
    produce(broker.cluster, "refused", values)
    with (
        servers.receiver() as receiver,
        servers.function(tmp_path, RECEIVER_URL=receiver.url) as server,
    ):
        receiver.refuse = ('"path":"/7"',)
        figures = deliver(broker.cluster, server, "refused")
    assert figures.attempts == {204: 19, 422: 1}
    [dead] = read_to_end(broker.cluster, "refused-dead")
    assert dead.value == values[7]


def test_a_receiver_that_is_away_for_a_while_costs_no_alert(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    values = [ARTICLE.replace(b"/notfound", b"/%d" % number) for number in range(5)]
    produce(broker.cluster, "away", values)
    failing = [Answer(500), Answer(drop=True), Answer(429), Answer(401), Answer(503)]
    with (
        servers.receiver(*failing, Answer(200)) as receiver,
        servers.function(tmp_path, RECEIVER_URL=receiver.url) as server,
    ):
        figures = deliver(broker.cluster, server, "away")
        accepted = receiver.bodies[len(failing) :]
    paths = {alert["labels"]["path"] for body in accepted for alert in body["alerts"]}
    assert paths == {f"/{number}" for number in range(5)}
    assert figures.attempts[204] == 5
    assert set(figures.attempts) == {204, 503}
    assert figures.dead_lettered == 0


def test_the_articles_record_on_a_real_kafka_fires_the_articles_alert_in_a_real_alertmanager(
    tmp_path: Path,
) -> None:
    with alertmanager() as url, kafka() as node:
        for topic in ("logs", "logs-dead"):
            create_topic(node.cluster, topic, partitions=3)
        produce(node.cluster, "logs", [ARTICLE, b'{"log":"something else"}', ARTICLE])
        settings = {"RECEIVER": "alertmanager", "RECEIVER_URL": f"{url}/api/v2/alerts"}
        settings["RULES_FILE"] = ARTICLE_RULE
        with servers.function(tmp_path, port=None, **settings) as server:
            figures = deliver(node.cluster, server, "logs")
        alerts = requests.get(f"{url}/api/v2/alerts", timeout=5).json()
    assert figures.attempts == {204: 3}
    [alert] = alerts
    assert alert["fingerprint"] == "abb0504a1d693137"
    assert alert["status"]["state"] == "active", "born resolved, because the record is of 2021?"
    assert alert["startsAt"] == "2021-08-25T01:54:37.226Z"
    assert alert["labels"]["path"] == "/notfound"


def test_a_real_alertmanager_takes_every_alert_of_the_sample_and_agrees_on_the_fingerprints(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    produce(broker.cluster, "sample-am", sample.values())
    with alertmanager() as url:
        settings = {"RECEIVER": "alertmanager", "RECEIVER_URL": f"{url}/api/v2/alerts"}
        with servers.function(tmp_path, port=None, **settings) as server:
            figures = deliver(broker.cluster, server, "sample-am")
            summary = {"content-type": "application/x-ndjson", "prefer": "return=representation"}
            body = b"\n".join(value for value in sample.values() if b"\xff" not in value)
            again = server.post(body, "/records", headers=summary)
        alerts = requests.get(f"{url}/api/v2/alerts", timeout=5).json()
    assert figures.attempts == {204: len(sample.values())}
    labels = [json.dumps(alert["labels"], sort_keys=True) for alert in alerts]
    sent = {json.dumps(alert["labels"], sort_keys=True) for alert in again.json()["alerts"]}
    assert set(labels) == sent
    assert len(labels) == len(sent), "the second time was no second alert"


def test_a_record_of_an_hour_ago_fires_in_a_real_alertmanager_and_its_redelivery_is_no_second_alert(
    tmp_path: Path,
) -> None:
    an_hour_ago = timestamps.format(time.time_ns() - 3600 * timestamps.SECOND)
    record = ARTICLE.replace(b'"@timestamp":1629856477.226758,', b"").replace(
        b"2021-08-25T01:54:37.226757612Z", an_hour_ago.encode()
    )
    with alertmanager() as url:
        settings = {"RECEIVER": "alertmanager", "RECEIVER_URL": f"{url}/api/v2/alerts"}
        for _pod in range(2):  # the second one has not seen the first one's deliveries
            with servers.function(tmp_path, port=None, **settings) as server:
                for _ in range(3):
                    assert server.post(record, headers=servers.CLOUDEVENT).status_code == 204
        [alert] = requests.get(f"{url}/api/v2/alerts", timeout=5).json()
    assert alert["status"]["state"] == "active"
    assert alert["startsAt"][:19] == an_hour_ago[:19]
