"""An HTTP message becomes CloudEvents: as KafkaSource sends it, and as nobody should."""

from __future__ import annotations

import base64
import http.client
import io
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cloudevents.core.exceptions import CloudEventValidationError
from hypothesis import given
from hypothesis import strategies as st

from function import events, records
from function.errors import EventError, RecordError, UnsupportedContent
from function.events import BATCHED, STRUCTURED, Event

EVENTS = Path(__file__).parent / "events"
ARTICLE = (Path(__file__).parent / "records" / "article.json").read_bytes()

REQUIRED = {"specversion": "1.0", "id": "1", "source": "/here", "type": "t"}
BINARY = {f"ce-{name}": value for name, value in REQUIRED.items()}
AUGUST_7 = 1_786_097_730 * 10**9  # 2026-08-07T10:15:30Z


def sent(name: str) -> tuple[dict[str, str], bytes]:
    """Read a request from its bytes as a WSGI server does: lower-case names, Latin-1 values."""
    message = io.BytesIO((EVENTS / name).read_bytes())
    assert message.readline() == b"POST / HTTP/1.1\r\n"
    headers = {field.lower(): value for field, value in http.client.parse_headers(message).items()}
    body = message.read()
    assert len(body) == int(headers.get("content-length", 0))
    return headers, body


def one(headers: Mapping[str, str], body: bytes = b"") -> Event:
    """Read a message that holds one event, and no error; without where it came from."""
    return origin_of(headers, body)._replace(origin=())


def origin_of(headers: Mapping[str, str], body: bytes = b"") -> Event:
    """Read a message that holds one event, and no error."""
    [event] = events.read(headers, body)
    assert isinstance(event, Event)
    return event


def structured(**members: object) -> Event:
    return one({"content-type": STRUCTURED}, json.dumps({**REQUIRED, **members}).encode())


def batched(*members: object) -> list[Event | EventError]:
    return events.read({"content-type": BATCHED}, json.dumps(members).encode())


# Binary mode: all that KafkaSource ever sends.


def test_a_record_of_fluent_bit_as_kafkasource_sends_it() -> None:
    assert [one(*sent("kafkasource-fluentbit.http"))] == [
        Event(
            id="partition:0/offset:564",
            source="/apis/v1/namespaces/logs-handler/kafkasources/logs#logs",
            type="dev.knative.kafka.event",
            time=AUGUST_7 + 123_000_000,
            data=ARTICLE,
            subject="partition:0#564",
            datacontenttype=None,
            extensions={"knativekafkapartition": "0", "knativekafkaoffset": "564"},
        )
    ]


@given(st.data())
def test_the_order_of_headers_says_nothing(data: st.DataObject) -> None:
    headers = BINARY | {"ce-key": "a", "ce-subject": "b", "host": "c"}
    shuffled = dict(data.draw(st.permutations([*headers.items()])))
    assert one(shuffled) == one(headers)


def test_a_records_key_and_headers_arrive_as_extensions_and_content_type() -> None:
    event = one(*sent("kafkasource-key-and-headers.http"))
    assert event.datacontenttype == "application/json"
    assert event.time == AUGUST_7 + 1_120_000_000
    assert event.extensions == {
        "key": "wordpress-v1",
        "partitionkey": "wordpress-v1",
        "kafkaheadertraceid": "4bf92f3577b34da6",
        "knativekafkapartition": "0",
        "knativekafkaoffset": "565",
    }


def test_a_tombstone_is_an_event_without_data() -> None:
    event = one(*sent("kafkasource-tombstone.http"))
    assert event.data is None
    assert event.id == "partition:0/offset:566"


def test_a_native_event_passes_through_as_bytes_whatever_they_are() -> None:
    event = one(*sent("kafkasource-native.http"))
    assert event.data == "not JSON: café\n".encode()
    assert event.datacontenttype == "text/plain; charset=utf-8"
    assert (event.subject, event.time) == ("order 404", None)
    # dataschema is an attribute of CloudEvents' own and no extension; nothing here needs it.
    assert set(event.extensions) == {"knativekafkapartition", "knativekafkaoffset"}


