"""A queue and the senders that take from it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from function.delivery.health import Health
from function.delivery.parcel import Parcel, Result
from function.delivery.places import Places
from function.delivery.queue import Item, Queue
from function.metrics import Metrics
from function.receivers import Reason, Unavailable
from tests.servers import wait_until
from tests.test_alerts import article

HEAVY = "x" * 4_000  # in each of 20 000 alerts: more than may wait
PAUSE = Unavailable(Reason.RATE_LIMITED, "", retry_after=10)


def queue(most: int) -> Queue:
    """One of which so many batches may be taken at a time."""
    return Queue("host:80", most, 30, Health("receiver", "host:80", 30, Metrics()))


def parcel(
    alerts: int, told: list[Result] | None = None, text: str = "", seconds: float = 60
) -> Parcel:
    """One that may wait so long; ``text`` stands in each alert, for its weight."""
    heard: list[Result] = [] if told is None else told
    made = [article()._replace(annotations={"text": text})] * alerts
    deadline = time.monotonic() + seconds

    def settled(decided: Sequence[tuple[int, Result]]) -> None:
        heard.extend(result for _, result in decided)

    return Parcel(made, deadline, settled, Places())


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


def test_it_is_full_when_what_waits_is_both_many_alerts_and_much_text() -> None:
    filled, told, text = queue(most=1), list[Result](), HEAVY
    filled.put(parcel(19_990, told, text))
    filled.put(parcel(10, told, text))
    assert (len(filled), told) == (20_000, []), "as many may wait whatever they weigh"
    filled.put(parcel(2, told, text))
    assert told == [Unavailable(Reason.FULL, "host:80: 20000 alerts are waiting already")] * 2
    filled.put(parcel(1, told))
    assert len(told) == 3, "nor a light one"


def test_it_takes_again_when_what_waited_has_been_taken() -> None:
    emptied, told, taken = queue(most=1), list[Result](), list[Item]()
    emptied.put(parcel(20_000, told, HEAVY))
    assert emptied.take(taken, 19_999)
    emptied.put(parcel(25_000, told))
    assert (len(emptied), told) == (25_001, []), "light ones may be many"


def test_it_stays_full_while_little_of_what_waited_is_taken() -> None:
    full, told, taken = queue(most=1), list[Result](), list[Item]()
    full.put(parcel(20_000, told, HEAVY))
    assert full.take(taken, 100)
    full.put(parcel(101, told, HEAVY))
    assert [type(result) for result in told] == [Unavailable] * 101


def test_what_a_pause_brings_back_weighs_as_before() -> None:
    paused, told, taken = queue(most=1), list[Result](), list[Item]()
    paused.put(parcel(20_000, told, HEAVY))
    assert paused.take(taken, 20_000)
    paused.pause(taken, PAUSE)
    paused.put(parcel(1, told, HEAVY))
    assert len(told) == 1


def test_what_a_pause_sends_away_weighs_nothing_any_more() -> None:
    paused, told = queue(most=1), list[Result]()
    paused.put(parcel(10_000, told, HEAVY))
    paused.put(parcel(10_000, told, HEAVY, seconds=5))
    paused.pause([], PAUSE)
    assert (len(paused), len(told)) == (10_000, 10_000), "those that have no time for it"
    paused.put(parcel(10_001))
    assert len(paused) == 20_001, "light ones fit"
    paused.put(parcel(5_000, told, HEAVY))
    assert len(told) == 15_000, "heavy ones do not"
