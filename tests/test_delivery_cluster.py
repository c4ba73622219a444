"""A cluster: every member gets every alert, and none holds the others up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from function.receivers import Accepted, Refused, Unavailable
from tests import servers
from tests.delivering import Sender, sender
from tests.servers import Answer, Receiver, wait_until
from tests.test_alerts import article
from tests.test_receivers import another

HANG = Answer(delay=1.5)


@contextmanager
def cluster(
    *answers: Answer, timeout: float = 0.5, budget: float = 4
) -> Iterator[tuple[Sender, list[Receiver]]]:
    """Members that answer so."""
    with ExitStack() as stack:
        members = [stack.enter_context(servers.receiver(answer)) for answer in answers]
        urls = [member.url for member in members]
        opened = sender(*urls, kind="alertmanager", timeout=timeout, budget=budget)
        yield stack.enter_context(opened), members


def paths(member: Receiver) -> list[str]:
    return [alert["labels"]["path"] for body in member.bodies for alert in body]


def test_every_member_gets_every_alert() -> None:
    with cluster(Answer(), Answer(), Answer()) as (opened, members):
        assert opened.outcomes([article()]) == [Accepted()]
        wait_until(lambda: [len(member.requests) for member in members] == [1, 1, 1])


def test_a_member_that_is_slower_than_its_neighbour_misses_nothing() -> None:
    with cluster(Answer(), Answer(delay=0.03)) as (opened, members):
        for number in range(200):
            opened.send([another(path=f"/{number}")])
            time.sleep(0.002)
        sent = {f"/{number}" for number in range(200)}
        for member in members:
            wait_until(lambda member=member: set(paths(member)) == sent)  # type: ignore[misc]
        assert opened.count("logs_handler_member_missed_alerts_total") == 0


def test_a_member_that_hangs_delays_nobody() -> None:
    with cluster(HANG, Answer()) as (opened, members):
        for number in range(5):
            assert opened.outcomes([another(path=f"/{number}")]) == [Accepted()]
        assert len(members[0].requests) <= 2, "it is still busy with the first"
        assert len(members[1].requests) == 5


def test_a_member_that_comes_back_gets_what_it_has_missed() -> None:
    with cluster(Answer(500), Answer()) as (opened, members):
        assert opened.outcomes([article(), another(path="/b")]) == [Accepted()] * 2
        wait_until(lambda: len(paths(members[0])) == 2)
        time.sleep(0.1)  # the receiver has answered
        members[0].answers = [Answer()]
        wait_until(lambda: len(paths(members[0])) >= 4)
        assert set(paths(members[0])) == {"/notfound", "/b"}
        assert opened.count("logs_handler_member_missed_alerts_total") == 0


def test_what_a_member_has_not_got_in_time_is_counted() -> None:
    with cluster(Answer(500), Answer(), budget=1.5) as (opened, members):
        assert opened.outcomes([article()]) == [Accepted()]
        missed = f'logs_handler_member_missed_alerts_total{{address="{host(members[0])}",'
        wait_until(lambda: opened.count(missed) == 1)


def test_a_member_that_fails_is_asked_once_a_second() -> None:
    with cluster(Answer(500), Answer()) as (opened, members):
        assert opened.outcomes([article()]) == [Accepted()]
        time.sleep(2.5)
        assert len(members[0].requests) <= 3


def test_what_a_member_refuses_and_another_takes_is_counted() -> None:
    with cluster(Answer(400), Answer(delay=0.2)) as (opened, members):
        assert opened.outcomes([article()]) == [Accepted()]
        missed = f'logs_handler_member_missed_alerts_total{{address="{host(members[0])}",'
        wait_until(lambda: opened.count(missed) == 1)
        assert len(members[0].requests) == 1, "it said no: it is not asked again"


def test_a_dead_member_shows() -> None:
    with cluster(Answer(500), Answer()) as (opened, members):
        opened.outcomes([article()])
        dead, alive = (f'logs_handler_receiver_up{{address="{host(each)}",' for each in members)
        wait_until(lambda: opened.count(dead) == 0)
        assert opened.count(alive) == 1
        members[0].answers = [Answer()]
        wait_until(lambda: opened.count(dead) == 1)


def host(member: Receiver) -> str:
    return member.url.split("/")[2]


@pytest.mark.parametrize("other", [Answer(500), Answer(400), Answer(drop=True), HANG])
def test_an_alert_is_accepted_when_one_member_has_it(other: Answer) -> None:
    with cluster(other, Answer(), other) as (opened, _):
        assert opened.outcomes([article()]) == [Accepted()]


def test_an_alert_may_come_again_while_one_member_may_still_take_it() -> None:
    with cluster(Answer(400), Answer(500)) as (opened, _):
        [outcome] = opened.outcomes([article()])
    assert isinstance(outcome, Unavailable)


def test_what_all_members_refuse_is_refused() -> None:
    with cluster(Answer(400), Answer(422)) as (opened, _):
        [outcome] = opened.outcomes([article()])
    assert isinstance(outcome, Refused)


def test_that_all_members_fail_is_told_at_once() -> None:
    with cluster(Answer(500), Answer(500), budget=30) as (opened, members):
        [outcome] = opened.outcomes([article()])  # not when the time for trying copies is over
        assert isinstance(outcome, Unavailable)
        time.sleep(1.5)
        assert [len(member.requests) for member in members] == [1, 1], "it comes again by itself"


def test_one_members_pause_keeps_nobody_waiting() -> None:
    pause = Answer(429, headers={"retry-after": "1"})
    with cluster(pause, Answer()) as (opened, members):
        for number in range(50):
            assert opened.outcomes([another(path=f"/{number}")]) == [Accepted()]
        members[0].answers = [Answer()]
        members[0].requests.clear()
        wait_until(lambda: set(paths(members[0])) == {f"/{number}" for number in range(50)})
    assert len(members[0].requests) == 1, "all that waited left together"


def test_where_all_others_fail_nobody_waits_for_a_long_pause() -> None:
    pause = Answer(429, headers={"retry-after": "20"})
    with cluster(pause, Answer(500, delay=0.3), budget=30) as (opened, _):
        [outcome] = opened.outcomes([article()])
    assert isinstance(outcome, Unavailable)


def test_at_the_end_copies_are_delivered_before_it() -> None:
    with ExitStack() as stack, cluster(Answer(delay=0.3), Answer()) as (opened, members):
        stack.callback(lambda: None)
        for number in range(20):
            assert opened.outcomes([another(path=f"/{number}")]) == [Accepted()]
        opened.delivery.close()
        assert len(set(paths(members[0]))) == 20
