"""Durations and sizes as operators write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function.formats.durations import duration, size

MILLISECOND = 10**6
SECOND = 10**9


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("25s", 25 * SECOND),
        ("500ms", 500 * MILLISECOND),
        ("5m", 300 * SECOND),
        ("1h30m", 5_400 * SECOND),
        ("1m1ms", 60_001 * MILLISECOND),
        ("90m", 5_400 * SECOND),
        ("1d", 86_400 * SECOND),
        ("1w", 7 * 86_400 * SECOND),
        ("1y", 365 * 86_400 * SECOND),
        ("1y1w1d1h1m1s1ms", (373 * 86_400 + 3_661) * SECOND + MILLISECOND),
    ],
)
def test_a_duration_is_written_as_in_prometheus(text: str, nanoseconds: int) -> None:
    assert duration(text) == nanoseconds


DIGIT = "\N{ARABIC-INDIC DIGIT FIVE}"


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "5", "00", "s", "-5s", "+5s", "1.5h", "5 s", "5S", "5s ", "5s\n", "5us"),
        *("1m1h", "1s1s", f"{DIGIT}s", "1e3s", "9999999999s"),
    ],
)
def test_what_is_no_duration_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(ValueError, match="write 25s, 500ms or 1h30m"):
        duration(text)


@pytest.mark.parametrize(
    ("text", "size_in_bytes"),
    [
        ("0", 0),
        ("1048576", 2**20),
        ("1B", 1),
        ("512KiB", 2**19),
        ("1MiB", 2**20),
        ("1 MiB", 2**20),
        ("2GiB", 2**31),
    ],
)
def test_a_size_is_bytes_or_has_a_binary_unit(text: str, size_in_bytes: int) -> None:
    assert size(text) == size_in_bytes


@pytest.mark.parametrize(
    "text",
    ["", "MiB", "1MB", "1M", "1mib", "-1", "1.5MiB", "1  MiB", " 1", "1MiB\n", DIGIT, "9" * 13],
)
def test_what_is_no_size_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(ValueError, match="write 1048576, 512KiB or 1MiB"):
        size(text)


@given(st.integers(0, 10**9 - 1), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_the_parts_of_a_duration_add_up(hours: int, minutes: int, seconds: int, ms: int) -> None:
    text = f"{hours}h{minutes}m{seconds}s{ms}ms"
    assert duration(text) == (hours * 3_600 + minutes * 60 + seconds) * SECOND + ms * MILLISECOND


@given(st.text() | st.text("0123456789ywdhmsKMGiB ."))
def test_any_text_is_a_number_or_a_value_error(text: str) -> None:
    for read in (duration, size):
        try:
            assert read(text) >= 0
        except ValueError as error:
            assert "write" in str(error)
