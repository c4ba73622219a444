"""The KafkaSource of the workbench does to a sink what Knative's does."""

from __future__ import annotations

import base64
import collections
import contextlib
import itertools
import json
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.broker import EmbeddedBroker
from local.kafka_clients import (
    Cluster,
    KafkaError,
    TopicPartition,
    create_topic,
    produce,
    read_to_end,
)
from local.kafkasource.config import InitialOffset, Ordering, SourceConfig
from local.kafkasource.dead_letters import DeadLetters, with_error
from local.kafkasource.dispatch import Dispatcher
from local.kafkasource.event import Event
from local.kafkasource.figures import Counters, Finished
from local.kafkasource.mapping import Mapper
from local.kafkasource.offsets import Progress
from local.kafkasource.plain_record import plain_event, rfc3339
from local.kafkasource.retry import BackoffPolicy, Delivery, accepted, retried
from local.kafkasource.sink import Answer, Sink, TransportError
from local.record import Record
from local.source import KafkaSource, main
from tests.e2e.real_kafka import FORGETS_SOCKETS, kafka

WAIT = 15.0  # seconds before a test gives up; nothing here takes a tenth of it
MILLISECOND = 0.001
FLUENT_BIT = (
    b'{"@timestamp":1786097730.123456,"log":"GET /healthz 200","kubernetes":{"pod_name":"web-0"}}'
)
TIME = 1_786_097_730_123  # 2026-08-07T10:15:30.123Z
MAPPER = Mapper("default", "logs")


class Captured(NamedTuple):
    head: bytes
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return dict(line.split(": ", 1) for line in lines if line)

    @property
    def place(self) -> tuple[int, int]:
        headers = self.headers
        return int(headers["ce-knativekafkapartition"]), int(headers["ce-knativekafkaoffset"])


Script = Callable[[Captured], "int | bytes | Iterator[bytes] | None"]


class RawSink(socketserver.ThreadingTCPServer):
    """Keeps the bytes of every request; the script says which status or bytes answer it.

    None closes the connection without an answer.
    """

    daemon_threads = False
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.script = script
        self.changed = threading.Condition()
        self.requests: list[Captured] = []
        self.connections: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.append(request.dup())
        super().process_request(request, client_address)

    def server_close(self) -> None:
        for connection in self.connections:
            with contextlib.suppress(OSError):  # the source was faster
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        super().server_close()

    def wait_for(self, count: int) -> list[Captured]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.requests) >= count, WAIT)
            return list(self.requests)


class _Connection(socketserver.StreamRequestHandler):
    server: RawSink

    def handle(self) -> None:
        while captured := self._read():
            with self.server.changed:
                self.server.requests.append(captured)
                self.server.changed.notify_all()
            answer = self.server.script(captured)
            if answer is None:
                return
            if isinstance(answer, int):
                answer = f"HTTP/1.1 {answer} x\r\ncontent-length: 0\r\n\r\n".encode()
            try:
                for part in [answer] if isinstance(answer, bytes) else answer:
                    self.wfile.write(part)
            except ConnectionError:
                return

    def _read(self) -> Captured | None:
        head = b""
        try:
            while line := self.rfile.readline():
                head += line
                if line == b"\r\n":
                    length = Captured(head, b"").headers.get("content-length", "0")
                    return Captured(head, self.rfile.read(int(length)))
        except ConnectionError:
            return None
        return None


@pytest.fixture
def sink_of() -> Iterator[Callable[[Script], RawSink]]:
    started: list[tuple[RawSink, threading.Thread]] = []

    def start(script: Script) -> RawSink:
        server = RawSink(script)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        started.append((server, thread))
        return server

    yield start
    for server, thread in started:
        server.shutdown()
        thread.join()
        server.server_close()


SinkOf = Callable[[Script], RawSink]


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    """A topic of the test's own; the broker is shared."""
    return "".join(each if each.isalnum() else "-" for each in str(request.node.name))


def put(cluster: Cluster, topic: str, count: int, partition: int = 0) -> None:
    """Records 0, 1, ... one after the other into one partition."""
    producer = cluster.producer()
    for number in range(count):
        producer.send(topic, value=b"%d" % number, partition=partition)
    producer.flush()
    producer.close()


def committed(cluster: Cluster, topic: str, group: str, partition: int = 0) -> int | None:
    consumer = cluster.consumer(group)
    try:
        offset: int | None = consumer.committed(TopicPartition(topic, partition))
    finally:
        consumer.close()
    return offset