# The content type chooses the mode, and nothing else does.


@pytest.mark.parametrize(
    "content_type",
    [
        None,  # KafkaSource, of a record without headers
        "",  # the same through WSGI
        "application/json",
        "Application/JSON ; charset=utf-8",
        "application/vnd.example+json",
        "text/plain",
        "application/octet-stream",
        "application/x-ndjson",
    ],
)
def test_log_records_come_in_these_content_types(content_type: str | None) -> None:
    headers = BINARY if content_type is None else {**BINARY, "content-type": content_type}
    assert one(headers, b"{}").data == b"{}"


@pytest.mark.parametrize(
    "content_type",
    [
        "application/xml",
        "text/html",
        "application/cloudevents+avro",
        "application/cloudevents+protobuf",
        "application/cloudevents-batch+protobuf",
        "application/cloudevents",
        "application/cloudevents-stream+json",
        "json",
        "\ud800",
        "x" * 10_000,
    ],
)
def test_other_content_types_are_unsupported(content_type: str) -> None:
    with pytest.raises(UnsupportedContent) as caught:
        events.read({**BINARY, "content-type": content_type}, b"{}")
    assert caught.value.status == 415
    assert len(caught.value.detail) < 300


def test_whoever_forgets_curls_header_is_told_which() -> None:
    with pytest.raises(UnsupportedContent, match="-H 'content-type: application/json'"):
        events.read({**BINARY, "content-type": "application/x-www-form-urlencoded"}, b"{}")


def test_an_unknown_event_format_is_told_the_known_ones() -> None:
    with pytest.raises(
        UnsupportedContent, match=f"send {STRUCTURED} or {BATCHED}".replace("+", ".")
    ):
        events.read({"content-type": "application/cloudevents+avro"}, b"")


def test_the_content_type_of_the_data_is_the_messages_own_before_any_attribute() -> None:
    attribute = {**BINARY, "ce-datacontenttype": "text/plain"}
    assert one(attribute).datacontenttype == "text/plain"
    both = {**attribute, "content-type": "application/json"}
    assert one(both).datacontenttype == "application/json"


def test_a_message_without_ce_headers_is_told_where_plain_records_go() -> None:
    with pytest.raises(EventError, match="records path"):
        events.read({"content-type": "application/json"}, b"{}")


# The attributes in headers.


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_required_attribute_that_is_missing_or_empty_is_named(
    name: str, value: str | None
) -> None:
    headers = {key: text for key, text in BINARY.items() if key != f"ce-{name}"}
    if value is not None:
        headers[f"ce-{name}"] = value
    with pytest.raises(EventError, match=f"ce-{name} is "):
        events.read(headers, b"{}")


@pytest.mark.parametrize("version", ["0.3", "9.9", "1", "1.0.2"])
def test_only_version_1_0_is_read(version: str) -> None:
    with pytest.raises(EventError, match=f'ce-specversion is "{version}": only "1.0" is read'):
        events.read({**BINARY, "ce-specversion": version}, b"{}")


@pytest.mark.parametrize("name", ["subject", "dataschema", "datacontenttype"])
def test_an_optional_attribute_is_left_out_or_has_a_value(name: str) -> None:
    with pytest.raises(EventError, match=f"ce-{name} is empty"):
        events.read({**BINARY, f"ce-{name}": ""}, b"{}")


@pytest.mark.parametrize(
    "time",
    [
        "1969-12-31T23:59:59.999Z",  # KafkaSource's, of a record without a time
        "+56789-03-14T00:00:00Z",  # and of one whose time is in other units
        *("", "yesterday", "2026-08-07", "2026-08-07T10:15:30", "2026-08-07T10:15:Z", "1e9"),
    ],
)
def test_a_time_that_cannot_be_read_costs_no_record_its_alert(time: str) -> None:
    [event] = events.read({**BINARY, "ce-time": time}, b"{}")
    assert isinstance(event, Event)
    assert event.time is None
    assert structured(time=time, data=5) == structured(data=5)


@pytest.mark.parametrize("time", [5, [], {"a": 1}, True])
def test_nor_does_a_time_that_is_no_text(time: Any) -> None:
    assert structured(time=time, data=5) == structured(data=5)


