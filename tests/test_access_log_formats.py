r"""Envoy's, Istio's and Traefik's lines and JSON access logs, from their documentation.

Each ``tests/access_logs/NAME.log`` stands beside ``NAME-expected.jsonl``: one object a line, with
every field that the line has to give. They were written by hand from the formats' definitions, with
404 wherever it is not a status.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from function import records
from function.access_log import AccessLog, from_fields, parse
from function.records import LogRecord
from tests import corpus

LOGS = Path(__file__).parent / "access_logs"
FORMATS = ["envoy", "istio", "traefik", "nginx-main", "json"]
EXAMPLES = [
    pytest.param(line.decode(), json.loads(expected), id=f"{name}-{number}")
    for name in FORMATS
    for number, (line, expected) in enumerate(
        zip(
            corpus.lines(LOGS / f"{name}.log"),
            corpus.lines(LOGS / f"{name}-expected.jsonl"),
            strict=True,
        ),
        1,
    )
]
TIME = "[25/Aug/2021:01:54:36 +0000]"
ENVOY = "[2021-08-25T01:54:36.226Z]"


@pytest.mark.parametrize(("line", "expected"), EXAMPLES)
def test_every_documented_line_gives_all_of_its_fields(line: str, expected: dict[str, Any]) -> None:
    for written in (line, line + "\n", line + " \r\n"):
        found = parse(written)
        assert found is not None
        assert found._asdict() == expected


# Envoy and Istio as text.


@pytest.mark.parametrize(
    "line",
    [
        f'{ENVOY} "GET / HTTP/1.1"',
        f'{ENVOY} "GET / HTTP/1.1" 4040 NR',
        f'{ENVOY} "GET / HTTP/1.1" NR 404',
        f'{ENVOY} "GET / HTTP/1.1"404 NR',
        f'{ENVOY} "GET /" 404 NR',
        f'{ENVOY} "GET /a b HTTP/1.1" 404 NR',
        f'{ENVOY} "GET / JUNK" 404 NR',
        f'{ENVOY} "G(T / HTTP/1.1" 404 NR',
        f"{ENVOY} GET / HTTP/1.1 404 NR",
        f' {ENVOY} "GET / HTTP/1.1" 404 NR',
        f'said {ENVOY} "GET / HTTP/1.1" 404 NR 0 0 0 -',
        '[2021-08-25 01:54:36] "GET / HTTP/1.1" 404 NR',
        '[error] "GET / HTTP/1.1" 404 NR',
    ],
)
def test_what_does_not_begin_as_envoy_does_is_none_of_its_lines(line: str) -> None:
    assert parse(line) is None


@pytest.mark.parametrize("rest", ["", " NR", " 5ms", ' - 0 404 12 "cut off', ' "-" "404"'])
def test_a_format_of_the_operators_own_still_gives_request_and_status(rest: str) -> None:
    found = parse(f'{ENVOY} "GET /x?y HTTP/2" 503{rest}')
    assert found is not None
    assert (found.method, found.path, found.query, found.status) == ("GET", "/x", "y", 503)
    assert (found.client, found.user_agent, found.bytes) == ("", "", None)


@pytest.mark.parametrize("forged", ['/" 404 NR 0 0 0 - "-"', '/x" 404', '/x HTTP/1.1" 404 -'])
def test_no_path_forges_a_status_of_envoy(forged: str) -> None:
    found = parse(f'{ENVOY} "GET {forged.replace(" ", "%20")} HTTP/1.1" 200 - 0 0 0 0 "-"')
    assert found is not None
    assert found.status == 200


def test_envoy_escapes_nothing_and_so_nothing_is_undone() -> None:
    found = parse(f'{ENVOY} "GET /\\x41\\n%41 HTTP/1.1" 404 NR')
    assert found is not None
    assert found.path == "/\\x41\\n%41"


# JSON.


def merged(**fields: Any) -> AccessLog | None:
    """Read an access log's fields; as a line they have to give the same."""
    found = from_fields(fields)
    assert parse(json.dumps(fields)) == found
    return found


