"""The limit of POSTs against receivers of several kinds, in a clock of the test's own."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function.delivery.adaptive import AdaptiveLimit

# When a POST that begins at a time is over.
Receiver = Callable[[float], float]


def parallel(service: float) -> Receiver:
    """Takes so long for each POST, however many there are."""
    return lambda start: start + service


def serial(service: float) -> Receiver:
    """Takes one POST after the other."""
    free = 0.0

    def over(start: float) -> float:
        nonlocal free
        free = max(free, start) + service
        return free

    return over


def limits(limit: AdaptiveLimit, receiver: Receiver, posts: int, start: float = 0.0) -> list[int]:
    """The limit after each of so many POSTs, when there is always something to post."""
    under_way: list[tuple[float, float]] = []
    found: list[int] = []
    now = start
    for _ in range(posts):
        while len(under_way) < limit.now:
            heapq.heappush(under_way, (receiver(now), now))
        now, began = heapq.heappop(under_way)
        limit.learn(now - began)
        found.append(limit.now)
    return found


def mean(values: list[int]) -> float:
    return sum(values) / len(values)


def test_a_receiver_that_takes_many_at_once_gets_as_many_as_the_setting_allows() -> None:
    assert limits(AdaptiveLimit(8), parallel(0.02), 200)[-1] == 8


def test_a_receiver_that_takes_one_at_a_time_gets_few() -> None:
    assert mean(limits(AdaptiveLimit(16), serial(0.005), 1000)) < 5


def test_one_that_becomes_slower_is_asked_less_until_it_is_the_usual() -> None:
    limit = AdaptiveLimit(8)
    limits(limit, parallel(0.02), 200)
    after = limits(limit, parallel(0.05), 200)
    assert min(after) == 4
    assert after[-1] == 8


def test_single_posts_that_take_long_change_nothing() -> None:
    number = count()
    after = limits(AdaptiveLimit(8), lambda now: now + 0.02 * (1 + next(number) % 3 // 2), 500)
    assert set(after[100:]) == {8}


def test_one_that_becomes_faster_and_then_does_one_at_a_time_gets_few() -> None:
    limit = AdaptiveLimit(8)
    limits(limit, parallel(0.1), 200)
    limits(limit, parallel(0.005), 50)
    assert mean(limits(limit, serial(0.005), 500)[100:]) < 5


def test_four_are_under_way_at_least_for_some_may_hang() -> None:
    seconds = count(1)
    assert min(limits(AdaptiveLimit(8), lambda start: start + 2.0 ** next(seconds), 50)) == 4


@pytest.mark.parametrize("most", [1, 2, 4])
def test_the_setting_is_never_exceeded(most: int) -> None:
    assert set(limits(AdaptiveLimit(most), parallel(0.02), 50)) == {most}


@given(st.integers(1, 20), st.lists(st.floats(0, 100), max_size=200))
def test_whatever_the_times_the_limit_stays_between_one_and_the_setting(
    most: int, times: list[float]
) -> None:
    limit = AdaptiveLimit(most)
    for seconds in times:
        limit.learn(seconds)
        assert 1 <= limit.now <= most
