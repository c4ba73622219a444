"""Data becomes log records: what Fluent Bit wrote to Kafka, byte for byte, and everything else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from function import records
from function.errors import RecordError
from function.formats import timestamps
from function.records import LogRecord
from tests import corpus

RECORDS = Path(__file__).parent / "records"
SECOND = 10**9
START = 1_629_856_477  # 2021-08-25T01:54:37Z, the second of source line 0 in every capture
RECEIVED = 42  # the event's own time, which no capture has


def read(**record: Any) -> LogRecord:
    """Read a record from its fields."""
    return one(json.dumps(record).encode())


def one(data: Any, received: int | None = RECEIVED) -> LogRecord:
    """Read data that holds one record, and no error."""
    [record] = records.read(data, received)
    assert isinstance(record, LogRecord)
    return record


def at(text: str, nanoseconds: int = 0) -> int:
    """Nanoseconds since 1970, by the standard library: whole seconds of UTC, and the rest."""
    moment = datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
    return int(moment.timestamp()) * SECOND + nanoseconds


# What was captured: all of the fields of all of the lines.


def test_the_articles_record() -> None:
    data = (RECORDS / "article.json").read_bytes()
    assert one(data) == LogRecord(
        log='*.*.*.* - - [25/Aug/2021:01:54:36 +0000] "GET /notfound HTTP/1.1" 404 49923 "-" '
        '"curl/7.58.0"',
        time=at("2021-08-25T01:54:37", 226_757_612),  # of `time`: @timestamp ends in …758
        namespace="demo-project",
        pod="wordpress-v1-f54f697c5-hdn2z",
        container="container-nrdsp1",
        image="wordpress:4.8-apache",
        node="",
        labels={},
        raw=json.loads(data),
    )


@dataclass(frozen=True)
class Capture:
    """Values that one Fluent Bit wrote, of the same lines as all the others."""

    name: str  # here
    original: str  # in the corpus
    pod: str
    node: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    precision: int = 1  # of the time, in nanoseconds
    empty_log: str | None = ""  # of a line that holds nothing


DOCKER_POD, CRI_POD = "wordpress-v1-f54f697c5-hdn2z", "wordpress-v1-f54f697c5-crw2x"
LABELS = {
    "app": "wordpress-v1",
    "app.kubernetes.io/name": "wordpress-app",
    "pod-template-hash": "f54f697c5",
    "version": "v1",
}
# The CRI parser drops an empty text. KubeSphere's filter for containerd writes some times wrong;
# @timestamp then has the microseconds. KubeSphere's filters also drop the labels and the node.
CAPTURES = [
    Capture("ks-docker", "fluentbit-ks-docker", DOCKER_POD),
    Capture("ks-cri", "fluentbit-ks-cri", CRI_POD, precision=1_000, empty_log=None),
    Capture("183-ks-cri", "fluentbit183-ks-cri", CRI_POD, precision=1_000, empty_log=None),
    Capture(
        "plain-cri-parser",
        "fluentbit-plain-cri-parser",
        CRI_POD,
        "node-404",
        LABELS,
        empty_log=None,
    ),
    Capture("helm", "fluentbit-helm-multiline-cri-mergelog", CRI_POD, "node-404", LABELS),
]
all_captures = pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.name)
# Lines that are a JSON object. Helm's Merge_Log lifts their fields to the record's top level.
MERGED, EVIL = 406, 407


@dataclass(frozen=True)
class Line:
    """What a container really wrote, and when."""

    nanoseconds: int
    length: int | None  # in bytes, without the newline; None where it comes in several parts
    status: int | None  # None where it is not an access log


@all_captures
def test_every_captured_line_gives_what_its_container_wrote(capture: Capture) -> None:
    truth = {
        line["n"]: Line(line["nanoseconds"], line["length"], line["status"])
        for line in map(json.loads, corpus.lines(RECORDS / "truth.jsonl"))
    }
    captured = corpus.lines(RECORDS / f"{capture.name}.jsonl")
    assert len({check(line, capture, truth) for line in captured}) == len(captured)


@all_captures
def test_every_line_of_the_corpus_gives_what_its_container_wrote(capture: Capture) -> None:
    truth = {
        line["n"]: Line(
            # The lines were written at one of five fractions in turn, but for one whole second.
            0 if line["n"] == 1 else (226757612, 5, 26757612, 999999999, 100000000)[line["n"] % 5],
            line["len"] if line["parts"] == 1 else None,
            line["truth"] and line["truth"]["status"],
        )
        for line in map(json.loads, corpus.lines(corpus.file("fluentbit-gen-truth.jsonl")))
    }
    captured = corpus.lines(corpus.file(f"{capture.original}.jsonl"))
    assert {check(line, capture, truth) for line in captured} == set(truth)


def check(line: bytes, capture: Capture, truth: Mapping[int, Line]) -> int:
    """Compare a captured line's record with the truth; return the line's number at its source."""
    record = one(line)
    assert (record.namespace, record.container) == ("demo-project", "container-nrdsp1")
    assert (record.pod, record.node) == (capture.pod, capture.node)
    assert (record.image, record.labels) == ("wordpress:4.8-apache", capture.labels)
    if capture.name == "helm" and record.log == "evil":
        # This container wrote a `time` and an `@timestamp` of its own, and neither is one.
        assert record.time == RECEIVED
        return EVIL
    assert record.time is not None
    n = record.time // SECOND - START
    assert abs(record.time - (START + n) * SECOND - truth[n].nanoseconds) < capture.precision
    if capture.name == "helm" and n == MERGED:
        assert (record.log, record.raw["status"]) == (None, 404)
    elif truth[n].length == 0:
        assert record.log == capture.empty_log
    else:
        check_text(record, truth[n])
    return n


def check_text(record: LogRecord, line: Line) -> None:
    assert record.log is not None
    assert not record.log.endswith("\n")
    if line.length is not None and "bad utf8" not in record.log:
        assert len(record.log.encode()) == line.length
    if line.status is not None:
        assert record.access_log is not None
        assert record.access_log.status == line.status


def test_a_capture_that_is_not_utf_8_is_read_with_replacement() -> None:
    # Fluent Bit 1.8.3 copies bytes as they are; 5.1.1 writes private characters instead.
    [line] = [
        line for line in corpus.lines(RECORDS / "183-ks-cri.jsonl") if b"bad utf8 \xff" in line
    ]
    assert one(line).log == "bad utf8 \ufffd\ufffd \ufffd end"


def test_odd_records_that_fluent_bit_passes_on() -> None:
    found = [one(line) for line in corpus.lines(RECORDS / "dummy.jsonl")]
    # own timestamp; null; number; array; object; kubernetes of nulls and numbers; an empty key
    assert [record.log for record in found] == ["own timestamp", None, None, None, None, None, ""]
    assert [record.namespace for record in found] == ["demo-project", *[""] * 6]
    assert {record.pod for record in found} == {""}
    assert found[0].time == RECEIVED  # "@timestamp":"mine"
    assert found[2].time == at("2026-11-22T12:25:18", 597_854_000)
    assert found[1].raw["big"] == 2**64 - 1


def test_the_nodes_own_services() -> None:
    found = [one(line) for line in corpus.lines(RECORDS / "systemd.jsonl")]
    assert {(record.namespace, record.pod, record.container) for record in found} == {
        ("kube-system", "node-404", "kubelet")
    }
    assert [record.time for record in found] == [
        at("2026-11-22T12:24:16", 597_766_627),
        at("2026-11-22T12:24:17", 597_836_278),
        at("2026-11-22T12:24:18", 597_736_742),
    ]
    # A quoted request and a 404 behind it, in a line that is not an access log.
    assert {record.access_log for record in found} == {None}


def test_lines_that_the_docker_parser_refuses_come_whole_and_with_the_time_of_parsing() -> None:
    found = [one(line) for line in corpus.lines(RECORDS / "longlines.jsonl")]
    assert [record.log for record in found] == [
        "before",
        '{"log":"not json tail',
        "plain not json 404 ",
        "after",
    ]
    assert [record.time for record in found] == [
        at("2021-08-25T01:54:37", 226_757_612),
        at("2026-11-22T12:23:11", 824_179_000),
        at("2026-11-22T12:23:11", 824_181_000),
        at("2021-08-25T01:54:39", 226_757_612),
    ]


# The text.


@pytest.mark.parametrize(
    ("fields", "log"),
    [
        ({"log": "x"}, "x"),
        ({"log": "x\n"}, "x"),
        ({"log": "x\r\n"}, "x"),
        ({"log": "x\n\n"}, "x\n"),
        ({"log": "a\nb\n"}, "a\nb"),
        ({"log": "x\r"}, "x\r"),
        ({"log": "\n"}, ""),
        ({"log": ""}, ""),
        ({"message": "x\n"}, "x"),
        ({"log": "x", "message": "y"}, "x"),
        ({"log": "", "message": "y"}, ""),
        ({"log": None, "message": "y"}, "y"),
        ({"log": {"status": 404}, "message": "y"}, "y"),
        ({"log": None}, None),
        ({"log": 404}, None),
        ({"log": True}, None),
        ({"log": ["x"]}, None),
        ({"log": {"x": "y"}}, None),
        ({"message": 5}, None),
        ({"status": 404}, None),
        ({}, None),
        ({"log": "\ud800x"}, "\ufffdx"),
    ],
)
def test_the_text_is_log_or_else_message_without_its_newline(
    fields: dict[str, Any], log: str | None
) -> None:
    assert read(**fields).log == log


@pytest.mark.parametrize(
    ("line", "log"),
    [
        ("2021-08-25T02:01:18.000000005Z stdout F text\n", "text"),
        ("2021-08-25T02:01:18.000000005Z stderr P half a li", "half a li"),
        ("2021-08-25T02:01:18.000000005Z stdout F ", ""),  # Fluent Bit 1.8.3, of an empty line
        ("2021-08-25T02:01:18+00:00 stdout F text", "text"),
        ("2021-08-25T02:01:18.5-07:00 stdout F text", "text"),
        # Only the runtime's own prefix, and only once.
        (
            "2021-08-25T02:01:18Z stdout F 2021-08-25T02:01:18Z stdout F x",
            "2021-08-25T02:01:18Z stdout F x",
        ),
        ("2021-08-25T02:01:18Z stdin F x", "2021-08-25T02:01:18Z stdin F x"),
        ("2021-08-25T02:01:18Z stdout X x", "2021-08-25T02:01:18Z stdout X x"),
        ("2021-08-25T02:01:18Z stdout", "2021-08-25T02:01:18Z stdout"),
        ("2021-08-25T02:01:18 stdout F x", "2021-08-25T02:01:18 stdout F x"),
        (" 2021-08-25T02:01:18Z stdout F x", " 2021-08-25T02:01:18Z stdout F x"),
        ("2021-08-25T02:01:18.5Z stdout F \u4f60\u597d", "\u4f60\u597d"),
    ],
)
def test_the_prefix_that_a_container_runtime_writes_is_removed(line: str, log: str) -> None:
    assert read(log=line).log == log
    assert read(message=line).log == log


def test_the_request_is_parsed_from_the_text_and_only_once() -> None:
    record = read(log='10.0.0.1 - - [25/Aug/2021:01:54:36 +0000] "GET /x HTTP/1.1" 404 5\n')
    assert record.access_log is not None
    assert record.access_log.status == 404
    assert record.access_log is record.access_log
    assert read(log="text").access_log is None
    assert read(log=404).access_log is None


# The time.


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        # Both agree: `time` has the nanoseconds.
        (
            {"@timestamp": 1629856477.226758, "time": "2021-08-25T01:54:37.226757612Z"},
            at("2021-08-25T01:54:37", 226_757_612),
        ),
        # A double rounds up, even into the next second.
        (
            {"@timestamp": 1629856881.0, "time": "2021-08-25T02:01:20.999999999Z"},
            at("2021-08-25T02:01:20", 999_999_999),
        ),
        # iso8601 cuts off.
        (
            {
                "@timestamp": "2021-08-25T02:01:20.999999Z",
                "time": "2021-08-25T02:01:20.999999999Z",
            },
            at("2021-08-25T02:01:20", 999_999_999),
        ),
        # The containerd filter forgets leading zeros: .026757612 became .26757612.
        (
            {"@timestamp": 1629856479.026758, "time": "2021-08-25T01:54:39.26757612Z"},
            at("2021-08-25T01:54:39", 26_758_000),
        ),
        (
            {"@timestamp": 1629856878.0, "time": "2021-08-25T02:01:18.5Z"},
            at("2021-08-25T02:01:18"),
        ),
        # The parser could not read the line's time, and @timestamp is the moment it failed.
        (
            {"@timestamp": 1795350045.326673, "time": "2021-08-25T01:54:38Z", "log": "x\n"},
            at("2021-08-25T01:54:38"),
        ),
        (
            {"@timestamp": 1629856538.2, "time": "2021-08-25T01:54:38.1Z", "log": "x\n"},
            at("2021-08-25T01:54:38", 100_000_000),
        ),
        # But not where the line may have been an application's JSON, with a time of its own.
        (
            {"@timestamp": 1629856538.2, "time": "2021-08-25T01:54:37Z"},
            at("2021-08-25T01:55:38", 200_000_000),
        ),
        (
            {"@timestamp": 1629856538.2, "time": "2021-08-25T01:54:37Z", "log": "x"},
            at("2021-08-25T01:55:38", 200_000_000),
        ),
        (
            {"@timestamp": 1629856538.2, "time": "2021-08-25T01:54:37Z", "log": "{}\n"},
            at("2021-08-25T01:55:38", 200_000_000),
        ),
        (
            {"@timestamp": 1629856538, "time": "1970-01-01T00:00:00Z", "log": "x\n"},
            at("2021-08-25T01:55:38"),
        ),
        # The prefix that the runtime wrote says when, and @timestamp when it was noticed.
        (
            {"@timestamp": 1629856478.5, "log": "2021-08-25T01:54:37.1Z stdout F x"},
            at("2021-08-25T01:54:37", 100_000_000),
        ),
        (
            {"@timestamp": 1629856476, "log": "2021-08-25T01:54:37.1Z stdout F x"},
            at("2021-08-25T01:54:36"),
        ),
        ({"log": "2021-08-25T01:54:37+00:00 stdout F x"}, at("2021-08-25T01:54:37")),
        ({"log": "2021-13-25T01:54:37+00:00 stdout F x"}, RECEIVED),
        ({"log": "1970-01-01T00:00:00Z stdout F x"}, RECEIVED),
        # Where a parser has taken the runtime's prefix off, another one is the application's.
        (
            {"time": "2021-08-25T01:54:38Z", "log": "2020-08-25T01:54:37.1Z stdout F x"},
            at("2021-08-25T01:54:38"),
        ),
        # A minute later, or anything earlier, is not a parser that failed.
        ({"@timestamp": 1629856538, "time": "2021-08-25T01:54:38Z"}, at("2021-08-25T01:55:38")),
        ({"@timestamp": 1629856478, "time": "2031-08-25T01:54:38Z"}, at("2021-08-25T01:54:38")),
        # Only one of them, in every form.
        ({"time": "2021-08-25T03:54:38.5+02:00"}, at("2021-08-25T01:54:38", 500_000_000)),
        ({"time": 1629856478}, at("2021-08-25T01:54:38")),
        ({"@timestamp": "2021-08-25T01:54:38Z"}, at("2021-08-25T01:54:38")),
        ({"@timestamp": 1629856478}, at("2021-08-25T01:54:38")),
        ({"@timestamp": 1629856478.5, "time": "x"}, at("2021-08-25T01:54:38", 500_000_000)),
        ({"timestamp": "2021-08-25T01:54:38.5Z"}, at("2021-08-25T01:54:38", 500_000_000)),
        ({"timestamp": "2020-08-25T01:54:38Z", "time": 1629856478}, at("2021-08-25T01:54:38")),
        # Neither.
        ({}, RECEIVED),
        ({"@timestamp": "1999-01-01", "time": "x"}, RECEIVED),
        ({"@timestamp": None, "time": None}, RECEIVED),
        ({"@timestamp": True, "time": False}, RECEIVED),
        ({"@timestamp": "x", "time": 0}, RECEIVED),
        ({"@timestamp": 0.5, "time": "1970-01-01T00:00:00.5Z"}, RECEIVED),
        ({"@timestamp": "2014-06-05T23:59:59.999Z"}, RECEIVED),  # older than Kubernetes
        ({"@timestamp": "2021-02-30T00:00:00.5Z", "time": "2021-08-25T24:00:00.5Z"}, RECEIVED),
        ({"@timestamp": -1, "time": []}, RECEIVED),
        ({"@timestamp": 1e300, "time": {}}, RECEIVED),
        ({"@timestamp": 10**400, "time": float("nan")}, RECEIVED),
        ({"@timestamp": float("inf"), "time": float("-inf")}, RECEIVED),
        ({"@timestamp": 253_402_300_800}, RECEIVED),  # the year 10000
    ],
)
def test_the_time_is_the_moment_the_line_was_written(fields: dict[str, Any], expected: int) -> None:
    assert read(**fields).time == expected


@given(
    st.datetimes(datetime(2014, 6, 6), datetime(9999, 12, 31)),
    st.text("0123456789", min_size=1, max_size=12),
    st.sampled_from(["Z", "z", "+00:00", "+02:00"]),
    st.sampled_from(["T", "t", " "]),
)
def test_a_time_is_read_as_rfc_3339_reads_it(
    moment: datetime, fraction: str, zone: str, separator: str
) -> None:
    seconds = moment.strftime(f"%Y-%m-%d{separator}%H:%M:%S")
    text = f"{seconds}.{fraction}{zone}"
    assert read(time=text).time == timestamps.parse(text)
    for broken in (text[:19] + text[20:], text[:-1], text.replace(":", "-", 1), text + "Z"):
        with pytest.raises(ValueError, match="timestamp"):
            timestamps.parse(broken)
        assert read(time=broken).time == RECEIVED


def test_the_time_is_unknown_where_neither_the_record_nor_the_event_tells() -> None:
    assert one(b"{}", received=None).time is None


# Where it came from.


@pytest.mark.parametrize("kubernetes", [None, "str", [], 5, {}, {"pod_name": None, "labels": []}])
def test_metadata_that_is_missing_or_odd_is_empty(kubernetes: object) -> None:
    record = read(log="x", kubernetes=kubernetes)
    found = (record.namespace, record.pod, record.container, record.image, record.node)
    assert found == ("", "", "", "", "")
    assert record.labels == {}


def test_what_the_file_name_tells_is_there_when_the_api_server_was_not() -> None:
    kubernetes = {"pod_name": "web-0", "namespace_name": "shop", "container_name": "web"}
    record = read(log="x", kubernetes=kubernetes)
    assert (record.namespace, record.pod, record.container) == ("shop", "web-0", "web")
    assert (record.image, record.node) == ("", "")


# Several records, and what is none.


def test_an_array_holds_several_records() -> None:
    first, second, third = records.read(b'[{"log": "a"}, 5, {"log": "b"}]', None)
    assert isinstance(first, LogRecord)
    assert isinstance(second, RecordError)
    assert isinstance(third, LogRecord)
    assert (first.log, third.log) == ("a", "b")
    assert (second.position, second.detail) == (
        "record 2",
        "a log record is a JSON object, not a number",
    )


def test_an_array_that_is_decoded_already_holds_several_records() -> None:
    first, second = records.read([{"log": "a"}, None], RECEIVED)
    assert isinstance(first, LogRecord)
    assert isinstance(second, RecordError)
    assert (first.log, first.time) == ("a", RECEIVED)
    assert second.position == "record 2"


def test_an_empty_array_holds_no_records() -> None:
    assert records.read(b"[]", None) == []


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\n\n \n"])
def test_json_lines_hold_several_records(newline: bytes) -> None:
    data = newline.join([b'{"log": "a"}', b'{"log": "b \xff"}', b'{"log": "c"}', b""])
    found = records.read(data, None)
    assert [record.log for record in found if isinstance(record, LogRecord)] == [
        "a",
        "b \ufffd",
        "c",
    ]


def test_a_broken_line_breaks_only_its_own_place() -> None:
    data = b'\xef\xbb\xbf{"log": "a"}\n{"log": \n"text"\n{"log": "b"}'
    found = records.read(data, None)
    assert [type(record) for record in found] == [LogRecord, RecordError, RecordError, LogRecord]
    assert [
        (error.position, error.detail) for error in found if isinstance(error, RecordError)
    ] == [
        ("line 2", "not JSON: expecting value at byte 8"),
        ("line 3", "a log record is a JSON object, not a string"),
    ]


@pytest.mark.parametrize(
    ("data", "because"),
    [
        (None, "no data"),
        (b"", "not JSON"),
        (b"plain text", "not JSON"),
        (b'{"log": "cut off', "not JSON: .* at byte"),
        (b'{\n  "log": "cut off and indented",\n', "not JSON"),
        (b"plain\ntext\n", "not JSON"),
        (b"5", "not a number"),
        (b"null", "not null"),
        (b'"text"', "not a string"),
        (b"true", "not a boolean"),
        ("text", "not a string"),
        (5, "not a number"),
        (False, "not a boolean"),
        (b"\x00\x01\x02", "not JSON"),
        (b"\xff\xfe{\x00}\x00", "not JSON"),
        (b'{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_data_that_holds_no_record_is_refused_with_the_reason(data: Any, because: str) -> None:
    with pytest.raises(RecordError, match=because) as caught:
        records.read(data, None)
    assert caught.value.status == 400
    assert caught.value.position is None


@pytest.mark.parametrize(
    "record",
    [
        b'\xef\xbb\xbf{"log": "x"}',
        b'{"log": "x", "n": NaN}',
        b'{"log": "x", "n": 1e999}',
        b'{"log": "x", "n": ' + b"9" * 4_000 + b"}",
        b'{"log": "x", "\\ud800": "\\udfff"}',
        b'{"log": "x", "a": ' + b"[" * 500 + b"]" * 500 + b"}",
    ],
)
def test_what_strict_json_refuses_does_not_cost_the_line(record: bytes) -> None:
    assert one(record).log == "x"


# Whatever comes in, records or RecordErrors come out.

whole = st.integers(-(2**63), 2**64 - 1)
numbers = whole | st.floats(allow_nan=False, allow_infinity=False)
trees = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),  # st.text() has lone surrogates
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
times = st.sampled_from(["2021-08-25T01:54:37.226757612Z", "2021-08-25T01:54:37Z", "x"])
metadata = st.sampled_from(["namespace_name", "pod_name", "container_image", "host", "labels"])
bodies = st.fixed_dictionaries(
    {},
    optional={
        "log": st.text() | trees,
        "message": trees,
        "time": times | trees,
        "@timestamp": times | numbers | trees,
        "kubernetes": st.dictionaries(metadata, trees) | trees,
    },
)


def read_or_refuse(data: Any) -> None:
    """Read; anything but records and RecordErrors fails the test."""
    try:
        found = records.read(data, RECEIVED)
    except RecordError as error:
        assert len(error.detail) < 200
        return
    for record in found:
        if isinstance(record, RecordError):
            assert record.position is None or record.position.split()[0] in {"record", "line"}
            continue
        assert record.time is not None
        assert 0 <= record.time < at("9999-12-31T23:59:59", SECOND)
        texts = (record.namespace, record.pod, record.container, record.image, record.node)
        "".join([record.log or "", *texts]).encode()  # no lone surrogates
        assert isinstance(record.labels, dict)
        record.access_log  # noqa: B018 - parsed when asked for


@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    read_or_refuse(data)


@given(bodies | trees | st.lists(bodies | trees))
@example({"log": "\ud800", "kubernetes": {"pod_name": "\udfff"}})
def test_any_json_is_read_or_refused(tree: Any) -> None:
    read_or_refuse(json.dumps(tree).encode())


@given(st.lists(bodies | trees), st.binary(max_size=5), st.integers(0, 300))
def test_json_lines_with_bytes_pushed_in_are_read_or_refused(
    lines: list[Any], noise: bytes, position: int
) -> None:
    data = "\n".join(json.dumps(line) for line in lines).encode()
    read_or_refuse(data[:position] + noise + data[position:])


valid = st.text(st.characters(exclude_categories=["Cs"]))
valid_trees = st.recursive(
    st.none() | st.booleans() | numbers | valid,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(valid, inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["log", "time", "kubernetes"]) | valid, valid_trees))
def test_decoded_data_is_read_as_its_bytes_are(tree: dict[str, Any]) -> None:
    assert records.read(tree, RECEIVED) == records.read(json.dumps(tree).encode(), RECEIVED)