@dataclass
class Begin:
    """Makes sources for a topic whose group is the topic's name."""

    cluster: Cluster
    topic: str
    made: list[KafkaSource] = field(default_factory=list)

    def __call__(
        self,
        url: str,
        *,
        ordering: Ordering = "unordered",
        initial_offset: InitialOffset = "earliest",
        retry: int = 3,
        backoff_delay: float = MILLISECOND,
        timeout: float = WAIT,
        dead_letter_topic: str | None = None,
        on_finished: Callable[[Finished], None] | None = None,
    ) -> KafkaSource:
        delivery = Delivery(
            retry=retry,
            backoff_delay=backoff_delay,
            timeout=timeout,
            dead_letter_topic=dead_letter_topic,
        )
        config = SourceConfig(
            sink=url,
            topic=self.topic,
            consumer_group=self.topic,
            ordering=ordering,
            initial_offset=initial_offset,
            delivery=delivery,
        )
        source = KafkaSource(self.cluster, config, on_finished)
        source.start()
        self.made.append(source)
        return source


@pytest.fixture
def begin(
    broker: EmbeddedBroker,
    topic: str,
    sink_of: SinkOf,  # noqa: ARG001 - asked for first, so that the sources end before the sinks
) -> Iterator[Begin]:
    starter = Begin(broker.cluster, topic)
    yield starter
    for source in starter.made:
        source.abort()


# The request, byte for byte


def test_a_fluent_bit_record_is_posted_in_exactly_these_bytes(sink_of: SinkOf) -> None:
    server = sink_of(lambda _: 204)
    sink = Sink(server.url, "default", WAIT)
    event = MAPPER.event(Record("fluentbit", 0, 564, TIME, value=FLUENT_BIT))
    assert sink.post(event).status == 204
    sink.close()
    expected = (
        "POST / HTTP/1.1\r\n"
        "user-agent: Vert.x-WebClient/4.5.27\r\n"
        "Prefer: reply\r\n"
        "Kn-Namespace: default\r\n"
        "ce-specversion: 1.0\r\n"
        "ce-id: partition:0/offset:564\r\n"
        "ce-source: /apis/v1/namespaces/default/kafkasources/logs#fluentbit\r\n"
        "ce-type: dev.knative.kafka.event\r\n"
        "ce-subject: partition:0#564\r\n"
        "ce-time: 2026-08-07T10:15:30.123Z\r\n"
        "ce-knativekafkapartition: 0\r\n"
        "ce-knativekafkaoffset: 564\r\n"
        "content-length: 91\r\n"
        f"host: 127.0.0.1:{server.server_address[1]}\r\n"
        "\r\n"
    )
    assert server.requests == [Captured(expected.encode(), FLUENT_BIT)]


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("http://handler.default.svc.cluster.local", "handler.default.svc.cluster.local", "/"),
        ("http://handler:80/a/b?c=d", "handler", "/a/b?c=d"),
        ("http://[::1]:8080/", "[::1]:8080", "/"),
    ],
)
def test_the_host_has_no_port_80_and_the_path_is_the_urls(url: str, host: str, target: str) -> None:
    sink = Sink(url, "default", WAIT)
    headers = dict(sink.headers(MAPPER.event(Record("t", 0, 0, TIME))))
    assert (headers["host"], sink.target) == (host, target)


@pytest.mark.parametrize("url", ["https://handler", "handler:8080", "http://"])
def test_a_sink_that_is_no_http_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no http:// URL"):
        Sink(url, "default", WAIT)


def posted(sink_of: SinkOf, record: Record, **overrides: str) -> Captured:
    server = sink_of(lambda _: 204)
    sink = Sink(server.url, "default", WAIT)
    sink.post(Mapper("default", "logs", overrides).event(record))
    sink.close()
    return server.requests[0]


def test_a_tombstone_has_neither_body_nor_content_length(sink_of: SinkOf) -> None:
    request = posted(sink_of, Record("t", 0, 1, TIME, key=b"gone", value=None))
    assert request.body == b""
    assert request.head.endswith(
        b"ce-key: gone\r\n"
        b"ce-partitionkey: gone\r\n"
        b"ce-knativekafkapartition: 0\r\n"
        b"ce-knativekafkaoffset: 1\r\n" + f"host: {request.headers['host']}\r\n\r\n".encode()
    )
    assert "content-length" not in request.headers


