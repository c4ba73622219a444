"""What was delivered is remembered: for a time, and within bounded memory."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from function.state.delivered import ENTRY, Delivered


class Clock:
    now = 1

    def __call__(self) -> int:
        return self.now


def test_a_key_is_remembered_until_its_time_is_over() -> None:
    clock = Clock()
    delivered = Delivered(clock=clock)
    assert not delivered.holds(b"a")
    delivered.remember(b"a", 100)
    clock.now += 99
    assert delivered.holds(b"a")
    assert not delivered.holds(b"b")
    clock.now += 1
    assert not delivered.holds(b"a")


@given(st.lists(st.sampled_from([bytes([n]) for n in range(20)]), max_size=60))
def test_it_is_bounded_and_forgets_the_oldest(keys: list[bytes]) -> None:
    delivered = Delivered(5 * ENTRY, Clock())
    for key in keys:
        delivered.remember(key, 100)
    newest = list(dict.fromkeys(reversed(keys)))[:5]
    assert {key for key in keys if delivered.holds(key)} == set(newest)


def test_a_key_takes_no_more_than_is_reckoned_for_it() -> None:
    tracemalloc.start()
    try:
        delivered = Delivered(50_000 * ENTRY, Clock())
        for number in range(150_000):
            delivered.remember(number.to_bytes(16, "big"), number)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken <= 50_000 * ENTRY


def test_what_is_over_takes_no_memory() -> None:
    clock = Clock()
    delivered = Delivered(clock=clock)
    for number in range(1_000):
        delivered.remember(number.to_bytes(16, "big"), 100)
        clock.now += 10
    assert len(delivered._until) <= 10
