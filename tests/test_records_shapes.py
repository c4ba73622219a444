r"""Records as other shippers and other settings of Fluent Bit write them.

Each ``tests/records/NAME.jsonl`` stands beside ``NAME-expected.jsonl``: a list a line, one object
for each record in the value. They were made from documentation and, GELF, OTLP and Merge_Log, from
what Fluent Bit 5.1.1 wrote.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function import records
from function.errors import RecordError, TooMany
from function.records import LogRecord
from tests import corpus

RECORDS = Path(__file__).parent / "records"
SHAPES = [
    "vector",
    "fluentd",
    "openshift",
    "merge-log",
    "merge-log-key",
    "cri-prefix",
    "gelf",
    "otlp",
]
SECOND = 10**9
LINE = '10.0.0.1 - - [25/Aug/2021:01:54:36 +0000] "GET /notfound HTTP/1.1" 404 49923 "-" "curl"'


def read(data: Any, received: int | None = None) -> list[LogRecord]:
    """Read data that holds records only."""
    found = records.read(data if isinstance(data, bytes) else json.dumps(data).encode(), received)
    return [record for record in found if isinstance(record, LogRecord)]


def one(**fields: Any) -> LogRecord:
    [record] = read(fields)
    return record


@pytest.mark.parametrize("shape", SHAPES)
def test_every_documented_value_gives_all_of_its_fields(shape: str) -> None:
    values = corpus.lines(RECORDS / f"{shape}.jsonl")
    expected = corpus.lines(RECORDS / f"{shape}-expected.jsonl")
    for value, wanted in zip(values, map(json.loads, expected), strict=True):
        assert [fields(record) for record in read(value)] == wanted


def fields(record: LogRecord) -> dict[str, Any]:
    names = ("log", "time", "namespace", "pod", "container", "image", "node", "labels")
    status = record.access_log.status if record.access_log else None
    return {**{name: getattr(record, name) for name in names}, "status": status}


# Names.


@pytest.mark.parametrize(
    ("kubernetes", "namespace"),
    [
        ({"namespace_name": "a", "pod_namespace": "b", "namespace": "c"}, "a"),
        ({"namespace_name": None, "pod_namespace": "b", "namespace": "c"}, "b"),
        ({"namespace": "c"}, "c"),
        ({"namespace_name": "", "pod_namespace": "b"}, ""),
        ({"namespace_name": 1, "pod_namespace": [], "namespace": {}}, ""),
    ],
)
def test_the_namespace_has_three_names_in_this_order(
    kubernetes: dict[str, Any], namespace: str
) -> None:
    assert one(kubernetes=kubernetes).namespace == namespace


def test_node_and_labels_have_two_names_each() -> None:
    record = one(kubernetes={"pod_node_name": "n", "pod_labels": {"a": "b"}})
    assert (record.node, record.labels) == ("n", {"a": "b"})
    record = one(
        kubernetes={"host": "h", "labels": {}, "pod_node_name": "n", "pod_labels": {"a": "b"}}
    )
    assert (record.node, record.labels) == ("h", {})


def test_metadata_at_the_top_level_is_not_believed_beside_a_kubernetes_map() -> None:
    # Merge_Log lets an application write such keys; the shipper's own map comes last and is real.
    record = one(
        short_message="x",
        _kubernetes_namespace_name="forged",
        namespace_name="forged",
        kubernetes_ns="forged",
        kubernetes={"namespace_name": "real"},
    )
    assert record.namespace == "real"
    assert one(log="x", _kubernetes_namespace_name="forged").namespace == ""


def test_a_key_that_comes_twice_has_its_last_value() -> None:
    [record] = read(b'{"log":"a","log":"b","kubernetes":{},"kubernetes":{"pod_name":"p"}}')
    assert (record.log, record.pod) == ("b", "p")


# What Fluent Bit writes that is not JSON.


@pytest.mark.parametrize("number", [b"nan", b"-nan", b"inf", b"-inf"])
def test_a_double_that_is_no_number_does_not_cost_the_line(number: bytes) -> None:
    for value in (
        b'{"f":%b,"log":"x"}',
        b'{"log":"x","f":[1,%b]}',
        b'{"log":"x","a":{"f":%b}}',
        b'{"log":"x","f":%b, "g":1}',
    ):
        assert [record.log for record in read(value % number)] == ["x"]


def test_such_a_word_inside_a_text_stays_as_it_is() -> None:
    [record] = read(b'{"f":nan,"log":"a:nan, \\":nan,\\\\","b":"[inf]"}')
    assert (record.log, record.raw["b"]) == ('a:nan, ":nan,\\', "[inf]")


@pytest.mark.parametrize("data", [b"nan", b'{"f":nan,x}', b'{"f":nano}', b'{"f": nan}'])
def test_it_is_forgiven_only_where_fluent_bit_writes_it(data: bytes) -> None:
    with pytest.raises(RecordError, match="not JSON"):
        records.read(data, None)


# OpenTelemetry.


def attribute(key: str, text: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": text}}


def export(*log_records: Any, resource: Any = None) -> dict[str, Any]:
    scope = {"logRecords": list(log_records)}
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [scope]}]}


@pytest.mark.parametrize(
    ("moment", "time"),
    [
        ("1629856477226757612", 1629856477226757612),
        (1629856477226757612, 1629856477226757612),
        ("0", 7),
        (0, 7),
        (None, 7),
        ("x", 7),
        (-1, 7),
        (1.5, 7),
        (True, 7),
        ("9" * 21, 7),
        ("9" * 5_000, 7),
    ],
)
def test_a_time_of_otlp_is_nanoseconds_as_number_or_text(moment: Any, time: int) -> None:
    [record] = read(export({"timeUnixNano": moment, "body": {"stringValue": "x"}}), 7)
    assert record.time == time


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ({"stringValue": "x"}, "x"),
        ({"boolValue": False}, False),
        ({"intValue": "5"}, 5),
        ({"intValue": "-5"}, -5),
        ({"intValue": 5}, 5),
        ({"intValue": "9" * 5_000}, "9" * 5_000),
        ({"doubleValue": 1.5}, 1.5),
        ({"bytesValue": "AAE="}, "AAE="),
        ({"arrayValue": {"values": [{"intValue": "1"}, {}]}}, [1, None]),
        ({"arrayValue": {}}, []),
        ({"kvlistValue": {"values": [{"key": "a", "value": {"stringValue": "b"}}]}}, {"a": "b"}),
        ({"kvlistValue": {"values": [{"key": 5}, 5]}}, {}),
        ({}, None),
        (None, None),
    ],
)
def test_a_value_of_otlp_is_the_value_that_it_wraps(value: Any, plain: Any) -> None:
    attributes = [{"key": "a", "value": value}]
    [record] = read(export({"body": value, "attributes": attributes}))
    assert record.raw["body"] == plain
    assert record.raw["attributes"] == {"a": plain}
    assert record.log == (plain if isinstance(plain, str) else None)


def test_what_otlp_says_is_within_reach_of_rules() -> None:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    [record] = read(export({"severityText": "WARN"}, resource=resource))
    assert record.raw["severityText"] == "WARN"
    assert record.raw["resource"]["attributes"]["service.name"] == "shop"


def test_what_is_no_object_is_refused_in_its_place_in_the_export() -> None:
    data = export({"body": {"stringValue": "a"}}, 5, {"body": {"stringValue": "b"}})
    data["resourceLogs"] += ["x", {"scopeLogs": [None]}]
    found = records.read(json.dumps(data).encode(), None)
    assert [type(record) for record in found] == [
        *(LogRecord, RecordError, LogRecord),
        *(RecordError, RecordError),
    ]
    assert [
        (error.position, error.detail) for error in found if isinstance(error, RecordError)
    ] == [
        ("record 2", "an OTLP log record is a JSON object, not a number"),
        ("record 4", "an OTLP log record is a JSON object, not a string"),
        ("record 5", "an OTLP log record is a JSON object, not null"),
    ]


def test_an_export_may_be_empty_or_one_of_several_lines() -> None:
    assert records.read(b'{"resourceLogs":[]}', None) == []
    lines = [json.dumps(export({"body": {"stringValue": "a"}}, 5)), '{"log":"b"}', "5"]
    first, second, third, fourth = records.read("\n".join(lines).encode(), None)
    assert isinstance(first, LogRecord)
    assert isinstance(second, RecordError)
    assert isinstance(third, LogRecord)
    assert isinstance(fourth, RecordError)
    assert (first.log, third.log) == ("a", "b")
    assert (second.position, fourth.position) == ("line 1, record 2", "line 3")


def test_an_applications_key_of_that_name_makes_no_export() -> None:
    assert one(log="x", resourceLogs=[]).log == "x"
    assert one(resourceLogs="x").log is None


def test_values_that_nest_deeply_are_read_or_refused() -> None:
    value = '{"arrayValue":{"values":[' * 300 + '{"stringValue":"x"}' + "]}}" * 300
    data = f'{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{value}}}]}}]}}]}}'
    assert [record.log for record in read(data.encode())] == [None]


keys = st.sampled_from(
    [
        *("resourceLogs", "scopeLogs", "logRecords", "resource", "attributes", "body"),
        *("key", "value", "values", "stringValue", "intValue", "kvlistValue", "arrayValue"),
        *("timeUnixNano", "k8s.pod.name", "short_message", "_kubernetes_pod_name", "timestamp"),
        *("_time", "_kubernetes_labels_a", "log_processed", "status", "request", "kubernetes"),
    ]
)
trees = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | keys,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


@given(trees, st.lists(trees, max_size=3), st.dictionaries(keys, trees))
def test_any_export_and_any_flat_record_is_read_or_refused(
    tree: Any, several: list[Any], flat: dict[str, Any]
) -> None:
    for value in (
        {"resourceLogs": several},
        {"resourceLogs": [{"resource": tree, "scopeLogs": several}]},
        export(tree, *several, resource=tree),
        export({"body": tree, "attributes": several, "timeUnixNano": tree}),
        {"short_message": "x", **flat},
    ):
        for record in read(value):
            texts = (record.namespace, record.pod, record.container, record.image, record.node)
            "".join([record.log or "", *texts]).encode()
            assert record.time is None or record.time >= 0
            record.access_log  # noqa: B018 - parsed when asked for


def test_a_broken_line_costs_no_other_line_its_alert_wherever_it_stands() -> None:
    first, second = records.read(b'oops\n{"log": "x"}', None)
    assert isinstance(first, RecordError)
    assert first.position == "line 1"
    assert isinstance(second, LogRecord)


@pytest.mark.parametrize("data", [b"[" + b"{}," * 10_000 + b"{}]", b"{}\n" * 10_001])
def test_more_records_than_a_pod_can_hold_are_refused(data: bytes) -> None:
    with pytest.raises(TooMany, match="holds 10001 log records; 10000 are taken at once"):
        records.read(data, None)


def test_records_of_the_request_s_other_events_count_as_well() -> None:
    assert len(records.read(b"[{},{}]", None, before=9_998)) == 2
    with pytest.raises(TooMany, match="holds 10001 log records"):
        records.read(b"[{},{}]", None, before=9_999)


def test_the_records_of_a_resource_share_its_attributes_however_many_it_has() -> None:
    resource = {"attributes": [attribute("k8s.pod.label.app", "web"), attribute("x", "y")]}
    own = {"attributes": [attribute("k8s.pod.label.own", "1"), attribute("k8s.pod.name", "p")]}
    scopes = [{"logRecords": [{}, own]}]
    first, second = read({"resourceLogs": [{"resource": resource, "scopeLogs": scopes}]})
    assert first.raw["resource"] is second.raw["resource"]
    assert first.labels == {"app": "web"}
    assert second.labels == {"app": "web", "own": "1"}
    assert (first.pod, second.pod) == ("", "p")