def test_an_empty_value_has_a_content_length_of_zero(sink_of: SinkOf) -> None:
    assert posted(sink_of, Record("t", 0, 1, TIME, value=b"")).headers["content-length"] == "0"


def test_all_optional_headers_have_their_place(sink_of: SinkOf) -> None:
    headers = (
        ("Content-Type", b"Application/JSON"),
        ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("X-Request-Id", b"r1"),
    )
    record = Record("t", 2, 7, TIME, b"key", b"{}", headers)
    names = list(posted(sink_of, record, cluster="laptop").headers)
    assert names == [
        "user-agent",
        "Prefer",
        "Kn-Namespace",
        "ce-specversion",
        "ce-id",
        "ce-source",
        "ce-type",
        "content-type",
        "ce-subject",
        "ce-time",
        "ce-key",
        "ce-partitionkey",
        "ce-kafkaheadertraceparent",
        "ce-kafkaheaderxrequestid",
        "ce-knativekafkapartition",
        "ce-knativekafkaoffset",
        "ce-cluster",
        "traceparent",
        "content-length",
        "host",
    ]


def test_header_values_are_single_bytes_and_what_does_not_fit_is_a_question_mark(
    sink_of: SinkOf,
) -> None:
    request = posted(sink_of, Record("t", 0, 0, TIME, "é/日".encode(), b""))
    assert b"\r\nce-key: \xe9/?\r\n" in request.head


def test_a_header_value_with_a_control_character_cannot_be_sent(sink_of: SinkOf) -> None:
    server = sink_of(lambda _: 204)
    sink = Sink(server.url, "default", WAIT)
    with pytest.raises(TransportError, match="control character"):
        sink.post(MAPPER.event(Record("t", 0, 0, TIME, b"a\nb", b"")))
    sink.close()
    assert server.requests == []


def test_one_connection_carries_many_requests(sink_of: SinkOf) -> None:
    server = sink_of(lambda _: 204)
    sink = Sink(server.url, "default", WAIT)
    for offset in range(3):
        sink.post(MAPPER.event(Record("t", 0, offset, TIME, value=b"x")))
    sink.close()
    assert (len(server.requests), len(server.connections)) == (3, 1)


def test_a_connection_that_the_sink_closes_is_replaced(sink_of: SinkOf) -> None:
    closing = b"HTTP/1.1 200 x\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"
    server = sink_of(lambda _: closing)
    sink = Sink(server.url, "default", WAIT)
    for offset in range(2):
        assert sink.post(MAPPER.event(Record("t", 0, offset, TIME))).body == b"ok"
    sink.close()


# Kafka record to CloudEvent


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (TIME, "2026-08-07T10:15:30.123Z"),
        (TIME - 3, "2026-08-07T10:15:30.12Z"),
        (TIME - 23, "2026-08-07T10:15:30.1Z"),
        (TIME - 123, "2026-08-07T10:15:30Z"),
        (TIME - 122, "2026-08-07T10:15:30.001Z"),
    ],
)
def test_a_time_has_as_few_digits_as_it_needs(milliseconds: int, text: str) -> None:
    assert rfc3339(milliseconds) == text


KEY = {"key": "simple", "partitionkey": "simple"}


@pytest.mark.parametrize(
    ("key", "headers", "content_type", "extensions"),
    [
        (b"simple", (("content-type", b"application/json"),), "application/json", KEY),
        (b"simple", (), None, KEY),
        (None, (), None, {}),
        (b"", (), None, {}),
        (b"simple", (("content-type", b"text/plain"),), "text/plain", KEY),
        (b"simple", (("CONTENT-TYPE", b"Text/Plain"),), "text/plain", KEY),
        (b"simple", (("foo", b"bar"),), None, {**KEY, "kafkaheaderfoo": "bar"}),
        (None, (("Foo-Bar_1", b"\xff"),), None, {"kafkaheaderfoobar1": "\ufffd"}),
    ],
)
def test_a_plain_record_becomes_this_event(
    key: bytes | None,
    headers: tuple[tuple[str, bytes], ...],
    content_type: str | None,
    extensions: dict[str, str],
) -> None:
    event = plain_event(Record("t1", 1, 10, TIME, key, b'{"test":1}', headers), "/source#t1")
    expected = {
        "specversion": "1.0",
        "id": "partition:1/offset:10",
        "source": "/source#t1",
        "type": "dev.knative.kafka.event",
        "subject": "partition:1#10",
        "time": "2026-08-07T10:15:30.123Z",
    }
    if content_type:
        expected["datacontenttype"] = content_type
    assert (event.attributes, event.extensions) == (expected, extensions)
    assert event.data == b'{"test":1}'