@pytest.mark.parametrize(
    "fields",
    [
        {"status": 404},
        {"status": 404, "msg": "GET /x HTTP/1.1"},
        {"status": 404, "method": "GET"},
        {"status": 404, "path": "/x"},
        # Any program that was answered a 404 may log this much about it.
        {"level": "info", "status": 404, "method": "GET", "path": "/json", "msg": "GET /json"},
        {"status": 404, "method": "GET", "url": "http://backend/x"},
        {"status": 404, "request": "user lookup"},
        {"status": 404, "request": "07144e50abb5351489994750307d620b"},
        {"status": 404, "request": {"method": "GET", "uri": "/x"}},
        {"status": 404, "remote_addr": "10.0.0.1"},
        {"status": 404, "remote_addr": "10.0.0.1", "method": "get user", "path": "/x"},
        {"status": 404, "remote_addr": "10.0.0.1", "method": "getUser", "path": "users"},
        {"status": "not found", "request": "GET /x HTTP/1.1"},
        {"status": 40, "request": "GET /x HTTP/1.1"},
        {"status": 4040, "request": "GET /x HTTP/1.1"},
        {"status": 404.5, "request": "GET /x HTTP/1.1"},
        {"status": True, "request": "GET /x HTTP/1.1"},
        {"status": None, "request": "GET /x HTTP/1.1"},
        {"status": [404], "request": "GET /x HTTP/1.1"},
        {"status": "٤٠٤", "request": "GET /x HTTP/1.1"},
        {"request": "GET /x HTTP/1.1"},
        {"response_code": 404},
        {"response_code": 404, "path": "/x"},
        {"response_code": "404 Not Found", "method": "GET"},
        {"response_code": None, "method": "GET"},
        {"DownstreamStatus": 404},
        {"OriginStatus": 404, "RequestMethod": "GET", "RequestPath": "/x"},
        {"DownstreamStatus": 404, "method": "GET", "path": "/x"},
        {"DownstreamStatus": "x", "RequestMethod": "GET"},
        # The keys of one schema do not make up for those of another.
        {"response_code": 404, "RequestMethod": "GET"},
        {"status": 404, "RequestLine": "GET /x HTTP/1.1"},
        {"nested": {"status": 404, "request": "GET /x HTTP/1.1"}},
    ],
)
def test_an_applications_json_is_no_access_log_whatever_its_status(fields: dict[str, Any]) -> None:
    assert merged(**fields) is None


@pytest.mark.parametrize(("status", "number"), [(404, 404), ("404", 404), (404.0, 404), ("0", 0)])
@pytest.mark.parametrize(
    ("key", "request_fields"),
    [
        ("status", {"request": "GET /x?y HTTP/1.1"}),
        ("status", {"method": "GET", "uri": "/x?y"}),
        ("status", {"request_method": "GET", "request_uri": "/x?y", "uri": "/decoded"}),
        ("status", {"method": "GET", "path": "/x?y", "remote_addr": "10.0.0.1"}),
        ("response_code", {"method": "GET", "path": "/x?y"}),
        ("response_code", {":method": "GET", ":path": "/x?y"}),
        ("DownstreamStatus", {"RequestLine": "GET /x?y HTTP/1.1"}),
        ("DownstreamStatus", {"RequestMethod": "GET", "RequestPath": "/x?y"}),
    ],
)
def test_a_status_and_a_request_of_one_schema_make_an_access_log(
    key: str, request_fields: dict[str, str], status: object, number: int
) -> None:
    for fields in ({key: status, **request_fields}, {**request_fields, key: status}):
        found = merged(**fields)
        assert found is not None
        assert (found.status, found.method, found.path, found.query) == (number, "GET", "/x", "y")


@pytest.mark.parametrize("garbage", ["", "-", "\x16\x03\x01", "GARBAGE", "/x"])
def test_garbage_that_nginx_was_sent_is_an_answered_request_without_method(garbage: str) -> None:
    found = merged(status=400, request=garbage, remote_addr="10.0.0.1", method="", uri="")
    assert found is not None
    assert (found.status, found.method, found.path) == (400, "", "")


def test_the_whole_request_line_wins_over_what_nginx_made_of_it() -> None:
    found = merged(status=404, request="GET /a%20b?q HTTP/1.0", method="PUT", uri="/a b", args="z")
    assert found is not None
    assert (found.method, found.path, found.query) == ("GET", "/a%20b", "q")
    found = merged(status=404, request="GET /http09", remote_addr="10.0.0.1", uri="/index.php")
    assert found is not None
    assert (found.path, found.protocol) == ("/http09", "")


def test_a_size_may_be_a_number_or_a_text_and_nothing_else() -> None:
    for size, number in [(5, 5), ("5", 5), (5.0, 5), (-5, None), (5.5, None), ("-", None)]:
        found = merged(status=404, request="GET / HTTP/1.1", body_bytes_sent=size)
        assert found is not None
        assert found.bytes == number
    found = merged(status=404, request="GET / HTTP/1.1", bytes=10**30, size=True)
    assert found is not None
    assert found.bytes is None


@pytest.mark.parametrize(
    ("written", "path"),
    [
        (r"/\x22\x5C", '/"\\'),
        (r"/caf\xC3\xA9\xff", "/café\ufffd"),
        (r"/\"\\\x41", '/"\\A'),
        (r"/\\x41", r"/\x41"),
        (r"/\v\x0b\x1f\u0041", "/\v\v\x1fA"),
    ],
)
def test_json_with_the_escapes_of_a_web_server_in_it_is_read(written: str, path: str) -> None:
    found = parse(f'{{"request":"GET {written} HTTP/1.1","status":404}}')
    assert found is not None
    assert found.path == path


@pytest.mark.parametrize(
    "line",
    [
        '{"status":404,"request":"GET / HTTP/1.1"',
        '{"status":404,"request":"GET /\\x2 HTTP/1.1"}',
        '{"status":404,"request":"GET /\\q HTTP/1.1"}',
        '{"status":404,"request":"GET / HTTP/1.1"} {"status":200}',
        '[{"status":404,"request":"GET / HTTP/1.1"}]',
        'said {"status":404,"request":"GET / HTTP/1.1"}',
        '{"\\u0073tatus":404,"request":"GET / HTTP/1.1"}',  # no server escapes a letter
    ],
)
def test_what_is_no_json_object_is_no_json_access_log(line: str) -> None:
    assert parse(line) is None


