"""A receiver that asks for a pause gets it, and few requests wait for its end."""

from __future__ import annotations

import threading
import time

import pytest

from function.delivery.places import MOST, Places
from function.receivers import Accepted, Reason, Unavailable
from tests import servers
from tests.delivering import Sender, sender
from tests.servers import Answer, wait_until
from tests.test_alerts import article
from tests.test_delivery import exhaust
from tests.test_receivers import another


def pause(seconds: object, status: int = 429) -> Answer:
    return Answer(status, headers={"retry-after": str(seconds)})


@pytest.mark.parametrize("status", [429, 503])
def test_alerts_wait_and_leave_together_when_the_pause_is_over(status: int) -> None:
    with (
        servers.receiver(pause(1, status), Answer()) as receiver,
        sender(receiver.url, concurrency=1) as opened,
    ):
        start = time.monotonic()
        futures = opened.send([article()])
        wait_until(lambda: receiver.requests)
        for number in range(10):
            futures += opened.send([another(path=f"/{number}")])
        assert {future.result(10) for future in futures} == {Accepted()}
        assert time.monotonic() - start >= 1
        assert [len(body["alerts"]) for body in receiver.bodies] == [1, 11]


def test_a_pause_that_is_too_long_is_told_at_once_with_its_end() -> None:
    with servers.receiver(pause(30), Answer()) as receiver, sender(receiver.url) as opened:
        [first] = opened.outcomes([article()])
        [second] = opened.outcomes([another(path="/b")])
        assert isinstance(first, Unavailable)
        assert (first.reason, first.retry_after) == (Reason.RATE_LIMITED, 30)
        assert isinstance(second, Unavailable)
        assert (second.reason, second.retry_after) == (Reason.BUSY, 30)
        assert len(receiver.requests) == 1


@pytest.mark.parametrize("seconds", [61, 86_400, 10**30])
def test_no_pause_is_believed_for_longer_than_a_minute(seconds: int) -> None:
    with servers.receiver(pause(seconds)) as receiver, sender(receiver.url) as opened:
        [outcome] = opened.outcomes([article()])
    assert isinstance(outcome, Unavailable)
    assert outcome.retry_after == 60


def test_a_pause_until_a_date_is_one_too() -> None:
    from email.utils import formatdate

    date = formatdate(time.time() + 20, usegmt=True)
    with servers.receiver(pause(date)) as receiver, sender(receiver.url) as opened:
        [outcome] = opened.outcomes([article()])
    assert isinstance(outcome, Unavailable)
    assert outcome.retry_after in (19, 20)


def test_at_most_32_requests_wait_and_the_others_may_come_again() -> None:
    with (
        servers.receiver(pause(2), Answer()) as receiver,
        sender(receiver.url, concurrency=1, budget=6) as opened,
    ):
        futures = opened.send([article()])
        wait_until(lambda: receiver.requests)
        time.sleep(0.1)
        for number in range(50):
            futures += opened.send([another(path=f"/{number}")])
        refused = [future.result() for future in futures if future.done()]
        assert len(refused) == 51 - MOST
        assert all(isinstance(each, Unavailable) and each.retry_after for each in refused)
        kinds = [type(future.result(10)) for future in futures]
        assert kinds.count(Accepted) == MOST
        assert futures[0].result() == Accepted(), "who came first waits"


def test_those_who_wait_when_a_pause_begins_are_not_more_than_32_either() -> None:
    with (
        servers.receiver(
            Answer(429, delay=0.3, headers={"retry-after": "1"}), Answer()
        ) as receiver,
        sender(receiver.url, concurrency=1, batch=10) as opened,
    ):
        futures = opened.send([article()])
        wait_until(lambda: receiver.requests)
        for number in range(60):
            futures += opened.send([another(path=f"/{number}")])
        kinds = [type(future.result(10)) for future in futures]
    assert kinds.count(Accepted) == MOST
    assert kinds[:MOST] == [Accepted] * MOST


def test_places_are_given_back() -> None:
    with (
        servers.receiver(pause(1), Answer(), pause(1), Answer()) as receiver,
        sender(receiver.url, concurrency=1) as opened,
    ):
        for _ in range(2):
            assert opened.outcomes([article()]) == [Accepted()]
        assert opened.delivery._places._holders == set()


def test_a_place_is_given_back_where_a_bug_of_ours_ends_the_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (
        servers.receiver(pause(1), Answer()) as receiver,
        sender(receiver.url, concurrency=1) as opened,
    ):
        [future] = opened.send([article()])
        wait_until(lambda: opened.delivery._places._holders)
        exhaust(opened, "request", monkeypatch)
        with pytest.raises(MemoryError):
            future.result(10)
        assert opened.delivery._places._holders == set()


def test_one_request_with_many_alerts_takes_one_place() -> None:
    with (
        servers.receiver(pause(1), Answer()) as receiver,
        sender(receiver.url, concurrency=1, batch=10) as opened,
    ):
        alerts = [another(path=f"/{number}") for number in range(100)]
        assert opened.outcomes(alerts) == [Accepted()] * 100


def test_a_pause_is_no_failure_of_the_receiver() -> None:
    with servers.receiver(pause(1), Answer()) as receiver, sender(receiver.url) as opened:
        assert opened.outcomes([article()]) == [Accepted()]
        assert opened.count("logs_handler_receiver_up") == 1


def test_slack_gets_one_message_at_a_time() -> None:
    with (
        servers.receiver(Answer(200, b"ok", delay=0.05)) as receiver,
        sender(receiver.url, kind="slack", concurrency=8) as opened,
    ):
        sent = [threading.Thread(target=send_some, args=(opened, n)) for n in range(8)]
        for thread in sent:
            thread.start()
        for thread in sent:
            thread.join()
    assert max(receiver.under_way) == 1


def send_some(opened: Sender, number: int) -> None:
    for each in range(5):
        assert opened.outcomes([another(path=f"/{number}/{each}")]) == [Accepted()]


def test_a_holder_has_one_place_however_often_it_asks() -> None:
    places = Places(2)
    assert [places.take(holder) for holder in ("a", "a", "b", "c", "a")] == [
        *(True, True, True),
        *(False, True),
    ]
    places.leave("a")
    places.leave("unknown")
    assert places.take("c")
    assert not places.take("d")