BINARY = {
    "ce_specversion": b"1.0",
    "ce_id": b"A234",
    "ce_source": b"/shop",
    "ce_type": b"com.example.order",
}
ATTRIBUTES = {"specversion": "1.0", "id": "A234", "source": "/shop", "type": "com.example.order"}
PLACE = {"knativekafkapartition": "0", "knativekafkaoffset": "5"}


def binary(**headers: bytes) -> Record:
    all_headers = tuple({**BINARY, **headers}.items())
    return Record("t", 0, 5, TIME, b"key", b"data", all_headers)


def structured(document: dict[str, Any], content_type: bytes = b"") -> Record:
    kind = content_type or b"application/cloudevents+json; charset=utf-8"
    value = json.dumps({**ATTRIBUTES, **document}).encode()
    return Record("t", 0, 5, TIME, b"key", value, (("content-type", kind),))


def test_a_binary_cloudevent_keeps_its_attributes_and_loses_key_and_other_headers() -> None:
    record = binary(ce_time=b"2018-04-05T17:31:00Z", ce_Comext=b"v", other=b"x")
    event = MAPPER.event(record)
    assert event.attributes == {**ATTRIBUTES, "time": "2018-04-05T17:31:00Z"}
    assert event.extensions == {"comext": "v", **PLACE}
    assert event.data == b"data"


def test_a_binary_cloudevents_content_type_is_that_of_its_data() -> None:
    record = Record(
        "t", 0, 5, TIME, None, b"{}", (*BINARY.items(), ("content-type", b"Text/XML; a=B"))
    )
    assert MAPPER.event(record).attributes["datacontenttype"] == "Text/XML; a=B"


@pytest.mark.parametrize(
    ("document", "data"),
    [
        ({"data": {"a": [1, 1.5, "é"]}}, '{"a":[1,1.5,"é"]}'.encode()),
        ({"data": "text"}, b'"text"'),
        ({"data": "text", "datacontenttype": "text/plain"}, b"text"),
        ({"data_base64": base64.b64encode(b"\x00\xff").decode()}, b"\x00\xff"),
        ({"data": None}, None),
        ({}, None),
    ],
)
def test_a_structured_cloudevent_is_sent_on_in_binary_mode(
    document: dict[str, Any], data: bytes | None
) -> None:
    event = MAPPER.event(structured({**document, "count": 3, "ok": True, "none": None}))
    assert event.attributes["id"] == "A234"
    assert event.extensions == {"count": "3", "ok": "true", **PLACE}
    assert event.data == data


@pytest.mark.parametrize(
    "record",
    [
        Record("t", 0, 5, TIME, None, b"{", (("content-type", b"application/cloudevents+json"),)),
        Record("t", 0, 5, TIME, None, b"[]", (("content-type", b"application/cloudevents+json"),)),
        structured({"id": ""}),
        structured({"specversion": "2.0"}),
        structured({"ext": {}}),
        structured({"a-b": "x"}),
        structured({"data_base64": "!"}),
        structured({}, b"application/cloudevents-batch+json"),
        binary(ce_type=b""),
        binary(ce_source=b"no uri"),
        binary(ce_time=b"yesterday"),
        binary(ce_time=b"2018-13-05T17:31:00Z"),
    ],
)
def test_what_does_not_parse_as_a_cloudevent_is_wrapped_like_any_record(record: Record) -> None:
    assert MAPPER.event(record).attributes["type"] == "dev.knative.kafka.event"


def test_overrides_are_applied_last_to_every_event() -> None:
    mapper = Mapper("default", "logs", {"knativekafkaoffset": "mine", "extra": "1"})
    for record in (binary(), Record("t", 0, 5, TIME)):
        extensions = mapper.event(record).extensions
        assert (extensions["knativekafkaoffset"], extensions["extra"]) == ("mine", "1")


def test_one_null_header_makes_the_whole_batch_of_plain_records_vanish() -> None:
    plain = Record("t", 0, 1, TIME, value=b"x")
    broken = Record("t", 0, 2, TIME, value=b"x", headers=(("h", None),))
    events = MAPPER.events([plain, broken, binary()])
    assert [event is None for _, event in events] == [True, True, False]


