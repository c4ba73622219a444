"""Moments are nanoseconds; RFC 3339 is how they are read and written."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function.formats import timestamps
from function.formats.timestamps import MAXIMUM, SECOND

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
DIGIT = "\N{ARABIC-INDIC DIGIT TWO}"
AUGUST_25 = 1_629_856_477 * SECOND  # 2021-08-25T01:54:37Z

# What Go's time.RFC3339Nano prints, which is what container runtimes and Alertmanager write.
AS_GO_WRITES = [
    ("1970-01-01T00:00:00Z", 0),
    ("1970-01-01T00:00:00.000000001Z", 1),
    ("2021-08-25T01:54:37Z", AUGUST_25),
    ("2021-08-25T01:54:37.1Z", AUGUST_25 + 100_000_000),
    ("2021-08-25T01:54:37.026757612Z", AUGUST_25 + 26_757_612),
    ("2021-08-25T01:54:37.22675Z", AUGUST_25 + 226_750_000),
    ("2021-08-25T01:54:37.000000005Z", AUGUST_25 + 5),
    ("2021-08-25T01:54:37.999999999Z", AUGUST_25 + 999_999_999),
    ("2024-02-29T23:59:59Z", 1_709_251_199 * SECOND),
    ("9999-12-31T23:59:59Z", MAXIMUM),
]


@pytest.mark.parametrize(("text", "moment"), AS_GO_WRITES)
def test_a_moment_is_read_and_written_as_go_does(text: str, moment: int) -> None:
    assert timestamps.parse(text) == moment
    assert timestamps.format(moment) == text


@pytest.mark.parametrize(
    "text",
    [
        "2021-08-25T03:54:37+02:00",
        "2021-08-24T20:24:37-05:30",
        "2021-08-25T01:54:37+00:00",
        "2021-08-25T01:54:37-00:00",
        "2021-08-26T01:53:37+23:59",
        "2021-08-25t01:54:37z",
        "2021-08-25 01:54:37Z",  # RFC 3339 §5.6 lets applications use a space
        "2021-08-25T01:54:37.0Z",
        "2021-08-25T01:54:37.000000000999Z",  # cut off, not rounded up
    ],
)
def test_the_same_moment_written_otherwise(text: str) -> None:
    assert timestamps.parse(text) == AUGUST_25


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "1629856477",
        "2021-08-25",
        "2021-08-25T01:54:37",  # whose time? RFC 3339 has no local time
        "2021-08-25T01:54:37.Z",
        "2021-08-25T01:54:37,5Z",
        "2021-08-25T01:54Z",
        "2021-08-25T01:54:Z",  # Python 3.11 and later make a time with a zone of the beginning
        "2021-08-25T01:54:3Z",
        "2021-08-25T01:54+01:00",
        "2021-08-25T01:54:+1:00",
        "2021-08-25T0154:37Z",
        "2021-8-25T01:54:37Z",
        "20210825T015437Z",
        "2021-W34-3T01:54:37Z",
        "2021-08-25_01:54:37Z",
        "2021-02-29T01:54:37Z",
        "2021-13-25T01:54:37Z",
        "2021-08-25T25:54:37Z",
        "2021-08-25T01:60:37Z",
        "2021-08-25T01:54:60Z",
        "2021-08-25T01:54:37+0200",
        "2021-08-25T01:54:37+02",
        "2021-08-25T01:54:37+02:0",
        "2021-08-25T01:54:37+02:000",
        "2021-08-25T01:54:37+02:00:00",
        "2021-08-25T01:54:37+24:00",
        "2021-08-25T01:54:37+00:60",
        "2021-08-25T01:54:37ZZ",
        "2021-08-25T01:54:37Z ",
        " 2021-08-25T01:54:37Z",
        "2021-08-25T01:54:37 UTC",
        f"{DIGIT * 4}-08-25T01:54:37Z",
        f"2021-08-25T01:54:37.{DIGIT}Z",
        f"2021-08-25T01:54:37+{DIGIT * 2}:00",
        "0000-08-25T01:54:37Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
    ],
)
def test_what_is_no_rfc_3339_timestamp_of_our_time_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|year|month|day|hour|minute|second|format"):
        timestamps.parse(text)


@given(st.integers(0, MAXIMUM))
def test_what_is_written_is_read_back(moment: int) -> None:
    assert timestamps.parse(timestamps.format(moment)) == moment


@given(st.integers(0, MAXIMUM))
def test_what_is_written_has_no_zeros_at_the_end_and_is_utc(moment: int) -> None:
    text = timestamps.format(moment)
    assert text.endswith("Z")
    assert "." not in text or text[-2] != "0"


@given(
    st.datetimes(
        datetime(1970, 1, 2),
        datetime(9999, 12, 30),
        timezones=st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m))),
    )
)
def test_python_writes_the_same_moment(moment: datetime) -> None:
    microseconds = (moment - EPOCH) // timedelta(microseconds=1)
    assert timestamps.parse(moment.isoformat()) == microseconds * 1_000


pieces = st.sampled_from([*"0123456789-:TtZz+., W", "2021-08-25T01:54:37", "01:54", "+02:00"])
joined = st.lists(pieces).map("".join)
near_misses = joined.map(lambda tail: "2021-08-25T01:5" + tail)


@given(st.text() | joined | near_misses)
def test_junk_is_a_value_error_and_nothing_else(text: str) -> None:
    junk(text)


@given(st.data())
def test_a_timestamp_with_any_part_changed_or_left_out_is_read_or_a_value_error(
    data: st.DataObject,
) -> None:
    zone = data.draw(st.sampled_from(["Z", ".226757612Z", ".226757612+02:00"]))
    good = f"2021-08-25T01:54:37{zone}"
    start = data.draw(st.integers(0, len(good)))
    end = start + data.draw(st.integers(0, 4))
    junk(good[:start] + data.draw(st.just("") | pieces | st.characters()) + good[end:])


def junk(text: str) -> None:
    """Parse what may be a timestamp; any other error than ValueError fails the test."""
    try:
        moment = timestamps.parse(text)
    except ValueError:
        return
    assert 0 <= moment <= MAXIMUM
