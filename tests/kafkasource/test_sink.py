"""The request that a sink gets is Knative's, byte for byte."""

from __future__ import annotations

import pytest

from local.kafkasource.mapping import Mapper
from local.kafkasource.sink import Sink, TransportError
from local.record import Record
from tests.kafkasource.raw_sink import MAPPER, TIME, WAIT, Captured, SinkOf

FLUENT_BIT = (
    b'{"@timestamp":1786097730.123456,"log":"GET /healthz 200","kubernetes":{"pod_name":"web-0"}}'
)


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
    with pytest.raises(ValueError, match="not an http:// URL"):
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
