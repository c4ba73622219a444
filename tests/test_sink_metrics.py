"""What a request counts for: events and records when they are answered for good, each once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from function import logs, receivers, rules
from function.delivery import Delivery, Limits
from function.metrics import Metrics
from function.sink import Posting, Sink
from tests.servers import CLOUDEVENT, Answer, Receiver
from tests.test_sink import ARTICLE, BATCHED, RULES, answer, article, batch, event

BROKEN = (
    "groups: [{name: g, rules: [{alert: A, match: [status = 404], labels: {x: '{{ 1 / 0 }}'}}]}]"
)
Count = Callable[[str], float]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def count(metrics: Metrics) -> Count:
    """The value of a line of the metrics page that begins so, behind our prefix."""

    def value(name: str) -> float:
        lines = metrics.page().decode().splitlines()
        [found] = [line for line in lines if line.startswith(f"logs_handler_{name} ")]
        return float(found.split()[-1])

    return value


@pytest.fixture
def sink(receiver: Receiver, metrics: Metrics) -> Iterator[Sink]:
    kind = receivers.create("notification-manager", [receiver.url])
    delivery = Delivery({kind.name: kind}, Limits(2, 100, 1, 2), metrics)
    yield Sink(lambda: RULES, Posting(delivery, 1800, metrics), metrics)
    delivery.close()


@pytest.mark.parametrize("headers", [{}, {**CLOUDEVENT, "content-type": "text/xml"}, BATCHED])
def test_what_cannot_be_read_counts_as_one_event_and_one_record(
    headers: dict[str, str], sink: Sink, count: Count
) -> None:
    assert answer(sink.receive(headers, b"{}")).status in (400, 415)
    assert count("events_total") == 1
    assert count('records_total{outcome="unreadable"}') == 1
    assert count('records_total{outcome="unmatched"}') == 0


def test_plain_records_that_cannot_be_read_count_likewise(sink: Sink, count: Count) -> None:
    assert answer(sink.receive_records({"content-type": "text/xml"}, b"{}")).status == 415
    assert count("events_total") == 1
    assert count('records_total{outcome="unreadable"}') == 1


def test_a_template_that_fails_is_counted_each_time_and_written_down_once(
    receiver: Receiver, metrics: Metrics, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("info")
    kind = receivers.create("notification-manager", [receiver.url])
    delivery = Delivery({kind.name: kind}, Limits(2, 100, 1, 2), metrics)
    in_force = [rules.loads(BROKEN, "rules.yaml")]
    broken = Sink(lambda: in_force[0], Posting(delivery, 1800, metrics), metrics)
    for number in range(3):
        answer(broken.receive(BATCHED, batch(event(number, article(f"/{number}")))))
    in_force[0] = rules.loads(BROKEN, "rules.yaml")
    answer(broken.receive(BATCHED, batch(event(9, article("/9")))))
    delivery.close()
    assert 'logs_handler_template_failures_total{rule="A"} 4.0' in metrics.page().decode()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    told = [line for line in lines if line["event"] == "template_failed"]
    assert [(line["rule"], line["detail"]) for line in told] == [
        ("A", "x: <error expanding template: division by zero>")
    ] * 2
    assert receiver.bodies[0]["alerts"][0]["labels"]["x"].startswith("<error expanding template")


def test_of_a_batch_the_events_that_come_again_are_counted_and_no_other(
    sink: Sink, receiver: Receiver, count: Count
) -> None:
    known, new = event(1, ARTICLE), event(2, article("/b"))
    answer(sink.receive(BATCHED, batch(known)))
    answer(sink.receive(BATCHED, batch(known, new)))
    assert count("events_redelivered_total") == 1
    assert sum(len(body["alerts"]) for body in receiver.bodies) == 2


def test_a_plain_record_is_no_event_that_comes_again(
    sink: Sink, receiver: Receiver, count: Count
) -> None:
    receiver.answers = [Answer(400)]
    for _ in range(2):
        assert answer(sink.receive_records({}, ARTICLE)).status == 422
    assert count("events_redelivered_total") == 0
    assert count('alerts_total{outcome="refused",receiver="notification-manager"}') == 2
