"""Bodies of up to a MiB, of every shape that is read: ordinary ones, and the worst that we know."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MIB = 1024 * 1024  # MAX_BODY_BYTES
BATCH = "application/cloudevents-batch+json"
STRUCTURED = "application/cloudevents+json"
_ARTICLE = (Path(__file__).parent.parent / "records" / "article.json").read_bytes().strip()
_OTHER = _ARTICLE.replace(b" 404 ", b" 200 ")


@dataclass(frozen=True, slots=True)
class Body:
    """A request's body; without a content type it is the data of an event in binary mode."""

    name: str
    make: Callable[[], bytes]
    content_type: str = ""


def _filled(begin: bytes, item: bytes, end: bytes, between: bytes = b",") -> bytes:
    """As many equal items as a MiB holds."""
    times = (MIB - len(begin) - len(end) + len(between)) // (len(item) + len(between))
    return begin + between.join([item] * times) + end


def _different(records: bytes) -> Iterator[bytes]:
    """The record with paths of their own, so that each is an alert of its own."""
    number = 0
    while True:
        number += 1
        yield records.replace(b"/notfound", b"/%d" % number)


def _ordinary(record: bytes, begin: bytes, end: bytes, between: bytes) -> bytes:
    """As many records as a MiB holds."""
    items: list[bytes] = []
    length = len(begin) + len(end)
    for item in _different(record):
        length += len(item) + len(between)
        if length > MIB:
            return begin + between.join(items) + end
        items.append(item)
    raise AssertionError


def _record(**more: Any) -> bytes:
    """A record of the demo's pod with more in it."""
    return json.dumps({**json.loads(_ARTICLE), **more}).encode()


def _nested(depth: int) -> bytes:
    return b'{"log":"x","a":' + b"[" * depth + b"]" * depth + b"}"


def _many(value: bytes) -> bytes:
    """A record with an array of as many equal values as fit."""
    return _filled(b'{"log":"x","a":[', value, b"]}")


def _otlp(resource: bytes, records: bytes) -> bytes:
    scope = b'"scopeLogs":[{"logRecords":[' + records + b"]}]"
    return b'{"resourceLogs":[{"resource":{"attributes":[' + resource + b"]}," + scope + b"}]}"


def _attributes(number: int) -> bytes:
    label = '{"key":"k8s.pod.label.%d","value":{"stringValue":"x"}}'
    return ",".join(label % each for each in range(number)).encode()


def _otlp_records() -> bytes:
    line = json.loads(_OTHER)["log"]
    item = json.dumps({"timeUnixNano": "1629856477226757612", "body": {"stringValue": line}})
    return _filled(_otlp(_attributes(5), b"")[:-6], item.encode(), b"]}]}]}")


def _event(data: bytes, member: bytes = b"data") -> bytes:
    """A structured event without its end, which holds this data."""
    return b'{"specversion":"1.0","type":"t","source":"/s","id":"1","%b":%b' % (member, data)


def _events(data: bytes, member: bytes = b"data") -> bytes:
    """A batch of events that each hold this data."""
    return _filled(b"[", _event(data, member) + b"}", b"]")


_RECORDS = b",".join([b"{}"] * 10_000)
_OWN_LABEL = b'{"attributes":[{"key":"k8s.pod.label.x","value":{"stringValue":"y"}}]}'