# In a record: the line, or what the shipper has decoded.

FIELDS = {"status": 404, "request": "GET /x HTTP/1.1"}
LINE = f'10.0.0.1 - - {TIME} "GET /line HTTP/1.1" 200 5'


def of(**record: Any) -> AccessLog | None:
    [found] = records.read(json.dumps(record).encode(), None)
    assert isinstance(found, LogRecord)
    return found.access_log


@pytest.mark.parametrize(
    "record",
    [
        {"log": json.dumps(FIELDS)},
        {"message": json.dumps(FIELDS) + "\n"},
        {**FIELDS},  # Merge_Log without a key, Keep_Log Off
        {**FIELDS, "log": "GET /x"},
        {**FIELDS, "log": None, "message": 5, "stream": "stdout"},
        {"log": "x", "log_processed": FIELDS},  # Merge_Log_Key
        {"message": "x", "structured": FIELDS},  # OpenShift
        {"log": FIELDS},
        {"message": FIELDS},
        {"log": "x", "log_processed": {"status": 200}, **FIELDS},
    ],
)
def test_a_json_access_log_is_found_wherever_a_shipper_puts_it(record: dict[str, Any]) -> None:
    found = of(**record, kubernetes={"namespace_name": "demo-project"})
    assert found is not None
    assert (found.status, found.path) == (404, "/x")


def test_the_line_itself_wins_over_what_was_made_of_it() -> None:
    for more in (FIELDS, {"log_processed": FIELDS}):
        found = of(log=LINE, **more)
        assert found is not None
        assert (found.status, found.path) == (200, "/line")


@pytest.mark.parametrize(
    "record", [{"log": "x", "status": 404}, {"annotations": FIELDS}, {"kubernetes": FIELDS}]
)
def test_a_status_elsewhere_in_a_record_is_no_answer_to_a_request(record: dict[str, Any]) -> None:
    assert of(**record) is None


# Whatever comes in, a request or none comes out, and in time.

keys = st.sampled_from(
    [
        *("status", "response_code", "DownstreamStatus", "request", "RequestLine", "method"),
        *("RequestMethod", "RequestPath", "uri", "path", "remote_addr", "bytes", "user_agent"),
        *("downstream_remote_address", "x_forwarded_for", "ClientAddr", "protocol", ":method"),
    ]
)
scalars = (
    st.sampled_from([404, "404", 0, "GET", "GET /x HTTP/1.1", "/x", "-", "", "[::1]:5", "a:1"])
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]))
)
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4)
)


def is_sound(found: AccessLog | None) -> bool:
    if found is None:
        return True
    texts = (found.method, found.path, found.query, found.protocol, found.client)
    "".join([*texts, found.user, found.user_agent, found.referer]).encode()
    return (found.status is None or 0 <= found.status <= 999) and (found.bytes or 0) < 10**19


@given(st.dictionaries(keys, trees))
def test_any_fields_are_an_access_log_or_none(fields: dict[str, Any]) -> None:
    assert is_sound(from_fields(fields))
    assert is_sound(parse(json.dumps(fields)))


pieces = st.sampled_from(
    [
        *('"', '" ', ' "', " ", "-", "404", " 404 ", "0 0 0 - ", "GET / HTTP/1.1", " 5ms", "\\x"),
        *("{", "}", ":", ",", '"status":404', '"request":"', "\\x22", "\ud800", "é", "\n"),
    ]
)


@given(st.text() | st.lists(pieces).map("".join))
@example('"GET / HTTP/1.1" 404 NR')
@example('"\ud800 / HTTP/1.1" 404 NR')
def test_any_line_that_begins_as_one_is_an_access_log_or_none(line: str) -> None:
    for start in (f"{ENVOY} ", f'{ENVOY} "GET /', "{", '{"status":404,"request":"'):
        assert is_sound(parse(start + line))
    assert is_sound(parse(f'10.0.0.1 - - {TIME} "GET / HTTP/1.1" 404 5 "{line} 5 "r" "s" 0ms'))


@pytest.mark.parametrize(
    "start",
    [
        f"{ENVOY} ",
        f'{ENVOY} "GET ',
        f'{ENVOY} "GET / HTTP/1.1" 404 ',
        f'{ENVOY} "GET / HTTP/1.1" 404 NR 0 0 0 - "',
        f'10.0.0.1 - - {TIME} "GET / HTTP/1.1" 404 5 "-" "a"b',
        "{",
        '{"status":404,"request":"',
        '{"status":',
    ],
)
@pytest.mark.parametrize(
    "unit", [" ", '"', "a", "- ", '" "', "1", "\\", "\\x41", "\\v", '\\"', "[", '{"a":', "0 0 0 - "]
)
def test_a_mebibyte_of_anything_does_not_stop_the_process(start: str, unit: str) -> None:
    line = start + unit * (2**20 // len(unit))
    for end in ("", '"', '"}', ' 5 "r" "s" 0ms'):
        parse(line + end)
