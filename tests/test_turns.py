"""Large bodies take turns, one at a time, and wait while many alerts are under way."""

from __future__ import annotations

import threading
import time

import pytest

from function.errors import QueueFull
from function.turns import MANY, Turns
from tests.servers import wait_until


def waiting(turns: Turns, order: list[int], number: int) -> threading.Thread:
    """A thread that notes its number when it has its turn."""

    def wait() -> None:
        with turns.turn():
            order.append(number)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_one_at_a_time_has_its_turn() -> None:
    turns, order = Turns(10), list[int]()
    with turns.turn():
        threads = [waiting(turns, order, number) for number in range(20)]
        time.sleep(0.1)
        assert order == []
    for thread in threads:
        thread.join(5)
    assert sorted(order) == [*range(20)]


def test_a_turn_ends_with_an_error_as_well() -> None:
    turns = Turns(0.1)
    with pytest.raises(ValueError, match="broken"), turns.turn():
        raise ValueError("broken")
    with turns.turn():
        pass


def test_nobody_has_a_turn_while_many_alerts_are_under_way() -> None:
    turns, order = Turns(10), list[int]()
    turns.begin(MANY - 1)
    with turns.turn():
        turns.begin(2)
    thread = waiting(turns, order, 1)
    time.sleep(0.1)
    assert order == []
    turns.end(2)
    thread.join(5)
    assert order == [1]


def test_who_waits_too_long_is_told_what_it_waited_for() -> None:
    turns = Turns(0.1)
    turns.begin(MANY)
    with pytest.raises(QueueFull, match="10000 alerts are waiting already") as caught, turns.turn():
        raise AssertionError
    assert (caught.value.status, caught.value.reason) == (503, "full")


def test_one_that_gives_up_does_not_take_another_ones_turn() -> None:
    turns, order = Turns(0.3), list[int]()
    turns.begin(MANY)
    early = waiting_and_failing(turns)
    time.sleep(0.2)
    late = waiting(turns, order, 2)
    early.join(5)
    turns.end(MANY)
    late.join(5)
    assert order == [2]


def waiting_and_failing(turns: Turns) -> threading.Thread:
    """A thread that waits in vain."""

    def wait() -> None:
        with pytest.raises(QueueFull), turns.turn():
            raise AssertionError

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    wait_until(thread.is_alive)
    return thread