@pytest.mark.parametrize("name", ["foo-bar", "foo_bar", "größe", "Upper", "data", ""])
def test_an_extensions_name_is_letters_and_digits(name: str) -> None:
    with pytest.raises(EventError, match="extension attribute"):
        events.read({**BINARY, f"ce-{name}": "x"}, b"{}")


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("plain", "plain"),
        ("caf%C3%A9%20404", "café 404"),
        ("100%", "100%"),  # no encoding at all: as it stands
        ("%2541", "%41"),  # decoded once, not twice
        ("%FF", "�"),
        ("caf\u00c3\u00a9", "café"),  # raw UTF-8, as a server decodes it: Latin-1
        ("caf\u00e9", "caf�"),
        ("\u4f60", "?"),  # no byte at all; no server can pass this on
        ('"quoted"', "quoted"),
        (r'"a \"b\" \\ c"', r'a "b" \ c'),
        (r'"\\\\"', r"\\"),
        ('"%22"', '"'),
        ('"', '"'),
        ('say "x"', 'say "x"'),
    ],
)
def test_a_header_value_is_decoded_as_the_binding_says(sent: str, read: str) -> None:
    event = one({**BINARY, "ce-subject": sent, "ce-ext": sent})
    assert event.subject == read
    assert event.extensions == {"ext": read}


# Structured mode: one JSON object.


@pytest.mark.parametrize("parameters", ["", "; charset=utf-8", ";charset=UTF-8"])
def test_a_structured_event_is_read_from_its_members(parameters: str) -> None:
    body = (EVENTS / "structured.json").read_bytes()
    assert one({"content-type": STRUCTURED + parameters}, body) == Event(
        id="partition:0/offset:564",
        source="/apis/v1/namespaces/logs-handler/kafkasources/logs#logs",
        type="dev.knative.kafka.event",
        time=AUGUST_7 + 123_000_000,
        data=json.loads(ARTICLE),
        subject="partition:0#564",
        datacontenttype="application/json",
        extensions={"knativekafkapartition": "0", "knativekafkaoffset": "564"},
    )


def test_base64_data_is_bytes() -> None:
    assert structured(data_base64=base64.b64encode(b"\x00\xff").decode()).data == b"\x00\xff"


@pytest.mark.parametrize(
    ("content_type", "data"),
    [
        (None, "text"),  # JSON, then: the text is a JSON string
        ("application/json", "text"),
        ("application/vnd.example+json", "text"),
        ("text/plain", b"text"),
        ("application/x-ndjson; charset=utf-8", b"text"),
    ],
)
def test_text_data_is_the_data_itself_unless_the_content_type_is_json(
    content_type: str | None, data: object
) -> None:
    assert structured(datacontenttype=content_type, data="text").data == data


def test_a_member_that_is_null_counts_as_absent() -> None:
    assert structured(
        time=None, subject=None, datacontenttype=None, data=None, data_base64=None, ext=None
    ) == Event("1", "/here", "t", None, None, None, None, {})


def test_extensions_that_are_numbers_and_booleans_become_texts() -> None:
    assert structured(flag=True, number=-5, text="x").extensions == {
        "flag": "true",
        "number": "-5",
        "text": "x",
    }


@pytest.mark.parametrize(
    ("members", "because"),
    [
        ({"specversion": "0.3"}, 'specversion is "0.3"'),
        ({"specversion": 1.0}, 'specversion is "1.0"'),
        ({"specversion": None}, "specversion is missing"),
        ({"id": None}, "id is missing"),
        ({"source": ""}, "source is missing or empty"),
        ({"id": 5}, "id"),
        ({"type": ["t"]}, "type"),
        ({"subject": ""}, "subject is empty"),
        ({"subject": 5}, "subject"),
        ({"Upper": "x"}, "Upper"),
        ({"foo-bar": "x"}, "foo-bar"),
        ({"trailing\n": "x"}, "extension attribute"),  # `$` of a regular expression lets it pass
        ({"": "x"}, "xtension attribute"),
        ({"ext": {}}, 'extension attribute "ext" is an object'),
        ({"ext": [1]}, 'extension attribute "ext" is an array'),
        ({"data": 1, "data_base64": "AA=="}, "exclude each other"),
        ({"data_base64": "!!!"}, "not base64"),
        ({"data_base64": "é"}, "not base64"),
        ({"data_base64": 5}, "not base64"),
        ({"data_base64": ["AA=="]}, "not base64"),
        ({"datacontenttype": 5}, "datacontenttype"),
    ],
)
def test_a_broken_structured_event_is_refused_with_the_reason(
    members: dict[str, Any], because: str
) -> None:
    with pytest.raises(EventError, match=because) as caught:
        structured(**members)
    assert caught.value.status == 400


