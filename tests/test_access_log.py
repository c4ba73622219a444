r"""A common or combined line gives the client's request, whatever the client put into it.

The lines in tests/access_logs/ were written by Apache 2.4 and nginx 1.22 under hostile requests;
the truth beside them comes from the servers too, by another way than the line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function.access_log import AccessLog, parse
from tests import corpus
from tests.corpus import asked_for, unescaped

LOGS = Path(__file__).parent / "access_logs"
TIME = "[22/Nov/2026:11:56:45 +0000]"


def logged(line: str | bytes) -> AccessLog:
    """Parse a line that is one of an access log."""
    found = parse(line if isinstance(line, str) else line.decode("utf-8", "replace"))
    assert found is not None, line
    return found


def combined(request: str, rest: str = '404 5 "-" "curl/8"') -> AccessLog:
    """Parse a line with this request in it, as it stands in the log."""
    return logged(f'10.0.0.1 - - {TIME} "{request}" {rest}')


# Real lines against the truth.


def check(line: bytes, truth: Mapping[str, Any]) -> None:
    """Compare a line with the truth, as far as the truth goes."""
    found = logged(line)
    assert found.status == truth["status"]
    asked = asked_for(unescaped(truth["request_line"]))
    assert (found.method, found.path, found.query, found.protocol) == asked
    assert found.bytes == truth.get("bytes_out", truth.get("bytes"))
    for name in ("client", "user", "referer", "user_agent"):
        if name in truth:  # nginx's has none of them
            true = unescaped(truth[name])
            assert getattr(found, name) == ("" if true == "-" else true)


REAL = [
    # here, in the corpus, the truth
    ("apache-combined.log", "apache-access.log", "apache-truth.jsonl"),
    ("apache-vhost_combined.log", "apache-vhost_combined.log", "apache-truth.jsonl"),
    ("nginx-combined.log", "nginx-access.log", "nginx-truth.jsonl"),
    ("nginx-ingress.log", "nginx-ingress.log", "nginx-truth.jsonl"),
]


@pytest.mark.parametrize(("log", "_original", "truth"), REAL)
def test_every_line_of_a_real_log_is_read_as_the_truth_has_it(
    log: str, _original: str, truth: str
) -> None:
    for line, true in zip(corpus.lines(LOGS / log), corpus.lines(LOGS / truth), strict=True):
        check(line, json.loads(true))


@pytest.mark.parametrize(("_log", "original", "truth"), REAL)
def test_every_line_of_the_corpus_is_read_as_the_truth_has_it(
    _log: str, original: str, truth: str
) -> None:
    lines, truths = corpus.file(original), corpus.file(truth)
    for line, true in zip(corpus.lines(lines), corpus.lines(truths), strict=True):
        check(line, json.loads(true))


# The request line.


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        ("GET / HTTP/1.1", ("GET", "/", "", "HTTP/1.1")),
        ("GET /a/b?c=d?e&f HTTP/2.0", ("GET", "/a/b", "c=d?e&f", "HTTP/2.0")),
        ("GET /? HTTP/1.1", ("GET", "/", "", "HTTP/1.1")),
        ("GET ?q HTTP/1.1", ("GET", "", "q", "HTTP/1.1")),
        ("get /x http/1.1", ("get", "/x", "", "http/1.1")),
        ("M-SEARCH /x HTTP/3", ("M-SEARCH", "/x", "", "HTTP/3")),
        ("GET /%2e%2e/caf%C3%A9 HTTP/1.1", ("GET", "/%2e%2e/caf%C3%A9", "", "HTTP/1.1")),
        ("GET http://wordpress/notfound?a HTTP/1.1", ("GET", "/notfound", "a", "HTTP/1.1")),
        ("GET https://wordpress HTTP/1.1", ("GET", "/", "", "HTTP/1.1")),
        ("GET http://wordpress?a=/b HTTP/1.1", ("GET", "/", "a=/b", "HTTP/1.1")),
        ("GET /?u=http://x/y HTTP/1.1", ("GET", "/", "u=http://x/y", "HTTP/1.1")),
        ("GET /http://x/y HTTP/1.1", ("GET", "/http://x/y", "", "HTTP/1.1")),
        ("OPTIONS * HTTP/1.1", ("OPTIONS", "*", "", "HTTP/1.1")),
        ("CONNECT example.com:443 HTTP/1.1", ("CONNECT", "example.com:443", "", "HTTP/1.1")),
        ("GET /notfound09", ("GET", "/notfound09", "", "")),  # HTTP/0.9
        ("GET / JUNK/1.0", ("GET", "/ JUNK/1.0", "", "")),
        ("GET /a b HTTP/1.1", ("GET", "/a b", "", "HTTP/1.1")),  # nginx logs it whole
        ("GET /a b", ("GET", "/a b", "", "")),  # Apache cuts it there
        ("GET / 404 ?r=1 HTTP/1.1", ("GET", "/ 404 ", "r=1", "HTTP/1.1")),
        ("GET /x HTTP/1.1 HTTP/1.1", ("GET", "/x HTTP/1.1", "", "HTTP/1.1")),
        ("GET  /two  HTTP/1.1", ("GET", "/two", "", "HTTP/1.1")),
        (" GET /x HTTP/1.1 ", ("GET", "/x", "", "HTTP/1.1")),
        ("-", ("", "", "", "")),
        ("", ("", "", "", "")),
        ("GARBAGE", ("", "", "", "")),
        (r"\x16\x03\x01\x02\x00 x", ("", "", "", "")),  # TLS on a plain port
        (r"GET\t/tab HTTP/1.1", ("", "", "", "")),
        (r"G\xc3\x89T /x HTTP/1.1", ("", "", "", "")),
    ],
)
def test_a_request_line_says_what_the_client_asked_for(
    request_line: str, expected: tuple[str, str, str, str]
) -> None:
    found = combined(request_line)
    assert (found.method, found.path, found.query, found.protocol) == expected
    assert found.status == 404


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (r"\"", '"'),  # Apache
        (r"\x22", '"'),  # nginx
        (r"\\", "\\"),
        (r"\x5C", "\\"),
        (r"\t\n\r\b\v\f", "\t\n\r\b\v\f"),
        (r"\x1b[31m\x00", "\x1b[31m\0"),
        (r"caf\xc3\xa9 caf\xC3\xA9", "café café"),
        (r"\xf0\x9f\x98\x80", "\N{GRINNING FACE}"),
        (r"\xff\xfe", "\ufffd\ufffd"),
        (r"\\x41", r"\x41"),  # a backslash, and then text
        (r"\\\x41", r"\A"),
        (r"\\\"", r"\""),
        (r"\xZZ\q", "xZZq"),  # no server writes these
        ("café %41", "café %41"),
        ("你好", "你好"),
    ],
)
def test_the_servers_escapes_are_undone_and_percent_encoding_is_not(
    escaped: str, text: str
) -> None:
    found = combined(f"GET /{escaped} HTTP/1.1", f'200 5 "{escaped}" "{escaped}"')
    assert found.path == f"/{text}"
    assert found.referer == text
    assert found.user_agent == text


# The rest of the line.


def test_all_fields_of_a_combined_line() -> None:
    line = f'10.0.0.1 - alice {TIME} "GET /x?y HTTP/1.1" 404 49923 "http://a/" "curl/7.58.0"'
    assert logged(line) == AccessLog(
        method="GET",
        path="/x",
        query="y",
        status=404,
        protocol="HTTP/1.1",
        client="10.0.0.1",
        user="alice",
        user_agent="curl/7.58.0",
        referer="http://a/",
        bytes=49923,
    )


def test_a_common_line_has_no_referer_and_no_user_agent() -> None:
    for line_end in ("", "\n", " ", "\r\n"):
        found = combined("GET /x HTTP/1.0", "200 404" + line_end)
        assert (found.status, found.bytes) == (200, 404)
        assert (found.referer, found.user_agent) == ("", "")


def test_a_field_logged_as_a_hyphen_is_empty() -> None:
    found = combined("-", '- - "-" "-"')
    assert (found.status, found.bytes) == (None, None)
    assert (found.user, found.referer, found.user_agent) == ("", "", "")


@pytest.mark.parametrize(
    "client", ["10.0.0.1", "2001:db8::404", "fe80::1", "::1", "::ffff:10.0.0.1", "host.example"]
)
@pytest.mark.parametrize("virtual_host", ["", "wordpress.demo-project.svc:80 ", "[::1]:8080 "])
@pytest.mark.parametrize("user", ["-", "alice", "a 404 b"])
def test_a_virtual_host_is_told_from_a_client_that_ends_like_one(
    virtual_host: str, client: str, user: str
) -> None:
    found = logged(f'{virtual_host}{client} - {user} {TIME} "GET / HTTP/1.1" 200 5 "-" "-"')
    assert (found.client, found.user) == (client, user.removeprefix("-"))


@pytest.mark.parametrize(
    "user",
    [
        "a 404 b",
        r"q\"uote",
        "",
        " ",
        "] ",
        "x [y] z",
        rf"x {TIME} \"GET /forged HTTP/1.1\" 404 1 \"-\" \"-\"",
        r"x] \"GET / HTTP/1.1\" 404 1 \"-\" \"-",
        rf"x {TIME}",
    ],
)
def test_a_user_name_cannot_forge_a_request(user: str) -> None:
    found = logged(f'10.0.0.1 - {user} {TIME} "GET /real HTTP/1.1" 401 639 "-" "-"')
    assert (found.status, found.path) == (401, "/real")
    assert found.user == user.replace(r"\"", '"')


@pytest.mark.parametrize("forged", [" 404 ", '\\" 404 1', "\\x22 404 1", f'\\" {TIME} \\"GET /'])
def test_no_field_that_a_client_fills_can_forge_a_status(forged: str) -> None:
    line = f'10.0.0.1 - {forged} {TIME} "GET /{forged} HTTP/1.1" 200 404 "{forged}" "{forged}"'
    assert logged(line).status == 200


@pytest.mark.parametrize(
    "rest",
    [
        '404 153 "-" "curl" "10.1.2.3, 10.4.5.6"',  # the nginx image's main: x_forwarded_for
        '404 153 "-" "curl" 88 0.001 [demo-80] [] 127.0.0.1:80 0 0.001 200 07144e5',  # ingress
        '404 153 "-" "curl" 404 0.001 [demo-80] [] 10.0.0.1:80, 10.0.0.2:80 0, 0 - 502, 502 x',
        '404 19 "-" "curl" 5 "router@docker" "http://172.18.0.3:80" 0ms',  # Traefik
        '404 153 "-" "curl" "',
        '404 153 "-" "curl" several\nlines',
    ],
)
def test_what_other_servers_add_behind_combined_changes_nothing(rest: str) -> None:
    found = combined("GET /x HTTP/1.1", rest)
    assert (found.status, found.path, found.user_agent) == (404, "/x", "curl")


def test_debian_counts_headers_and_upstream_writes_a_hyphen_for_no_bytes() -> None:
    assert combined("HEAD / HTTP/1.1", '304 180 "-" "-"').bytes == 180
    assert combined("HEAD / HTTP/1.1", '304 - "-" "-"').bytes is None
    assert combined("HEAD / HTTP/1.1", f'304 {2**63 - 1} "-" "-"').bytes == 2**63 - 1


@pytest.mark.parametrize(
    "line",
    [
        "",
        "plain text line",
        "GET /notfound HTTP/1.1 404",
        'I0825 01:54:37.226757    404 kubelet.go:404] "GET /healthz HTTP/1.1" 404 0',
        "[Wed Aug 25 01:54:36.226 2021] [core:error] [pid 404] AH00126: Invalid URI in request",
        f'10.0.0.1 - - {TIME} "GET / HTTP/1.1"',
        f'10.0.0.1 - - {TIME} "GET / HTTP/1.1" 404',
        f'10.0.0.1 - - {TIME} "GET / HTTP/1.1" 4040 5',
        f'10.0.0.1 - - {TIME} "GET / HTTP/1.1" 404 5k',
        f'10.0.0.1 - - {TIME} "GET / HTTP/1.1" 404 {"9" * 5_000}',  # int() refuses so many digits
        f'10.0.0.1 - - {TIME} "GET / HTTP/1.1" 404 5 "-"',
        f'10.0.0.1 - - {TIME} "GET / HTTP/1.1" 404 5 "-" "cut off',
        f'10.0.0.1 - - {TIME} "GET /"x" HTTP/1.1" 404 5 "-" "-"',  # no server leaves a quote bare
        f'10.0.0.1 - - {TIME} "GET / HTTP/1.1\\" 404 5 "-" "-"',
        f'10.0.0.1 {TIME} "GET / HTTP/1.1" 404 5 "-" "-"',
        '10.0.0.1 - - [22/11/2026:11:56:45 +0000] "GET / HTTP/1.1" 404 5',
        '10.0.0.1 - - [2026-11-22T11:56:45Z] "GET / HTTP/1.1" 404 5',
        "\ud800",
        "\0" * 100,
    ],
)
def test_other_lines_and_parts_of_lines_are_no_access_log(line: str) -> None:
    assert parse(line) is None


@pytest.mark.parametrize(
    "line",
    [
        f'error: upstream said: 1.2.3.4 - - {TIME} "GET / HTTP/1.1" 404 5',
        f'INFO - 1.2.3.4 - - {TIME} "GET / HTTP/1.1" 404 5 "-" "-"',
        f'app.main - INFO - 1.2.3.4 - - {TIME} "GET / HTTP/1.1" 404 5 "-" "-"',
        f'10:00:00 root - INFO - 1.2.3.4 - - {TIME} "GET / HTTP/1.1" 404 5 "-" "-"',
        f'2021-08-25 10:00:00,123 - INFO - 1.2.3.4 - - {TIME} "GET / HTTP/1.1" 404 5 "-" "-"',
        f'app - INFO - 1.2.3.4 - - {TIME} "GET / HTTP/1.1" 404 5 "-" "a"b" 5 "r" "s" 0ms',
        f'upstream said "1.2.3.4 - - {TIME} "GET / HTTP/1.1" 404 5"',
        f'"1.2.3.4 - - {TIME} "GET / HTTP/1.1" 404 5 "-" "-""',
        f' 1.2.3.4 - - {TIME} "GET / HTTP/1.1" 404 5 "-" "-"',
        f'-x - - {TIME} "GET / HTTP/1.1" 404 5 "-" "-"',
    ],
)
def test_an_access_log_line_that_another_program_repeats_is_not_its_own(line: str) -> None:
    assert parse(line) is None


@pytest.mark.parametrize("client", ["10.0.0.1", "*.*.*.*", "2001:db8::404", "fe80::1%eth0", "::1"])
def test_no_user_name_hides_a_request_whose_client_is_an_address(client: str) -> None:
    found = logged(f'{client} - a - b - - {TIME} "GET / HTTP/1.1" 404 5 "-" "-"')
    assert (found.client, found.user, found.status) == (client, "a - b - -", 404)


def test_a_client_may_be_unknown_where_no_virtual_host_makes_that_ambiguous() -> None:
    found = logged(f'- - alice {TIME} "GET / HTTP/1.1" 404 5 "-" "-"')
    assert (found.client, found.user) == ("", "alice")
    # A host and port without a client, or an IPv6 client whose user is "- alice": the latter.
    found = logged(f'::1 - - alice {TIME} "GET / HTTP/1.1" 404 5 "-" "-"')
    assert (found.client, found.user) == ("::1", "- alice")


# Generated lines.


def apache(value: str) -> str:
    """Escape as Apache does (server/util.c, ap_escape_logitem)."""
    short = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    short["\v"] = "\\v"
    return "".join(
        short.get(chr(byte), chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}")
        for byte in value.encode()
    )


def nginx(value: str) -> str:
    """Escape as nginx does (ngx_http_log_module.c, ngx_http_log_escape)."""
    return "".join(
        f"\\x{byte:02X}" if byte < 0x20 or byte > 0x7E or byte in b'"\\' else chr(byte)
        for byte in value.encode()
    )


text = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda value: value != "-")
unspaced = text.map(lambda value: value.replace(" ", "_"))
entries = st.builds(
    AccessLog,
    method=st.from_regex(r"[A-Z][A-Z-]{0,15}", fullmatch=True) | st.just("get"),
    path=unspaced.map(lambda value: "/" + value.replace("?", "")) | st.just("*"),
    query=unspaced,
    status=st.none() | st.integers(100, 999),
    protocol=st.sampled_from(["HTTP/1.1", "HTTP/2.0", "HTTP/3", "http/1.0", ""]),
    client=st.ip_addresses().map(str) | st.just("host.example"),
    user=text.map(lambda value: value.replace(" - ", "--")),  # see is_quoted
    user_agent=text,
    referer=text,
    bytes=st.none() | st.integers(0, 2**63 - 1),
)


@pytest.mark.parametrize("escape", [apache, nginx])
@given(entry=entries, virtual_host=st.sampled_from(["", "shop.example:80 "]), more=text)
def test_what_a_server_writes_is_read_back(
    escape: Callable[[str], str], entry: AccessLog, virtual_host: str, more: str
) -> None:
    target = entry.path + ("?" + entry.query if entry.query else "")
    request = " ".join(filter(None, (entry.method, target, entry.protocol)))
    status = "-" if entry.status is None else entry.status
    size = "-" if entry.bytes is None else entry.bytes
    line = f"{virtual_host}{entry.client} - {escape(entry.user) or '-'} {TIME}"
    line += f' "{escape(request)}" {status} {size}'
    line += f' "{escape(entry.referer) or "-"}" "{escape(entry.user_agent) or "-"}"'
    for written in (line, f"{line} {escape(more)}", f"{line}\n"):
        assert parse(written) == entry


@pytest.mark.parametrize(
    "unit",
    [
        *(
            " ",
            '"',
            "\\",
            "a ",
            "a:1 ",
            "- ",
            f'{TIME} "',
            f'{TIME} "x" ',
            '" 404 5 "',
            "\\x",
            "\\x4",
        ),
        *("a", "?", "/?", "?a ", "HTTP/1", '" "'),
    ],
)
@pytest.mark.parametrize(
    "start",
    [
        *("", "10.0.0.1 - ", f'10.0.0.1 - - {TIME} "', f'a - - {TIME} "" '),
        *(f'a - - {TIME} "GET /', f'a - - {TIME} "GET /? HTTP/1', f'a - - {TIME} "GET / H" 1 1 "'),
    ],
)
def test_a_mebibyte_of_anything_does_not_stop_the_process(start: str, unit: str) -> None:
    # With a backtracking expression some of these would not come back in our lifetime.
    line = start + unit * (2**20 // len(unit))
    for end in ("", '" 404 5', "!"):
        parse(line + end)
