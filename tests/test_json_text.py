"""JSON as logs really hold it: what is valid, what is forgiven, what is broken."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function.formats import json_text
from function.formats.json_text import JSON, NotJSON

SMILE = "\N{GRINNING FACE}"


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a": [1, 2.5, "x", true, false, null]}', {"a": [1, 2.5, "x", True, False, None]}),
        (b" \r\n\t{} \n", {}),
        (b"18446744073709551615", 2**64 - 1),  # Fluent Bit's largest integer, exact
        (b"1629856477.226758", 1629856477.226758),
        (b'"\\u4f60\\ud83d\\ude00\\u2028\\u0000"', f"\u4f60{SMILE}\u2028\0"),
        (b'{"a": 1, "a": 2}', {"a": 2}),
    ],
)
def test_valid_json_is_read(data: bytes, value: JSON) -> None:
    assert json_text.loads(data) == value


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'\xef\xbb\xbf{"log": "x"}', {"log": "x"}),  # a byte order mark
        (b'{"log": "bad \xff\xfe \xe4\xbd end"}', {"log": "bad \ufffd\ufffd \ufffd end"}),
        (b'"\xed\xa0\x80"', "\ufffd\ufffd\ufffd"),  # a surrogate in UTF-8's dress
        (b'"\\ud83d"', "\ufffd"),
        (b'"\\ud83dx\\ude00"', "\ufffdx\ufffd"),
        (b'"\\ude00\\ud83d"', "\ufffd\ufffd"),
        (b'"\\ud83d\\ude00 \\ud83d"', f"{SMILE} \ufffd"),
        (b'"\\ufeff\\ud83d"', "\ufeff\ufffd"),  # U+FEFF inside a text is a character of it
        (b'{"\\ud83d": ["\\ud83d", {"a": "\\ud83d"}]}', {"\ufffd": ["\ufffd", {"a": "\ufffd"}]}),
        (b"[Infinity, -Infinity, 1e999]", [math.inf, -math.inf, math.inf]),
    ],
)
def test_what_log_shippers_really_write_is_forgiven(data: bytes, value: JSON) -> None:
    assert json_text.loads(data) == value


def test_nan_is_a_number_that_is_none() -> None:
    [number] = json_text.loads(b"[NaN]")
    assert math.isnan(number)


@pytest.mark.parametrize(
    ("data", "because"),
    [
        (b"", "expecting value at byte 0"),
        (b"{", "at byte 1"),
        (b'{"a": 1', "at byte 7"),
        (b'{"\xc3\xa9": x}', "at byte 7"),
        (b"{} {}", "extra data at byte 3"),
        (b"{'a': 1}", "at byte 1"),
        (b"\xff\xfe{\x00}\x00", "at byte 0"),  # UTF-16
        (b"nan", "at byte 0"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_nobody_can_read_is_refused_with_the_place(data: bytes, because: str) -> None:
    with pytest.raises(NotJSON, match=because):
        json_text.loads(data)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({}, "an object"),
        ([], "an array"),
        ("", "a string"),
        (True, "a boolean"),
        (0, "a number"),
        (0.5, "a number"),
        (None, "null"),
    ],
)
def test_an_error_message_can_say_what_a_value_is(value: JSON, kind: str) -> None:
    assert json_text.kind(value) == kind


whole = st.integers(-(2**63), 2**64 - 1)
numbers = whole | st.floats(allow_nan=False, allow_infinity=False)
trees = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),  # st.text() has lone surrogates
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def texts(value: Any) -> list[str]:
    """Collect every text in a tree, keys included."""
    if isinstance(value, dict):
        return [*value, *(text for inner in value.values() for text in texts(inner))]
    if isinstance(value, list):
        return [text for inner in value for text in texts(inner)]
    return [value] if isinstance(value, str) else []


@given(trees)
def test_valid_json_is_read_as_the_standard_library_does_but_for_surrogates(tree: Any) -> None:
    read = json_text.loads(json.dumps(tree).encode())
    if not any("\ud800" <= character <= "\udfff" for character in "".join(texts(tree))):
        assert read == tree
    "".join(texts(read)).encode()


@given(trees, st.binary(max_size=4), st.integers(0, 200))
def test_any_bytes_are_read_or_not_json(tree: Any, noise: bytes, at: int) -> None:
    good = json.dumps(tree).encode()
    for data in (noise, good[:at] + noise + good[at:], good[:at]):
        try:
            read = json_text.loads(data)
        except NotJSON:
            continue
        "".join(texts(read)).encode()


@pytest.mark.parametrize(
    ("data", "byte"),
    [
        (b'{"a": x}', 6),
        (b'\xef\xbb\xbf{"a": x}', 9),
        (b'{"\xff\xff": x}', 7),
        ('{"é": x}'.encode(), 7),
    ],
)
def test_the_byte_that_is_named_is_one_of_the_bytes_that_came(data: bytes, byte: int) -> None:
    with pytest.raises(json_text.NotJSON, match=rf"at byte {byte}$"):
        json_text.loads(data)


@pytest.mark.parametrize("digits", [20, 400, 401, 4_300, 4_301, 1_000_000])
def test_a_number_of_many_digits_makes_no_record_unreadable(digits: int) -> None:
    number = b"1" * digits
    for sign in (b"", b"-"):
        read = json_text.loads(b'{"log":"x","n":' + sign + number + b"}")
        assert read["log"] == "x"
        assert abs(read["n"]) >= 10 ** min(digits - 1, 300)


def test_where_json_breaks_off_behind_such_a_number_is_told() -> None:
    with pytest.raises(json_text.NotJSON, match="at byte 5011"):
        json_text.loads(b'{"n":' + b"1" * 5_000 + b',"log"]')
