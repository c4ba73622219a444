"""What is told of the time that is left."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from function.delivery.limits import whole_seconds


@given(st.floats(0, 1e9), st.integers(0, 60))
@example(4.4, 60)  # which rounding up alone takes for 61
def test_so_many_seconds_from_now_are_so_many(now: float, seconds: int) -> None:
    """Whatever the clock shows: 4.4 + 60 - 4.4 is more than 60 in floating point."""
    assert whole_seconds((now + seconds) - now) == seconds


@pytest.mark.parametrize(
    ("seconds", "whole"), [(0.002, 1), (0.9994, 1), (1.0004, 1), (1.002, 2), (59.1, 60)]
)
def test_a_part_of_a_second_is_a_whole_one(seconds: float, whole: int) -> None:
    assert whole_seconds(seconds) == whole