# Retries

RETRIED = {404, 408, 409, 429, *range(500, 600)}


def test_exactly_these_answers_are_retried() -> None:
    assert {status for status in range(100, 600) if retried(status)} == RETRIED
    assert {status for status in range(100, 600) if accepted(status)} == {*range(200, 300)}


@pytest.mark.parametrize(
    ("policy", "delays"),
    [
        ("exponential", [0.6, 1.2, 2.4, 4.8, 9.6, 19.2, 38.4, 76.8, 153.6, 307.2]),
        ("linear", [0.3, 0.6, 0.9, 1.2, 1.5, 1.8, 2.1, 2.4, 2.7, 3.0]),
    ],
)
def test_the_delays_grow_by_policy_from_the_first_retry_on(
    policy: BackoffPolicy, delays: list[float]
) -> None:
    delivery = Delivery(backoff_policy=policy)
    assert [delivery.delay(n) for n in range(1, delivery.retry + 1)] == pytest.approx(delays)


def test_a_delay_that_stops_knative_from_retrying_is_refused() -> None:
    with pytest.raises(ValueError, match="does not retry at all"):
        Delivery(backoff_delay=0)


def attempts(
    sink_of: SinkOf, script: Script, retry: int, timeout: float = WAIT
) -> tuple[str, list[int | None], list[float]]:
    """What became of one event, the answers on the way, and when its requests came."""
    times: list[float] = []
    answers: list[int | None] = []

    def timed(request: Captured) -> int | bytes | Iterator[bytes] | None:
        times.append(time.monotonic())
        return script(request)

    delivery = Delivery(retry=retry, backoff_delay=MILLISECOND, timeout=timeout)
    sink = Sink(sink_of(timed).url, "default", timeout)
    dispatcher = Dispatcher(sink, None, delivery, answers.append)
    outcome = dispatcher.dispatch(MAPPER.event(Record("t", 0, 0, TIME, value=b"x")))
    dispatcher.close()
    return outcome, answers, times


def test_four_times_500_and_then_200_are_five_requests(sink_of: SinkOf) -> None:
    script = iter([500, 500, 500, 500, 200])
    outcome, answers, times = attempts(sink_of, lambda _: next(script), retry=5)
    assert (outcome, answers) == ("delivered", [500, 500, 500, 500, 200])
    waited = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(wait >= MILLISECOND * 2**n for n, wait in enumerate(waited, start=1))


@pytest.mark.parametrize("status", [301, 303, 400, 401, 403, 405, 413, 415, 422])
def test_a_final_answer_is_one_request(sink_of: SinkOf, status: int) -> None:
    assert attempts(sink_of, lambda _: status, retry=5)[:2] == ("dropped", [status])


@pytest.mark.parametrize("status", [404, 408, 409, 429, 500, 503])
def test_a_lasting_failure_is_one_request_more_than_retries(sink_of: SinkOf, status: int) -> None:
    assert attempts(sink_of, lambda _: status, retry=2)[:2] == ("dropped", [status] * 3)


def test_a_connection_that_breaks_is_retried(sink_of: SinkOf) -> None:
    script = iter([None, b"no http\r\n\r\n", 204])
    result = attempts(sink_of, lambda _: next(script), retry=2)
    assert result[:2] == ("delivered", [None, None, 204])


def test_an_answer_that_does_not_come_in_time_is_retried(sink_of: SinkOf) -> None:
    over = threading.Event()

    def silent(_: Captured) -> None:
        over.wait(WAIT)

    result = attempts(sink_of, silent, retry=1, timeout=0.02)
    over.set()
    assert result[:2] == ("dropped", [None, None])


def test_the_timeout_is_that_of_the_head_and_not_of_the_body(sink_of: SinkOf) -> None:
    def late_body(_: Captured) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 x\r\ncontent-length: 2\r\n\r\n"
        time.sleep(0.15)
        yield b"ok"

    assert attempts(sink_of, late_body, retry=0, timeout=0.1)[:2] == ("delivered", [200])


# Dead letters


