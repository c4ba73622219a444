"""A Kafka record becomes the CloudEvent that Knative makes of it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from local.kafkasource.mapping import Mapper
from local.kafkasource.plain_record import plain_event, rfc3339
from local.record import Record
from tests.kafkasource.raw_sink import MAPPER, TIME


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
