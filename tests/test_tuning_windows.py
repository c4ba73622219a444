"""The autoscaler's windows: as Knative's own, and by the rules that its vectors do not reach."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tuning import vectors
from tuning.windows import BucketedWindow, MaxWindow

BOTH = pytest.mark.parametrize("path", [vectors.SHARE, vectors.ALL], ids=["share", "all"])
VALUES = st.lists(st.integers(0, 1000).map(float), min_size=1, max_size=200)
WINDOWS = st.integers(1, 90)


@BOTH
@pytest.mark.parametrize("since_1970", [True, False])
def test_averages_agree_with_the_real_window(path: Path, since_1970: bool) -> None:
    for case in vectors.of(path, "windows"):
        begin = case["epoch"] if since_1970 else 0
        window = BucketedWindow(case["window_s"], case["granularity_s"])
        for op in case["ops"]:
            t = begin + op["t"]
            if op["op"] == "record":
                window.record(t, op["v"])
                continue
            assert window.average(t) == op["linear"], op
            assert window.weighted_average(t) == pytest.approx(op["weighted"], rel=1e-14), op
            assert window.is_empty(t) is op["empty"], op


@BOTH
def test_maxima_agree_with_the_real_window(path: Path) -> None:
    for case in vectors.of(path, "max_windows"):
        window = MaxWindow(case["window_s"], case["granularity_s"])
        for op in case["ops"]:
            window.record(op["t"], op["v"])
            assert window.current() == op["max"], op


@given(VALUES, WINDOWS)
def test_a_value_a_second_gives_the_mean_of_the_last_ones(values: list[float], size: int) -> None:
    window = BucketedWindow(size, 1)
    for t, value in enumerate(values):
        window.record(t, value)
    last = values[-size:]
    expected = math.fsum(last) / len(last)
    assert window.average(len(values) - 1) == pytest.approx(expected, abs=1e-6)


@given(VALUES, WINDOWS, st.integers(1, 200))
def test_silence_does_not_dilute_the_average_and_ends_with_the_window(
    values: list[float], size: int, silence: int
) -> None:
    window = BucketedWindow(size, 1)
    for t, value in enumerate(values):
        window.record(t, value)
    still = values[-size:][max(0, silence - max(0, size - len(values))) :]
    now = len(values) - 1 + silence
    assert window.is_empty(now) is (silence > size)
    expected = math.fsum(still) / len(still) if still and silence < size else 0.0
    assert window.average(now) == pytest.approx(expected, abs=1e-6)


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 100)), max_size=40), st.floats(0, 80))
def test_the_same_times_a_day_later_give_the_same(
    records: list[tuple[float, float]], now: float
) -> None:
    early, late = BucketedWindow(20, 1), BucketedWindow(20, 1)
    for t, value in records:
        early.record(math.floor(t), value)
        late.record(math.floor(t) + 86_400, value)
    now = math.floor(now)
    assert early.average(now) == late.average(now + 86_400)
    assert early.weighted_average(now) == late.weighted_average(now + 86_400)


@given(VALUES, WINDOWS)
def test_a_weighted_average_lies_between_nothing_and_the_largest_value(
    values: list[float], size: int
) -> None:
    window = BucketedWindow(size, 1)
    for t, value in enumerate(values):
        window.record(t, value)
        assert 0 <= window.weighted_average(t) <= max(values) * (1 + 1e-9)


def test_a_weighted_average_of_one_value_all_the_time_is_nearly_that_value() -> None:
    window = BucketedWindow(60, 1)
    for t in range(200):
        window.record(t, 10.0)
    assert window.weighted_average(199) == pytest.approx(10, rel=1e-3)


def test_a_window_without_a_value_says_nothing() -> None:
    window = BucketedWindow(60, 1)
    assert (window.average(5), window.weighted_average(5), window.is_empty(5)) == (0, 0, True)
    assert MaxWindow(60, 2).current() == 0


def test_a_value_that_is_a_window_too_late_is_dropped() -> None:
    window = BucketedWindow(10, 1)
    window.record(100, 4)
    window.record(90, 1000)
    assert window.average(100) == 4
    window.record(91, 6)
    assert window.average(100) == 1  # ten buckets from the earliest one on


@given(
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 9)), min_size=1, max_size=100),
    st.integers(1, 30),
    st.sampled_from([1, 2, 5]),
)
def test_the_maximum_is_that_of_the_last_buckets(
    steps: list[tuple[int, int]], size: int, granularity: int
) -> None:
    window, t, seen = MaxWindow(size, granularity), 0, []
    for pause, value in steps:
        t += pause
        window.record(t, value)
        seen.append((t // granularity, value))
        since = t // granularity - math.ceil(size / granularity)
        assert window.current() == max(kept for bucket, kept in seen if bucket > since)