def test_a_dead_letter_says_where_and_why_and_holds_the_event() -> None:
    event = Event({"id": "1"}, {"a": "b"}, b"data")
    answer = Answer(422, (("Kne-Reason", "r"), ("kne-a-b", "left out"), ("x", "y")), b"z" * 2000)
    assert with_error(event, "http://sink/", answer).extensions == {
        "a": "b",
        "knativeerrordest": "http://sink/",
        "knativeerrorcode": "422",
        "knativeerrordata": base64.b64encode(b"z" * 1024).decode(),
        "reason": "r",
    }


def test_without_an_answer_a_dead_letter_only_says_where() -> None:
    extensions = with_error(Event({"id": "1"}, {}), "http://sink/", None).extensions
    assert extensions == {"knativeerrordest": "http://sink/"}


def test_a_refused_record_is_in_the_dead_letter_topic_as_a_binary_cloudevent(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    problem = b'{"title":"no"}'
    server = sink_of(lambda _: b"HTTP/1.1 400 x\r\ncontent-length: 14\r\n\r\n" + problem)
    producer = broker.cluster.producer()
    content_type = ("content-type", b"application/json")
    producer.send(topic, b"{", b"key", [content_type], partition=1, timestamp_ms=TIME)
    producer.close()
    source = begin(server.url, dead_letter_topic=f"{topic}-dead")
    assert source.wait_until_caught_up(WAIT)
    source.stop()
    (letter,) = read_to_end(broker.cluster, f"{topic}-dead")
    assert (letter.key, letter.value) == (b"key", b"{")
    assert letter.headers == (
        ("ce_specversion", b"1.0"),
        ("ce_id", b"partition:1/offset:0"),
        ("ce_source", f"/apis/v1/namespaces/default/kafkasources/logs#{topic}".encode()),
        ("ce_type", b"dev.knative.kafka.event"),
        ("content-type", b"application/json"),
        ("ce_subject", b"partition:1#0"),
        ("ce_time", b"2026-08-07T10:15:30.123Z"),
        ("ce_key", b"key"),
        ("ce_partitionkey", b"key"),
        ("ce_knativekafkapartition", b"1"),
        ("ce_knativekafkaoffset", b"0"),
        ("ce_knativeerrordest", server.url.encode()),
        ("ce_knativeerrorcode", b"400"),
        ("ce_knativeerrordata", base64.b64encode(problem)),
    )
    assert source.figures().dead_lettered == 1
    assert committed(broker.cluster, topic, topic, 1) == 1


def test_a_dead_letter_of_text_that_is_no_unicode_has_a_question_mark_as_javas_would(
    broker: EmbeddedBroker, topic: str
) -> None:
    letters = DeadLetters(broker.cluster, topic)
    assert letters.write(Event({"id": "\ud800"}, {"partitionkey": "é\udfff"})).status == 202
    letters.close(wait=WAIT)
    (letter,) = read_to_end(broker.cluster, topic)
    assert (letter.key, letter.value) == ("é?".encode(), b"")
    assert letter.headers[0] == ("ce_id", b"?")


def test_a_dead_letter_can_be_read_by_a_source_again(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    put(broker.cluster, topic, 1)
    refusing = begin(sink_of(lambda _: 415).url, dead_letter_topic=f"{topic}-dead")
    assert refusing.wait_until_caught_up(WAIT)
    refusing.stop()
    (letter,) = read_to_end(broker.cluster, f"{topic}-dead")
    again = MAPPER.event(letter)
    assert again.attributes["id"] == "partition:0/offset:0"
    assert again.extensions["knativeerrorcode"] == "415"


def test_without_a_dead_letter_topic_a_refused_record_is_dropped_and_committed(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    put(broker.cluster, topic, 3)
    source = begin(sink_of(lambda _: 400).url)
    assert source.wait_until_caught_up(WAIT)
    source.stop()
    figures = source.figures()
    assert (figures.read, figures.dropped, figures.attempts) == (3, 3, {400: 3})
    assert committed(broker.cluster, topic, topic) == 3


# Order, offsets, restarts


def test_in_order_a_record_that_is_retried_holds_back_those_behind_it(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    for partition in (0, 1):
        put(broker.cluster, topic, 20, partition)
    failures = collections.Counter[tuple[int, int]]()

    def fails_twice_at_every_fifth(request: Captured) -> int:
        failures[request.place] += 1
        return 503 if request.place[1] % 5 == 0 and failures[request.place] < 3 else 204

    server = sink_of(fails_twice_at_every_fifth)
    source = begin(server.url, ordering="ordered")
    assert source.wait_until_caught_up(WAIT)
    expected = [offset for n in range(20) for offset in [n] * (3 if n % 5 == 0 else 1)]
    for partition in (0, 1):
        offsets = [each.place[1] for each in server.requests if each.place[0] == partition]
        assert offsets == expected


def test_in_order_one_record_of_a_partition_is_under_way_and_partitions_do_not_wait_for_each_other(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    for partition in (0, 1):
        put(broker.cluster, topic, 3, partition)
    free = threading.Event()
    server = sink_of(lambda _: 204 if free.wait(WAIT) else 500)
    source = begin(server.url, ordering="ordered")
    assert {each.place for each in server.wait_for(2)} == {(0, 0), (1, 0)}
    assert source.figures().in_flight == 2
    free.set()
    assert source.wait_until_caught_up(WAIT)
    assert source.figures().delivered == 6


def test_out_of_order_at_most_99_records_are_under_way(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    for partition in range(4):
        put(broker.cluster, topic, 100, partition)
    free = threading.Event()
    server = sink_of(lambda _: 204 if free.wait(WAIT) else 500)
    source = begin(server.url)
    server.wait_for(50)
    under_way = source.figures().in_flight
    free.set()
    assert source.wait_until_caught_up(WAIT)
    assert 50 <= under_way <= 99
    assert source.figures().delivered == 400


@given(st.data())
def test_what_may_be_committed_is_where_the_first_unfinished_record_is(data: st.DataObject) -> None:
    offsets = sorted(data.draw(st.sets(st.integers(0, 200), max_size=40)))
    order = data.draw(st.permutations(offsets))
    progress = Progress(0)
    for offset in offsets:
        progress.received(offset)
    open_offsets = set(offsets)
    before = progress.committable
    for offset in order:
        progress.finished(offset)
        open_offsets.remove(offset)
        assert progress.unfinished == len(open_offsets)
        assert progress.committable >= before
        before = progress.committable
        finished = [each for each in offsets if each < min(open_offsets, default=201)]
        assert progress.committable == (finished[-1] + 1 if finished else 0)


def test_an_offset_that_goes_back_is_an_error() -> None:
    progress = Progress(5)
    progress.received(7)
    for wrong in (4, 7):
        with pytest.raises(ValueError, match="after a later one"):
            progress.received(wrong)


def test_only_the_contiguous_prefix_is_committed(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    put(broker.cluster, topic, 5)
    stuck = threading.Event()

    def stuck_at_2(request: Captured) -> int:
        if request.place[1] == 2:
            stuck.wait(WAIT)
        return 204

    server = sink_of(stuck_at_2)
    done = threading.Semaphore(0)
    source = begin(server.url, on_finished=lambda _: done.release())
    assert all(done.acquire(timeout=WAIT) for _ in range(4))
    source.stop(grace=0)  # gives up on the one that is stuck
    stuck.set()
    assert source.figures().delivered == 4
    assert committed(broker.cluster, topic, topic) == 2


def test_a_stop_waits_for_what_is_under_way_and_a_new_source_goes_on_behind_it(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    put(broker.cluster, topic, 2)
    arrived, leave = threading.Event(), threading.Event()

    def slow(_: Captured) -> int:
        arrived.set()
        leave.wait(WAIT)
        return 204

    server = sink_of(slow)
    source = begin(server.url)
    assert arrived.wait(WAIT)
    stopping = threading.Thread(target=source.stop)
    stopping.start()
    leave.set()
    stopping.join()
    assert committed(broker.cluster, topic, topic) == source.figures().delivered
    put(broker.cluster, topic, 1)
    resumed = begin(server.url)
    assert resumed.wait_until_caught_up(WAIT)
    assert sorted(each.place[1] for each in server.requests) == [0, 1, 2]


def test_after_a_kill_everything_since_the_last_commit_is_delivered_again_with_the_same_ids(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    put(broker.cluster, topic, 3)
    server = sink_of(lambda _: 204)
    first = begin(server.url)
    assert first.wait_until_caught_up(WAIT)
    first.abort()
    assert committed(broker.cluster, topic, topic) is None
    second = begin(server.url)
    assert second.wait_until_caught_up(WAIT)
    ids = collections.Counter(each.headers["ce-id"] for each in server.requests)
    assert ids == {f"partition:0/offset:{n}": 2 for n in range(3)}


def test_a_kill_cuts_off_requests_and_back_off_at_once(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    put(broker.cluster, topic, 2)
    silent = threading.Event()

    def answer(request: Captured) -> int:
        if request.place[1] == 0:
            silent.wait(WAIT)
        return 503

    server = sink_of(answer)
    source = begin(server.url, backoff_delay=WAIT)
    server.wait_for(2)
    began = time.monotonic()
    source.abort()
    silent.set()
    assert time.monotonic() - began < WAIT / 3
    assert source.figures().finished == 0


def test_latest_skips_what_is_there_already_and_says_so_to_the_group(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    put(broker.cluster, topic, 3)
    server = sink_of(lambda _: 204)
    source = begin(server.url, initial_offset="latest")
    assert source.wait_until_caught_up(WAIT)
    assert committed(broker.cluster, topic, topic) == 3
    put(broker.cluster, topic, 1)
    assert [each.place for each in server.wait_for(1)] == [(0, 3)]


def test_a_source_waits_for_its_topic_to_exist(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    server = sink_of(lambda _: 204)
    begin(server.url)
    put(broker.cluster, topic, 1)
    assert server.wait_for(1)[0].body == b"0"


def test_the_figures_add_up(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    put(broker.cluster, topic, 10)
    script = iter([503, None])

    def answer(_: Captured) -> int | None:
        return next(script, 200)

    finished: list[Finished] = []
    source = begin(sink_of(answer).url, ordering="ordered", on_finished=finished.append)
    assert source.wait_until_caught_up(WAIT)
    figures = source.figures()
    assert (figures.read, figures.delivered, figures.finished) == (10, 10, 10)
    assert (figures.attempts, figures.unanswered, figures.in_flight) == ({503: 1, 200: 10}, 1, 0)
    assert sorted(figures.latencies) == sorted(each.seconds for each in finished)
    assert 0 < figures.latency(0.5) <= figures.latency(0.99) == max(figures.latencies)


def test_without_records_there_is_no_latency() -> None:
    figures = Counters().snapshot()
    assert figures.latency(0.5) != figures.latency(0.5)  # NaN
    assert str(figures).startswith("0 read, 0 delivered")


def test_the_command_line_runs_until_it_has_caught_up(
    broker: EmbeddedBroker, topic: str, sink_of: SinkOf, capsys: pytest.CaptureFixture[str]
) -> None:
    put(broker.cluster, topic, 3)
    server = sink_of(lambda _: 204)
    arguments = ["--bootstrap-servers", broker.bootstrap_servers, "--embedded"]
    main([*arguments, "--topic", topic, "--sink", server.url, "--until-caught-up"])
    assert capsys.readouterr().out.startswith("3 read, 3 delivered, 0 dead-lettered")
    assert committed(broker.cluster, topic, "logs-handler") == 3


# Kafka goes away


@FORGETS_SOCKETS
@pytest.mark.usefixtures("forgotten_sockets")
def test_a_client_that_finds_no_kafka_leaves_no_thread_behind() -> None:
    nowhere = Cluster("127.0.0.1:1")
    before = threading.active_count()
    for make in (nowhere.consumer, nowhere.producer):
        with pytest.raises(KafkaError):
            make(bootstrap_timeout_ms=1)
    assert threading.active_count() == before


@FORGETS_SOCKETS
@pytest.mark.usefixtures("forgotten_sockets")
@pytest.mark.real("kafka")
def test_with_a_real_kafka_every_record_arrives_once_also_over_a_restart_of_the_broker(
    sink_of: SinkOf,
) -> None:
    server = sink_of(lambda _: 204)
    with kafka() as node:
        create_topic(node.cluster, "logs", partitions=3)
        assert produce(node.cluster, "logs", [b"%d" % n for n in range(200)]) == 200
        begin = Begin(node.cluster, "logs")
        first = begin(server.url)
        assert first.wait_until_caught_up(WAIT)
        first.stop()
        assert sum(committed(node.cluster, "logs", "logs", n) or 0 for n in range(3)) == 200
        second = begin(server.url)
        assert second.wait_until_caught_up(WAIT)
        node.restart()
        assert produce(node.cluster, "logs", [b"%d" % n for n in range(200, 250)]) == 50
        bodies = [each.body for each in server.wait_for(250)]
        second.stop()
        assert sum(committed(node.cluster, "logs", "logs", n) or 0 for n in range(3)) == 250
    assert sorted(map(int, bodies)) == [*range(250)]