def test_structured_data_of_another_content_type_is_unsupported() -> None:
    with pytest.raises(UnsupportedContent):
        structured(datacontenttype="application/xml", data="<a/>")


@pytest.mark.parametrize("name", ["specversion", "id", "subject", "ext"])
def test_a_thousand_arrays_in_an_attribute_are_refused_like_one(name: str) -> None:
    nested = b"[" * 1000 + b"]" * 1000
    members = {"specversion": '"1.0"', "id": '"1"', "source": '"/"', "type": '"t"'}
    body = ",".join(f'"{key}":{value}' for key, value in members.items() if key != name)
    with pytest.raises(EventError):
        events.read({"content-type": STRUCTURED}, f'{{{body},"{name}":'.encode() + nested + b"}")


@pytest.mark.parametrize(
    ("body", "because"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON: .* at byte 1"),
        (b"[]", "an event is a JSON object, not an array"),
        (b"5", "an event is a JSON object, not a number"),
        (b'"text"', "an event is a JSON object, not a string"),
        (b"null", "an event is a JSON object, not null"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_body_that_is_no_event_is_refused(body: bytes, because: str) -> None:
    with pytest.raises(EventError, match=because):
        events.read({"content-type": STRUCTURED}, body)


def test_no_error_repeats_more_than_a_short_excerpt_of_the_request() -> None:
    secret = "x" * 5_000
    for headers in (
        {**BINARY, "ce-specversion": secret},
        {**BINARY, f"ce-{secret}-": secret},
    ):
        with pytest.raises(EventError) as caught:
            events.read(headers, b"{}")
        assert len(caught.value.detail) < 300
    for members in ({"specversion": secret}, {"id": 5, secret + "-": 1}):
        with pytest.raises(EventError) as caught:
            structured(**members)
        assert len(caught.value.detail) < 400


# Batched mode: a JSON array of structured events. The SDK has no such mode.


def test_a_batch_is_read_in_order_with_broken_events_in_their_places() -> None:
    body = (EVENTS / "batched.json").read_bytes()
    first, second, third, fourth = events.read({"content-type": BATCHED + "; charset=utf-8"}, body)
    assert isinstance(first, Event)
    assert isinstance(second, Event)
    assert isinstance(third, EventError)
    assert isinstance(fourth, Event)
    assert first.data == json.loads(ARTICLE)
    assert second.data == ARTICLE
    assert (third.position, third.detail) == (
        "event 3",
        "required attribute id is missing or empty",
    )
    assert fourth.data == {"log": "plain text line\n"}


def test_whatever_stands_in_a_batch_breaks_only_its_own_place() -> None:
    broken: list[object] = [
        None,
        5,
        "text",
        [],
        {},
        {**REQUIRED, "subject": []},
        {**REQUIRED, "id": 5},
    ]
    found = batched(REQUIRED, *broken, REQUIRED)
    assert [type(event) for event in found] == [Event, *[EventError] * len(broken), Event]
    assert [event.position for event in found if isinstance(event, EventError)] == [
        f"event {number}" for number in range(2, len(broken) + 2)
    ]


def test_an_unsupported_event_keeps_its_status_and_gets_its_position() -> None:
    [error] = batched({**REQUIRED, "datacontenttype": "application/xml", "data": "<a/>"})
    assert isinstance(error, UnsupportedContent)
    assert error.position == "event 1"


def test_an_empty_batch_holds_no_events() -> None:
    assert batched() == []


@pytest.mark.parametrize(
    ("body", "kind"), [(b"{}", "an object"), (b"null", "null"), (b"1", "a number")]
)
def test_a_batch_is_an_array(body: bytes, kind: str) -> None:
    with pytest.raises(EventError, match=f"JSON array of events, not {kind}"):
        events.read({"content-type": BATCHED}, body)


# Where the CloudEvents SDK and we differ. It accepts what it should refuse, or lets errors escape
# that would become a 500 and be sent again and again. Each row says what each of us does; when the
# first column changes, the SDK has repaired something and our own check may be superfluous.

WITHOUT_ID = {name: value for name, value in BINARY.items() if name != "ce-id"}
WITHOUT_VERSION = {name: value for name, value in BINARY.items() if name != "ce-specversion"}
STRUCTURED_TYPE = {"content-type": STRUCTURED}
EVENT = json.dumps({**REQUIRED, "data": {"log": "x"}}).encode()
NULL_TIME = json.dumps({**REQUIRED, "time": None}).encode()
NULL_SUBJECT = json.dumps({**REQUIRED, "subject": None}).encode()
BAD_BASE64 = json.dumps({**REQUIRED, "data_base64": "!!!"}).encode()
ACCEPTED = None  # no error

DIFFERENCES = [
    # what is sent, what the SDK raises, what we raise
    pytest.param({"content-type": BATCHED}, b"[]", AttributeError, ACCEPTED, id="a batch"),
    pytest.param(WITHOUT_ID, b"{}", ACCEPTED, EventError, id="no id: the SDK makes one up"),
    pytest.param(WITHOUT_VERSION, b"{}", ACCEPTED, EventError, id="no specversion"),
    pytest.param(BINARY, b"{broken", ACCEPTED, RecordError, id="broken JSON"),
    pytest.param(
        {**STRUCTURED_TYPE, "ce-x": "stray"},
        EVENT,
        CloudEventValidationError,
        ACCEPTED,
        id="a stray header makes it binary",
    ),
    pytest.param(STRUCTURED_TYPE, NULL_TIME, TypeError, ACCEPTED, id="time: null"),
    pytest.param(STRUCTURED_TYPE, b"5", AttributeError, EventError, id="a scalar body"),
    pytest.param(
        STRUCTURED_TYPE, NULL_SUBJECT, CloudEventValidationError, ACCEPTED, id="subject: null"
    ),
    pytest.param(STRUCTURED_TYPE, BAD_BASE64, ACCEPTED, EventError, id="data_base64: !!!"),
    pytest.param({**BINARY, "ce-time": "x"}, b"{}", ValueError, ACCEPTED, id="a bad time"),
    pytest.param(
        {**BINARY, "ce-time": "2026-08-07T10:15:30"},
        b"{}",
        CloudEventValidationError,  # which is no ValueError, unlike the row above
        ACCEPTED,
        id="a time without a zone",
    ),
    pytest.param(
        {**BINARY, "ce-foo-bar": "x"}, b"{}", CloudEventValidationError, EventError, id="foo-bar"
    ),
    pytest.param(
        {**BINARY, "ce-specversion": "9.9"},
        b"{}",
        CloudEventValidationError,
        EventError,
        id="specversion 9.9",
    ),
]


@pytest.mark.parametrize(("headers", "body", "theirs", "ours"), DIFFERENCES)
def test_what_we_do_where_the_sdk_does_something_else(
    headers: dict[str, str],
    body: bytes,
    theirs: type[Exception] | None,
    ours: type[Exception] | None,
) -> None:
    def read() -> None:
        for event in events.read(headers, body):
            assert isinstance(event, Event)
            if event.data is not None:
                records.read(event.data, None)

    assert raised(lambda: from_http_event(HTTPMessage(headers, body))) is theirs
    assert raised(read) is ours


def raised(call: Callable[[], object]) -> type[Exception] | None:
    """Call, and return the type of what it raises."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whatever the SDK raises is what is asked for
        return type(error)
    return None


def test_a_stray_header_does_not_turn_the_envelope_into_the_data() -> None:
    headers = {**BINARY, **STRUCTURED_TYPE, "ce-id": "another"}
    # With all the headers that binary mode needs, the SDK takes the whole envelope for the data.
    assert from_http_event(HTTPMessage(headers, EVENT)).get_data() == json.loads(EVENT)
    assert one(headers, EVENT).data == {"log": "x"}
    assert one(headers, EVENT).id == "1"


def test_data_that_is_not_utf_8_stays_bytes_until_a_record_is_read() -> None:
    body = b'{"log": "\xff"}'
    assert one(BINARY, body).data == body
    [record] = records.read(body, None)
    assert isinstance(record, records.LogRecord)
    assert record.log == "�"


class TestIdentity:
    """What tells an event from others, and knows it again."""

    @staticmethod
    def of(headers: Mapping[str, str], body: bytes = b"") -> bytes:
        return events.identity(origin_of(headers, body))

    def test_is_the_same_for_the_same_request(self) -> None:
        assert self.of(BINARY, b"{}") == self.of(dict(BINARY), b"{}")
        body = json.dumps({**REQUIRED, "data": {"a": 1}})
        spaced = json.dumps({**REQUIRED, "data": {"a": 1}}, indent=1)
        headers = {"content-type": STRUCTURED}
        assert self.of(headers, body.encode()) == self.of(headers, spaced.encode())

    @pytest.mark.parametrize("name", ["id", "source"])
    @pytest.mark.parametrize(
        ("one_value", "other"),
        [
            ("a", "b"),
            ("%FF", "%FE"),  # neither is UTF-8
            ("\xff", "\xfe"),
            ("%C3%28", "%E2%82"),
            ("\ufffd".encode().decode("latin-1"), "%FF"),
        ],
    )
    def test_is_another_for_another_header(self, name: str, one_value: str, other: str) -> None:
        first = self.of({**BINARY, f"ce-{name}": one_value})
        assert first != self.of({**BINARY, f"ce-{name}": other})

    def test_does_not_depend_on_where_source_ends_and_id_begins(self) -> None:
        members = [{**REQUIRED, "source": "ab", "id": "c"}, {**REQUIRED, "source": "a", "id": "bc"}]
        headers = {"content-type": STRUCTURED}
        first, second = (self.of(headers, json.dumps(each).encode()) for each in members)
        assert first != second

    @pytest.mark.parametrize("depth", [1, 253, 254, 255, 300, 900])
    def test_is_another_for_other_data_however_deep(self, depth: int) -> None:
        def deep(inner: str) -> bytes:
            data = '{"x":' * depth + inner + "}" * depth
            return json.dumps(REQUIRED)[:-1].encode() + b',"data":' + data.encode() + b"}"

        headers = {"content-type": STRUCTURED}
        assert self.of(headers, deep("1")) == self.of(headers, deep("1"))
        assert self.of(headers, deep("1")) != self.of(headers, deep("2"))

    @pytest.mark.parametrize(
        ("one_value", "other"),
        [
            (str(2**64), str(2**64 + 2**12)),
            ("NaN", "Infinity"),
            (r'"\ud800"', r'"\ud801"'),
            ('"\xff"', '"\xfe"'),
            ("[[],[]]", "[[[]]]"),
            ('["1"]', "[1]"),
            ("true", "1"),
        ],
    )
    def test_is_another_for_data_that_is_no_strict_json(self, one_value: str, other: str) -> None:
        def body(value: str) -> bytes:
            text = json.dumps(REQUIRED)[:-1] + f',"data":{{"v":{value}}}}}'
            return text.encode("latin-1")

        headers = {"content-type": STRUCTURED}
        assert self.of(headers, body(one_value)) != self.of(headers, body(other))

    def test_is_the_same_in_every_process(self) -> None:
        code = (
            "from function import events; e = events.Event('1', '/s', 't', None, b'x', None, None,"
            " {}, ('/s', '1')); print(events.identity(e).hex())"
        )
        found = {
            subprocess.run(
                (sys.executable, "-c", code),
                cwd=EVENTS.parent.parent,
                env={"PYTHONHASHSEED": seed},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for seed in ("1", "2")
        }
        assert len(found) == 1
