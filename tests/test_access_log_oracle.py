"""Common and combined lines are read as one expression over the line reads them.

The expression is the formats' definition, linear in the line's length like what is shipped, and
three times as slow: a scanner for all lines, and a shorter expression for plain ones.
"""

from __future__ import annotations

import re

import pytest
import re2
from hypothesis import example, given
from hypothesis import strategies as st

from function.access_log import AccessLog, parse, plain, request_line
from function.access_log.combined import scan
from tests import corpus

TIME = "[22/Nov/2026:11:56:45 +0000]"

# It takes bytes, as a line may hold anything.
QUOTED = rb'"((?:[^"\\]|\\.)*)"'
OPTIONS = re2.Options()
OPTIONS.encoding = re2.Options.Encoding.LATIN1
OPTIONS.dot_nl = True
OPTIONS.log_errors = False
EXPRESSION = re2.compile(
    rb"(?:(?:[^ ]+:\d+ )?([^ -][^ ]*)|(-)) - (.*?) "
    + rb"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "
    + QUOTED
    + rb" (\d{3}|-) (\d{1,19}|-)(?: "
    + QUOTED
    + b" "
    + QUOTED
    + rb"(?: .*)?)?\s*",
    OPTIONS,
)

Fields = tuple[str, str, str, str | None, str | None, str, str]


def fields(found: AccessLog) -> Fields:
    return (
        found.client,
        found.user,
        f"{found.method} {found.path}?{found.query} {found.protocol}",
        None if found.status is None else f"{found.status:03}",
        None if found.bytes is None else f"{found.bytes}",
        found.referer,
        found.user_agent,
    )


def by_expression(line: str) -> Fields | None:
    match = EXPRESSION.fullmatch(line.encode("utf-8", "replace"))
    if match is None:
        return None
    client, unknown, user, request, status, size, referer, agent = match.groups()
    if b" - " in user and not re.fullmatch(
        rb"[\da-fA-F.:*]*[.:][\da-fA-F.:*]*(%.*)?", client or b""
    ):
        return None
    method, path, query, protocol = request_line.read(text_of(request))
    return (
        text_of(client or unknown),
        text_of(user),
        f"{method} {path}?{query} {protocol}",
        None if status == b"-" else status.decode(),
        None if size == b"-" else str(int(size)),
        text_of(referer or b""),
        text_of(agent or b""),
    )


def text_of(field: bytes) -> str:
    """Undo the escapes, one at a time."""
    control = {b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b"f": b"\f"}
    unescaped = re.sub(
        rb"\\(?:x([0-9A-Fa-f]{2})|(.))",
        lambda match: (
            bytes.fromhex(match[1].decode()) if match[1] else control.get(*2 * (match[2],))
        ),
        field,
        flags=re.DOTALL,
    )
    return "" if field == b"-" else unescaped.decode("utf-8", "replace")


def check(line: str) -> None:
    """Compare what is read of a line, by each of the two readers."""
    line = line.encode("utf-8", "replace").decode()
    scanned = scan(line)
    assert (scanned and fields(scanned)) == by_expression(line)
    assert plain.parse(line) in (None, scanned)


pieces = st.sampled_from(
    [
        *('"', '" ', ' "', "\\", "[", "] ", "-", " - ", " ", "404", " 404 ", "200 5", TIME),
        *(f' {TIME} "', "GET / HTTP/1.1", "host:80 ", "10.0.0.1", "\n", "\0", "é", "\ud800"),
        *("\\x", "\\x22"),
    ]
)


@given(st.text() | st.lists(pieces).map("".join))
@example(f'10.0.0.1 - - {TIME} "GET /" 404 5')
@example(f'- - - {TIME} "GET /" 404 5')
@example(f'app - INFO - 10.0.0.1 - - {TIME} "GET /" 404 5')
@example(f'10.0.0.1 -  {TIME} "" 404 5 \t\n')
@example(f'10.0.0.1 - - {TIME} "" 404 5 "" ""\x0b')
@example(f'10.0.0.1 - [{TIME} "" 404 5 "" ""\xa0')
def test_any_text_is_read_as_the_expression_reads_it(line: str) -> None:
    for candidate in (line, f"10.0.0.1 - {line}", f'10.0.0.1 - - {TIME} "{line}'):
        check(candidate)


@given(st.lists(pieces, max_size=8).map("".join), st.sampled_from(range(4)))
def test_a_line_that_is_mended_or_broken_is_read_as_the_expression_reads_it(
    noise: str, place: int
) -> None:
    line = [f"10.0.0.1 - - {TIME}", ' "GET / HTTP/1.1"', ' 404 5 "-"', ' "curl"']
    line[place] += noise
    check("".join(line))


words = st.text('ab-é.[]?"', max_size=4) | pieces
targets = st.text('/a?.-%="é', max_size=6).map("/".__add__) | pieces
protocols = st.sampled_from(["HTTP/1.1", "HTTP/2", "HTTP/1.", "http/1.1", "HTTP/1.1 ", ""])
quoted = st.text('a-é \\"', max_size=4)
starts = st.builds(
    f'{{}} - {{}} {TIME} "GET {{}} {{}}" 404 5'.format, words, words, targets, protocols
)
ends = st.builds(' "{}" "{}"{}'.format, quoted, quoted, st.sampled_from(["", " ", " more", "x"]))


@given(starts, ends)
@example(f'a - - {TIME} "GET /a??b HTTP/1.1" 200 5', ' "-" "-"')
@example(f'a:1 - - {TIME} "GET / HTTP/1.1" 200 5', ' "" "-" \n')
def test_a_line_that_may_be_plain_is_read_as_the_expression_reads_it(start: str, end: str) -> None:
    check(start)
    check(start + end)


@pytest.mark.parametrize(
    "original",
    [
        "apache-access.log",
        "apache-vhost_combined.log",
        "nginx-access.log",
        "nginx-ingress.log",
        "nginx-json.log",
        "elastic-apache_logs",
    ],
)
def test_the_corpus_is_read_as_the_expression_reads_it(original: str) -> None:
    for line in corpus.lines(corpus.file(original)):
        text = line.decode("utf-8", "replace")
        for part in (text, text[5:], text[: len(text) // 2], text[:-2]):
            check(part)


def test_nine_of_ten_lines_of_a_real_log_are_plain() -> None:
    lines = corpus.lines(corpus.file("elastic-apache_logs"))
    found = [plain.parse(line.decode("utf-8", "replace")) for line in lines]
    assert found.count(None) < len(found) / 10


@given(st.text() | st.lists(pieces).map("".join))
@example('[2021-08-25T01:54:36.226Z] "GET /\ud800 HTTP/1.1" 404 NR 0 0 0 - "-" "-" "-" "-" "-"')
def test_no_field_of_any_line_holds_what_no_text_can_hold(line: str) -> None:
    for candidate in (line, f'10.0.0.1 - - {TIME} "{line}" 404 5', f"10.0.0.1 - {line}"):
        found = parse(candidate)
        if found is not None:
            written = (found.method, found.path, found.query, found.protocol, found.client)
            "".join([*written, found.user, found.user_agent, found.referer]).encode()
