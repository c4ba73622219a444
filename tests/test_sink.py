"""The sink: what a request is answered, decided by what became of its alerts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function import receivers, rules
from function.delivery import Delivery, Limits
from function.metrics import Metrics
from function.replies import Reply
from function.sink import Pending, Posting, Sink
from tests import servers
from tests.servers import CLOUDEVENT, Answer, Receiver

HERE = Path(__file__).parent
RULES = rules.load(HERE / "rules" / "article.yaml")
ARTICLE = (HERE / "records" / "article.json").read_bytes().strip()
OTHER = b'{"log":"hello"}'
BATCHED = {"content-type": "application/cloudevents-batch+json"}
SUMMARY = {"prefer": "reply, return=representation"}


@pytest.fixture
def sink(receiver: Receiver) -> Iterator[Sink]:
    delivery = delivery_to(receiver.url)
    yield Sink(lambda: RULES, Posting(delivery, 1800, METRICS), METRICS)
    delivery.close()


METRICS = Metrics()


def delivery_to(url: str) -> Delivery:
    opened = receivers.create("notification-manager", [url])
    return Delivery({opened.name: opened}, Limits(2, 100, 1, 2), METRICS)


def answer(reply: Reply | Pending) -> Reply:
    """The reply, after delivery."""
    if isinstance(reply, Reply):
        return reply
    return reply.finish(reply.future.result(10))


def problem(reply: Reply | Pending) -> dict[str, Any]:
    """The problem that a refusal describes."""
    refused = answer(reply)
    assert refused.headers["content-type"] == "application/problem+json"
    content: dict[str, Any] = json.loads(refused.body)
    assert content["status"] == refused.status
    return content


def event(number: int, record: bytes) -> dict[str, Any]:
    """A structured event that carries a record."""
    attributes = {"specversion": "1.0", "id": str(number), "source": "/logs", "type": "log"}
    return {**attributes, "data": json.loads(record)}


def article(path: str) -> bytes:
    return ARTICLE.replace(b"/notfound", path.encode())


def batch(*events: Any) -> bytes:
    return json.dumps(list(events)).encode()


def test_a_record_that_no_rule_matches_is_acknowledged_at_once(sink: Sink) -> None:
    assert sink.receive(CLOUDEVENT, OTHER) == Reply(204)


def test_a_match_is_acknowledged_when_the_receiver_has_its_alert(
    sink: Sink, receiver: Receiver
) -> None:
    receiver.answers = [Answer(delay=0.2)]
    reply = sink.receive(CLOUDEVENT, ARTICLE)
    assert isinstance(reply, Pending)
    assert answer(reply) == Reply(204)
    assert receiver.bodies[0]["alerts"][0]["fingerprint"] == "abb0504a1d693137"


def test_kafkasources_prefer_reply_asks_for_no_body(sink: Sink) -> None:
    assert answer(sink.receive({**CLOUDEVENT, "prefer": "reply"}, ARTICLE)) == Reply(204)


def test_a_person_who_prefers_it_gets_a_summary_with_the_alerts_as_sent(
    sink: Sink, receiver: Receiver
) -> None:
    reply = answer(sink.receive({**CLOUDEVENT, **SUMMARY}, ARTICLE))
    assert reply.status == 200
    assert reply.headers["preference-applied"] == "return=representation"
    expected = {"records": 1, "matches": 1, "delivered_before": 0}
    expected["alerts"] = receiver.bodies[0]["alerts"]
    assert json.loads(reply.body) == expected


def test_several_records_in_one_event_are_sent_together(sink: Sink, receiver: Receiver) -> None:
    body = b"[" + b",".join([ARTICLE, OTHER, article("/b")]) + b"]"
    assert answer(sink.receive(CLOUDEVENT, body)) == Reply(204)
    assert len(receiver.bodies[0]["alerts"]) == 2


def test_plain_records_need_no_event_around_them(sink: Sink, receiver: Receiver) -> None:
    assert answer(sink.receive_records({}, ARTICLE + b"\n" + OTHER)) == Reply(204)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("headers", "body", "status", "detail"),
    [
        ({}, OTHER, 400, "no ce-* headers"),
        ({**CLOUDEVENT, "ce-id": ""}, OTHER, 400, "required attribute ce-id is missing or empty"),
        (CLOUDEVENT, b"", 400, "the event carries no data"),
        (CLOUDEVENT, b"{", 400, "the data is not JSON: "),
        (CLOUDEVENT, b"[1]", 400, "record 1: a log record is a JSON object, not a number"),
        (CLOUDEVENT, b'"x"', 400, "a log record is a JSON object, not a string"),
        ({**CLOUDEVENT, "content-type": "text/xml"}, OTHER, 415, "'text/xml' holds no log record"),
        (BATCHED, b"{}", 400, "a batch is a JSON array of events, not an object"),
    ],
)
def test_what_cannot_be_read_is_refused_for_good_with_the_reason(
    sink: Sink, headers: dict[str, str], body: bytes, status: int, detail: str
) -> None:
    content = problem(sink.receive(headers, body))
    assert content["status"] == status
    assert detail in content["detail"]


def test_plain_records_that_cannot_be_read_are_refused_likewise(sink: Sink) -> None:
    assert problem(sink.receive_records({}, b"{}\nnull\n[]"))["problems"] == [
        "line 2: a log record is a JSON object, not null",
        "line 3: a log record is a JSON object, not an array",
    ]
    assert problem(sink.receive_records({"content-type": "text/xml"}, b"{}"))["status"] == 415


class TestABatch:
    def test_delivers_what_it_can_and_is_refused_for_the_rest(
        self, sink: Sink, receiver: Receiver
    ) -> None:
        body = batch(event(1, ARTICLE), {"specversion": "1.0"}, event(3, OTHER))
        content = problem(sink.receive(BATCHED, body))
        assert content["status"] == 400
        assert content["detail"] == "event 2: required attribute id is missing or empty"
        assert len(receiver.requests) == 1

    def test_names_the_event_and_the_record_in_it(self, sink: Sink) -> None:
        inner = {**event(2, OTHER), "data": [{"log": "x"}, 7]}
        content = problem(sink.receive(BATCHED, batch(event(1, OTHER), inner)))
        assert content["detail"] == (
            "event 2, record 2: a log record is a JSON object, not a number"
        )

    def test_comes_again_while_anything_in_it_may_still_be_delivered(
        self, sink: Sink, receiver: Receiver
    ) -> None:
        receiver.answers = [Answer(500)]
        content = problem(sink.receive(BATCHED, batch(event(1, ARTICLE), {})))
        assert content["status"] == 503
        assert content["title"] == "The receiver is not available"
        assert len(content["problems"]) == 2

    def test_with_one_refused_alert_delivers_the_others_and_names_that_one(
        self, sink: Sink, receiver: Receiver
    ) -> None:
        receiver.refuse = ("/bad",)
        body = batch(event(1, ARTICLE), event(2, article("/bad")), event(3, article("/c")))
        content = problem(sink.receive(BATCHED, body))
        assert content["status"] == 422
        assert content["detail"].startswith("event 2: 127.0.0.1:")
        assert content["detail"].endswith(f": answered 400: {servers.NO.decode()}")
        accepted = [body for body in receiver.bodies if "/bad" not in json.dumps(body)]
        assert sum(len(body["alerts"]) for body in accepted) == 2

    def test_with_problems_of_one_kind_has_their_status(self, sink: Sink) -> None:
        xml = {**event(1, OTHER), "datacontenttype": "text/xml"}
        assert problem(sink.receive(BATCHED, batch(xml, xml)))["status"] == 415
        assert problem(sink.receive(BATCHED, batch(xml, {})))["status"] == 400

    def test_of_no_events_is_acknowledged(self, sink: Sink) -> None:
        assert sink.receive(BATCHED, b"[]") == Reply(204)


class TestAgain:
    def test_what_was_accepted_of_a_refused_event_is_not_posted_with_the_rest(
        self, sink: Sink, receiver: Receiver
    ) -> None:
        receiver.refuse = ("/bad",)
        body = b"[" + ARTICLE + b"," + article("/bad") + b"]"
        assert problem(sink.receive(CLOUDEVENT, body))["status"] == 422
        receiver.requests.clear()
        receiver.refuse = ()
        assert answer(sink.receive(CLOUDEVENT, body)) == Reply(204)
        [only] = receiver.bodies
        assert [alert["labels"]["path"] for alert in only["alerts"]] == ["/bad"]

    def test_a_summary_says_that_alerts_were_delivered_before(self, sink: Sink) -> None:
        answer(sink.receive(CLOUDEVENT, ARTICLE))
        again = json.loads(answer(sink.receive({**CLOUDEVENT, **SUMMARY}, ARTICLE)).body)
        assert again == {"records": 1, "matches": 1, "delivered_before": 1, "alerts": []}

    @pytest.mark.parametrize("depth", [300, 1000])
    def test_data_of_any_depth_gets_an_answer(self, sink: Sink, depth: int) -> None:
        deep = b'{"x":' * depth + b"1" + b"}" * depth
        nested = ARTICLE[:-1] + b',"deep":' + deep + b"}"
        assert answer(sink.receive(CLOUDEVENT, nested)).status in (204, 400)
        structured = b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":%b}' % nested
        headers = {"content-type": "application/cloudevents+json"}
        assert answer(sink.receive(headers, structured)).status in (204, 400)


class TestUndelivered:
    def test_a_receiver_that_refuses_the_alert_makes_422(
        self, sink: Sink, receiver: Receiver
    ) -> None:
        receiver.answers = [Answer(400)]
        content = problem(sink.receive(CLOUDEVENT, ARTICLE))
        assert content["status"] == 422
        assert content["detail"].endswith(f": answered 400: {servers.NO.decode()}")

    @pytest.mark.parametrize("status", [401, 403, 404, 410, 429, 500, 503])
    def test_a_receiver_that_may_take_it_later_makes_503(
        self, sink: Sink, receiver: Receiver, status: int
    ) -> None:
        receiver.answers = [Answer(status)]
        reply = answer(sink.receive(CLOUDEVENT, ARTICLE))
        assert reply.status == 503
        assert 5 <= int(reply.headers["retry-after"]) <= 10

    def test_the_receivers_own_retry_after_is_passed_on(
        self, sink: Sink, receiver: Receiver
    ) -> None:
        receiver.answers = [Answer(429, headers={"retry-after": "30"})]
        told = answer(sink.receive(CLOUDEVENT, ARTICLE)).headers["retry-after"]
        assert 30 <= int(told) <= 60

    def test_a_receiver_that_wants_to_be_left_alone_is_not_called_full(
        self, sink: Sink, receiver: Receiver
    ) -> None:
        receiver.answers = [Answer(429, headers={"retry-after": "30"})]
        for path in ("/a", "/b"):  # the second one is not even posted
            content = problem(sink.receive(CLOUDEVENT, article(path)))
            assert content["title"] == "The receiver is not available"
        assert len(receiver.requests) == 1

    def test_a_server_that_waited_long_enough_answers_503_for_every_alert(
        self, sink: Sink, receiver: Receiver
    ) -> None:
        receiver.answers = [Answer(delay=0.2)]
        reply = sink.receive_records({}, ARTICLE + b"\n" + article("/b"))
        assert isinstance(reply, Pending)
        late = reply.give_up()
        assert late.status == 503
        assert json.loads(late.body)["detail"].endswith("(2 times)")
        reply.future.result(10)


@pytest.mark.parametrize(
    ("prefer", "wanted"),
    [
        ("return=representation", True),
        ('respond-async, Return="representation"; x=y', True),
        ("reply", False),
        ("return=minimal", False),
        ("", False),
    ],
)
def test_the_summary_is_asked_for_as_rfc_7240_says(sink: Sink, prefer: str, wanted: bool) -> None:
    reply = answer(sink.receive({**CLOUDEVENT, "prefer": prefer}, OTHER))
    assert reply.status == (200 if wanted else 204)


HEADER_NAMES = ["content-type", "prefer", "ce-time", "ce-x", "ce-a-b", *CLOUDEVENT]
QUIET = Sink(lambda: RULES, Posting(delivery_to("http://127.0.0.1:9/"), 1800, METRICS), METRICS)


@given(
    st.dictionaries(st.sampled_from(HEADER_NAMES), st.text(max_size=20)),
    st.binary(max_size=60) | st.sampled_from([OTHER, b"[]", b"[{}]"]),
    st.booleans(),
)
def test_any_request_gets_a_status_of_the_table(
    headers: dict[str, str], body: bytes, complete: bool
) -> None:
    reply = QUIET.receive({**CLOUDEVENT, **headers} if complete else headers, body)
    assert isinstance(reply, Reply)
    assert reply.status in {200, 204, 400, 415}
