"""Generated events: ours and the CloudEvents SDK agree, and nothing at all makes ours fall over.

The SDK is the oracle for what is valid. What it gets wrong is in test_events.py, by hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import example, given
from hypothesis import strategies as st

from function import events
from function.errors import EventError
from function.events import BATCHED, STRUCTURED, Event
from function.formats import json_text

JSON_TYPES = ["application/json", "application/json; charset=utf-8", "application/vnd.a.b+json"]
OTHER_TYPES = ["text/plain", "text/plain;charset=utf-8", "application/octet-stream"]
CONTEXT = {"specversion", "id", "source", "type", "time", "subject"}
CONTEXT |= {"datacontenttype", "dataschema", "data"}
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

text = st.text(st.characters(exclude_categories=["Cs"]))  # no lone surrogates: UTF-8 has none
words = text.filter(bool)
names = st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True).filter(lambda name: name not in CONTEXT)
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | text
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=10,
)
objects = st.dictionaries(text, trees, max_size=4)
zones = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda m: timezone(timedelta(minutes=m)))
times = st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=zones)


@dataclass(frozen=True)
class Generated:
    """An event as the SDK is given it."""

    attributes: dict[str, Any]
    data: Any

    def write(self, binding: Callable[[CloudEvent, JSONFormat], HTTPMessage]) -> HTTPMessage:
        return binding(CloudEvent(dict(self.attributes), self.data), JSONFormat())

    def expected(self, data: Any) -> Event:
        """Say what must come of it, ``data`` apart."""
        attributes = dict(self.attributes)
        since = attributes.pop("time") - EPOCH
        microseconds = since // timedelta(microseconds=1)
        return Event(
            id=attributes.pop("id"),
            source=attributes.pop("source"),
            type=attributes.pop("type"),
            time=microseconds * 1_000,
            data=data,
            subject=attributes.pop("subject", None),
            datacontenttype=attributes.pop("datacontenttype", None),
            extensions={
                name: value
                for name, value in attributes.items()
                if name not in {"specversion", "dataschema"}
            },
        )


@st.composite
def generated(
    draw: st.DrawFn, data: st.SearchStrategy[Any], content_types: list[str] | None
) -> Generated:
    attributes: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {"specversion": st.just("1.0"), "id": words, "source": words, "type": words},
            optional={"subject": words, "dataschema": words},
        )
    )
    # Without a time the SDK would make one up.
    attributes["time"] = draw(times)
    if content_types:
        attributes["datacontenttype"] = draw(st.sampled_from(content_types))
    attributes |= draw(st.dictionaries(names, text, max_size=3))
    return Generated(attributes, draw(data))


# What the SDK writes, we read.


def read(headers: Mapping[str, str], body: bytes) -> list[Event | EventError]:
    """Read a message; where its events came from is nothing that the SDK knows."""
    found = events.read(headers, body)
    return [each._replace(origin=()) if isinstance(each, Event) else each for each in found]


@given(generated(objects, JSON_TYPES) | generated(objects, None))
def test_binary_json_from_the_sdk_is_read_to_the_same_event(event: Generated) -> None:
    message = event.write(to_binary)
    [found] = read(message.headers, message.body)
    assert found == event.expected(message.body)
    assert json_text.loads(message.body) == event.data


@given(generated(st.binary(), JSON_TYPES + OTHER_TYPES))
def test_binary_bytes_from_the_sdk_are_read_unchanged(event: Generated) -> None:
    message = event.write(to_binary)
    assert read(message.headers, message.body) == [event.expected(event.data or None)]


@given(generated(objects, JSON_TYPES) | generated(objects, None))
def test_structured_json_from_the_sdk_is_read_to_the_same_event(event: Generated) -> None:
    message = event.write(to_structured)
    assert read(message.headers, message.body) == [event.expected(event.data)]


@given(generated(st.binary(), JSON_TYPES + OTHER_TYPES))
def test_structured_bytes_from_the_sdk_are_read_unchanged(event: Generated) -> None:
    message = event.write(to_structured)
    assert read(message.headers, message.body) == [event.expected(event.data or None)]


@given(generated(text, OTHER_TYPES))
def test_structured_text_from_the_sdk_is_read_as_its_bytes(event: Generated) -> None:
    message = event.write(to_structured)
    assert read(message.headers, message.body) == [event.expected(event.data.encode())]


@given(st.lists(generated(objects, JSON_TYPES), max_size=4))
def test_a_batch_of_structured_events_is_read_to_the_same_events(batch: list[Generated]) -> None:
    body = b"[" + b",".join(event.write(to_structured).body for event in batch) + b"]"
    expected = [event.expected(event.data) for event in batch]
    assert read({"content-type": BATCHED}, body) == expected


# One value, three ways to write it into a header.


def percent(value: str) -> str:
    return "".join(f"%{byte:02X}" for byte in value.encode())


def raw(value: str) -> str:
    """Write UTF-8, which a server hands on as Latin-1; KafkaSource does not percent-encode."""
    return value.replace("%", "%25").encode().decode("latin-1")


def quoted(value: str) -> str:
    return '"' + raw(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def unambiguous(value: str) -> bool:
    """Tell whether no server would strip it and nobody take it for a quoted string."""
    return value == value.strip() and not value.startswith('"')


@pytest.mark.parametrize("write", [percent, raw, quoted])
@given(value=words.filter(unambiguous))
@example(value='a "b" \\ %41 café')
def test_an_attribute_is_the_same_however_it_is_encoded(
    write: Callable[[str], str], value: str
) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/", "ce-type": "t"}
    [event] = events.read({**headers, "ce-subject": write(value)}, b"")
    assert isinstance(event, Event)
    assert event.subject == value


# Whatever comes in, events or EventErrors come out.

HEADERS = [
    "content-type",
    "ce-specversion",
    "ce-id",
    "ce-source",
    "ce-type",
    "ce-time",
    "ce-subject",
    "ce-datacontenttype",
    "ce-ext",
    "ce-data",
    "ce-",
    "ce",
    "host",
]
VALUES = [STRUCTURED, BATCHED, "application/json", "1.0", '"', '"\\', "%", "%GG", "1970-01-01"]
MEMBERS = [header.removeprefix("ce-") for header in HEADERS] + ["data", "data_base64", "ext\n"]


def read_or_refuse(headers: dict[str, str], body: bytes) -> None:
    """Read; anything but events and EventErrors fails the test."""
    try:
        found = events.read(headers, body)
    except EventError:
        return
    for event in found:
        assert isinstance(event, Event | EventError)
        if isinstance(event, Event):
            texts = [event.id, event.source, event.type, event.subject or "", *event.extensions]
            texts += event.extensions.values()
            assert all(isinstance(text, str) for text in texts)
            "".join(texts).encode()  # no lone surrogates either


@given(
    st.dictionaries(st.sampled_from(HEADERS) | st.text(), st.sampled_from(VALUES) | st.text()),
    st.binary(),
)
def test_arbitrary_headers_and_bytes_are_read_or_refused(
    headers: dict[str, str], body: bytes
) -> None:
    read_or_refuse(headers, body)


@given(st.dictionaries(st.sampled_from(HEADERS), st.sampled_from(VALUES) | st.text()), st.binary())
def test_headers_that_replace_those_of_a_good_event_are_read_or_refused(
    replaced: dict[str, str], body: bytes
) -> None:
    good = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/", "ce-type": "t"}
    read_or_refuse({**good, **replaced}, body)


@given(
    st.dictionaries(st.sampled_from(MEMBERS) | st.text(), trees | st.text()),
    st.sampled_from([STRUCTURED, BATCHED]),
)
@example({"time": []}, STRUCTURED)  # once an AttributeError
@example({"specversion": {}}, BATCHED)
def test_members_that_replace_those_of_a_good_event_are_read_or_refused(
    replaced: dict[str, Any], content_type: str
) -> None:
    good = {"specversion": "1.0", "id": "1", "source": "/", "type": "t"}
    event = {**good, **replaced}
    body = json.dumps(event if content_type == STRUCTURED else [event, good])
    read_or_refuse({"content-type": content_type}, body.encode())


@given(trees, st.sampled_from([STRUCTURED, BATCHED]))
def test_any_json_is_read_or_refused(tree: Any, content_type: str) -> None:
    read_or_refuse({"content-type": content_type}, json.dumps(tree).encode())
