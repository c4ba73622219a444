"""What one request may hold: over it, all of it is refused, and nothing of it is delivered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from function import rules
from function.replies import Reply
from function.sink import Posting, Sink
from tests.servers import CLOUDEVENT, Receiver
from tests.test_sink import METRICS, delivery_to

ARTICLE = (Path(__file__).parent / "records" / "article.json").read_bytes().strip()
TWO_RULES = rules.loads(
    "groups: [{name: g, rules: [{alert: A, match: [status = 404]},"
    " {alert: B, match: [status = 404]}]}]",
    "two.yaml",
)
BATCHED = {"content-type": "application/cloudevents-batch+json"}
_EMPTY = b"[" + b",".join([b"{}"] * 10_000) + b"]"


def batch(number: int, data: bytes) -> bytes:
    """So many structured events that hold this data."""
    head = b'{"specversion":"1.0","type":"t","source":"/s","id":"%d","data":%b}'
    return b"[" + b",".join(head % (each, data) for each in range(number)) + b"]"


def otlp(*groups: list[Any]) -> bytes:
    """An OTLP export whose groups hold these records."""
    scopes = ([{"logRecords": records}] for records in groups)
    return json.dumps({"resourceLogs": [{"scopeLogs": each} for each in scopes]}).encode()


NO_GROUPS = b'{"resourceLogs":[0%b]}' % (b",0" * 10_000)
TOO_MANY = {
    "an array": (CLOUDEVENT, b"[" + b"{}," * 10_000 + ARTICLE + b"]", "10001 log records"),
    "wrong ones": (CLOUDEVENT, b"[" + b"0," * 10_000 + ARTICLE + b"]", "10001 log records"),
    "lines": (CLOUDEVENT, b"{}\n" * 10_000 + ARTICLE, "10001 log records"),
    "an OTLP export": (CLOUDEVENT, otlp([{}] * 5_000, [{}] * 5_001), "10001 log records"),
    "wrong ones in OTLP": (CLOUDEVENT, otlp([0] * 20_000), "20000 log records"),
    "groups of OTLP that are none": (CLOUDEVENT, NO_GROUPS, "10001 log records"),
    "OTLP in an array": (CLOUDEVENT, b"[%b,{}]" % otlp([{}] * 10_000), "10001 log records"),
    "OTLP in lines": (CLOUDEVENT, otlp([{}] * 10_000) + b"\n{}", "10001 log records"),
    "a batch of large events": (BATCHED, batch(35, _EMPTY), "20000 log records"),
    "a batch of small events": (BATCHED, batch(10_001, ARTICLE), "10001 events"),
    "alerts": (CLOUDEVENT, b"[" + b",".join([ARTICLE] * 5_001) + b"]", "10002 alerts"),
    "alerts of a batch": (BATCHED, batch(5_001, ARTICLE), "10002 alerts"),
}


@pytest.fixture
def sink(receiver: Receiver) -> Iterator[Sink]:
    delivery = delivery_to(receiver.url)
    yield Sink(lambda: TWO_RULES, Posting(delivery, 1800, METRICS), METRICS)
    delivery.close()


@pytest.mark.parametrize("shape", TOO_MANY)
def test_more_than_a_pod_can_hold_is_refused_as_a_whole(
    shape: str, sink: Sink, receiver: Receiver
) -> None:
    headers, body, number = TOO_MANY[shape]
    reply = sink.receive(headers, body)
    assert isinstance(reply, Reply)
    assert (reply.status, reply.reason) == (413, "too_many")
    assert reply.detail == f"the request holds {number}; 10000 are taken at once"
    assert not receiver.requests


def test_as_much_as_a_pod_can_hold_is_delivered(sink: Sink) -> None:
    reply = sink.receive(CLOUDEVENT, b"[" + b",".join([ARTICLE] * 5_000) + b"]")
    assert not isinstance(reply, Reply)
    assert reply.finish(reply.future.result(30)).status == 204


def test_plain_records_are_bounded_as_well(sink: Sink) -> None:
    reply = sink.receive_records({}, b"[" + b",".join([b"{}"] * 10_001) + b"]")
    assert isinstance(reply, Reply)
    assert reply.status == 413
