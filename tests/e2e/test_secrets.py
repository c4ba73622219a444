"""Nothing secret of a receiver's URL comes out, whatever the receiver answers."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from local.broker import EmbeddedBroker
from local.kafka_clients import produce, read_to_end
from local.kafkasource.config import SourceConfig
from local.kafkasource.retry import Delivery
from local.record import Record
from local.source import KafkaSource
from tests import servers
from tests.e2e.echo import ANSWERS, Echo, echo
from tests.servers import Function

HERE = Path(__file__).parent.parent
ARTICLE = (HERE / "records" / "article.json").read_bytes().strip()
USER, PASSWORD, TOKEN, KEY = "robot-7f3a", "pa ss/w\u00f6rd-91c", "x8JqMz4pXyT0ken", "k3y&of=mine"
PATH = f"/services/T0ABC9/B0DEF8/{TOKEN}/api/v2/alerts?room=ops&key={quote(KEY, safe='')}"
SECRETS = [
    *(USER, PASSWORD, TOKEN, KEY, "T0ABC9", "B0DEF8"),
    *(quote(each, safe="") for each in (PASSWORD, KEY)),
    base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode().rstrip("="),
    base64.b64encode(f"{USER}:{PASSWORD}".encode("latin-1")).decode().rstrip("="),
]


def url(receiver: Echo) -> str:
    return f"http://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{receiver.port}{PATH}"


def at(second: int) -> bytes:
    """The article's record, at another time."""
    return ARTICLE.replace(b"1629856477", b"%d" % (1_629_856_477 + second))


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


def _texts(letter: Record) -> Iterator[str]:
    """A dead letter's headers and value, and the answer that it quotes."""
    headers = dict(letter.headers)
    yield f"{headers} {letter.value!r}"
    yield base64.b64decode(headers["ce_knativeerrordata"] or b"").decode()


def outputs(server: Function) -> Iterator[tuple[str, str]]:
    """What a process says by itself."""
    yield "log", server.log
    for page in ("/", "/metrics", "/health/readiness", "/nope"):
        answer = requests.get(server.url + page, timeout=5)
        yield page, f"{answer.headers} {answer.text}"


@pytest.mark.parametrize("kind", ["notification-manager", "alertmanager", "slack", "cloudevents"])
@pytest.mark.parametrize("server_kind", ["flask", "asgi"])
def test_a_receiver_that_repeats_what_it_got_gives_no_secret_away(
    server_kind: str, kind: str, tmp_path: Path, broker: EmbeddedBroker
) -> None:
    settings: dict[str, Any] = {"LOG_LEVEL": "debug", "RULES_FILE": f"{HERE}/rules/article.yaml"}
    topic, dead = f"{server_kind}-{kind}", f"{server_kind}-{kind}-dead"
    told: list[tuple[str, str]] = []
    with (
        echo() as receiver,
        servers.function(
            tmp_path, server=server_kind, RECEIVER=kind, RECEIVER_URL=url(receiver), **settings
        ) as server,
    ):
        for number, form in enumerate(ANSWERS):
            receiver.forms, receiver.used = [form], []
            headers = servers.event(prefer="return=representation")
            answer = server.post(at(number), headers=headers)
            assert answer.status_code in (422, 503), answer.text
            assert receiver.used, f"not tried: {answer.text}"
            told.append((form, f"{answer.headers} {answer.text}"))
        told += outputs(server)
    with (
        echo() as receiver,
        servers.function(
            tmp_path, server=server_kind, RECEIVER=kind, RECEIVER_URL=url(receiver), **settings
        ) as server,
    ):
        receiver.forms = [form for form in ANSWERS if form != "a pause"]
        produce(broker.cluster, topic, [at(100 + number) for number in range(10)])
        delivery = Delivery(retry=2, backoff_delay=0.01, dead_letter_topic=dead)
        config = SourceConfig(sink=server.url, topic=topic, delivery=delivery)
        with KafkaSource(broker.cluster, config) as source:
            assert source.wait_until_caught_up(60)
        letters = read_to_end(broker.cluster, dead)
        assert letters
        told += [("dead letter", text) for each in letters for text in _texts(each)]
        told += outputs(server)
    assert all(TOKEN in seen.target and "Basic" in seen.authorization for seen in receiver.seen)
    found = [(place, secret) for place, text in told for secret in SECRETS if secret in text]
    assert found == []