BODIES = (
    Body("one record: a line of a MiB", lambda: _record(log="x" * (MIB - 600))),
    Body("one record: a line of escapes", lambda: _record(log="\u00e9" * (MIB // 6 - 200))),
    Body("one record: a line in no charset", lambda: b'{"log":"' + b"\xff" * (MIB - 20) + b'"}'),
    Body("one record: 250 arrays in one another", lambda: _nested(250)),
    Body("one record: half a million arrays in one another", lambda: _nested(MIB // 2 - 20)),
    Body("one record: an array of numbers", lambda: _many(b"0")),
    Body("one record: an array of fractions", lambda: _many(b"1.5")),
    Body("one record: an array of texts", lambda: _many(b'"ab"')),
    Body("one record: an array of empty objects", lambda: _many(b"{}")),
    Body("one record: an array of objects", lambda: _many(b'{"":0}')),
    Body("one record: objects in no charset", lambda: _many(b'{"":"\xff"}')),
    Body("one record: objects with lone surrogates", lambda: _many(rb'{"":"\ud800"}')),
    Body("one record: doubles that are not numbers", lambda: _many(b"nan")),
    Body("one record: a number of a million digits", lambda: _many(b"1" * (MIB - 50))),
    Body("one record: 20,000 labels", lambda: _record(kubernetes={"labels": _labels()})),
    Body("array: ordinary records", lambda: _ordinary(_OTHER, b"[", b"]", b",")),
    Body("array: alerts", lambda: _ordinary(_ARTICLE, b"[", b"]", b",")),
    Body("array: 10,000 empty records", lambda: b"[" + _RECORDS + b"]"),
    Body("array: empty records", lambda: _filled(b"[", b"{}", b"]")),
    Body("array: numbers", lambda: _filled(b"[", b"0", b"]")),
    Body("array: arrays", lambda: _filled(b"[", b"[]", b"]")),
    Body("lines: ordinary records", lambda: _ordinary(_OTHER, b"", b"", b"\n")),
    Body("lines: alerts", lambda: _ordinary(_ARTICLE, b"", b"", b"\n")),
    Body("lines: empty records", lambda: _filled(b"", b"{}", b"", b"\n")),
    Body("lines: numbers", lambda: _filled(b"", b"0", b"", b"\n")),
    Body("lines: nothing", lambda: b"\n" * MIB),
    Body("lines: 10,000 that are not JSON", lambda: b'{"log":"x"}\n' + b"{\n" * 9_999),
    Body("OTLP: ordinary records", _otlp_records),
    Body("OTLP: 620 labels for 10,000 records", lambda: _otlp(_attributes(620), _RECORDS)),
    Body(
        "OTLP: 620 labels for 9,000 records with one of their own",
        lambda: _otlp(_attributes(620), b",".join([_OWN_LABEL] * 9_000)),
    ),
    Body("OTLP: 15,000 labels for 10,000 records", lambda: _otlp(_attributes(15_000), _RECORDS)),
    Body("OTLP: empty records", lambda: _filled(_otlp(b"", b"")[:-6], b"{}", b"]}]}]}")),
    Body("OTLP: numbers", lambda: _filled(_otlp(b"", b"")[:-6], b"0", b"]}]}]}")),
    Body("OTLP: empty groups", lambda: _filled(b'{"resourceLogs":[', b"{}", b"]}")),
    Body("event: an array of alerts", lambda: _structured(_ARTICLE), STRUCTURED),
    Body("event: an array of empty records", lambda: _structured(b"{}"), STRUCTURED),
    Body("batch: ordinary records", lambda: _events(_OTHER), BATCH),
    Body("batch: alerts", lambda: _events(_ARTICLE), BATCH),
    Body("batch: 35 events of 10,000 records", lambda: _events(b"[" + _RECORDS + b"]"), BATCH),
    Body("batch: records as base64", lambda: _encoded(_OTHER), BATCH),
    Body("batch: empty events", lambda: _filled(b"[", b"{}", b"]"), BATCH),
    Body("batch: numbers", lambda: _filled(b"[", b"0", b"]"), BATCH),
)


def _labels() -> dict[str, str]:
    return {f"label-{number}": "a value" for number in range(20_000)}


def _structured(item: bytes) -> bytes:
    return _filled(_event(b"["), item, b"]}")


def _encoded(item: bytes) -> bytes:
    return _events(b'"%b"' % base64.b64encode(item), b"data_base64")
