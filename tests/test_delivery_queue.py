"""A queue and the senders that take from it."""

from __future__ import annotations

import threading
import time

from function.delivery.health import Health
from function.delivery.parcel import Parcel
from function.delivery.places import Places
from function.delivery.queue import Item, Queue
from function.metrics import Metrics
from tests.servers import wait_until
from tests.test_receivers import another


def queue(most: int) -> Queue:
    """One of which so many batches may be taken at a time."""
    return Queue("host:80", most, 30, Health("receiver", "host:80", 30, Metrics()))


def parcel(alerts: int) -> Parcel:
    """One that may wait for a minute, and whose outcomes nobody wants to know."""
    made = [another(path=f"/{number}") for number in range(alerts)]
    return Parcel(made, time.monotonic() + 60, lambda _index, _result: None, Places())


def take_until_the_end(taking: Queue, taken: list[Item]) -> None:
    """A sender's life."""
    batch: list[Item] = []
    while taking.take(batch, 1):
        taken += batch
        batch.clear()
        taking.done()


def test_at_the_end_all_senders_end_also_those_that_waited_for_their_turn() -> None:
    waited_for, taken = queue(most=1), list[Item]()
    waited_for.put(parcel(2))
    assert waited_for.take(taken, 1)
    arguments = (waited_for, taken)
    senders = [
        threading.Thread(target=take_until_the_end, args=arguments, daemon=True) for _ in range(3)
    ]
    for thread in senders:
        thread.start()
    wait_until(lambda: waited_for._idle == 3)
    waited_for.close()
    time.sleep(0.1)  # they look, and wait again: one alert is left, and somebody is busy
    waited_for.done()
    for thread in senders:
        thread.join(10)
    assert not any(thread.is_alive() for thread in senders)
    assert len(taken) == 2
