"""Delivery: real POSTs to a real server, and an outcome for each alert whatever happens there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from function import receivers
from function.delivery import Delivery
from function.receivers import Accepted, Outcome, Reason, Refused, Unavailable
from tests import servers
from tests.servers import Answer
from tests.test_alerts import article
from tests.test_receivers import another


@contextmanager
def delivery(url: str, *, timeout: float = 2, budget: float = 4) -> Iterator[Delivery]:
    """A delivery to Notification Manager at a URL."""
    receiver = receivers.create("notification-manager", url)
    opened = Delivery(receiver, concurrency=2, post_timeout=timeout, budget=budget)
    try:
        yield opened
    finally:
        opened.close()


def outcome_of(*answers: Answer, timeout: float = 2, budget: float = 4) -> Outcome:
    """What comes of one alert when the receiver answers so."""
    with (
        servers.receiver(*answers) as receiver,
        delivery(receiver.url, timeout=timeout, budget=budget) as sender,
    ):
        [outcome] = sender.submit([article()]).result(10)
        return outcome


def test_an_alert_that_the_receiver_takes_is_accepted() -> None:
    with servers.receiver() as receiver, delivery(receiver.url) as sender:
        assert sender.submit([article(), another(path="/b")]).result(10) == [Accepted()] * 2
        [(headers, body)] = receiver.requests
    assert headers["content-type"] == "application/json"
    assert len(json.loads(body)["alerts"]) == 2


def test_one_connection_serves_many_posts() -> None:
    with servers.receiver(Answer(200, b"x" * 5000)) as receiver, delivery(receiver.url) as sender:
        for _ in range(5):
            sender.submit([article()]).result(10)
        assert len(receiver.requests) == 5
        assert len(receiver.connections) == 1


def test_a_refused_lot_is_split_until_the_refused_alert_stands_alone() -> None:
    alerts = [another(path=f"/{number}") for number in range(5)]
    with servers.receiver() as receiver, delivery(receiver.url) as sender:
        receiver.refuse = ("/3",)
        outcomes = sender.submit(alerts).result(10)
    refused = Refused(Reason.REFUSED, "answered 400: refused")
    assert outcomes == [Accepted(), Accepted(), Accepted(), refused, Accepted()]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(500), Reason.SERVER),
        (Answer(429), Reason.RATE_LIMITED),
        (Answer(404), Reason.NOT_FOUND),
        (Answer(302, headers={"location": "/elsewhere"}), Reason.NOT_FOUND),
        (Answer(drop=True), Reason.CONNECTION),
        (Answer(200, headers={"content-length": "100"}, body=b"cut"), Reason.CONNECTION),
    ],
)
def test_an_alert_that_did_not_get_through_may_come_again(answer: Answer, reason: Reason) -> None:
    outcome = outcome_of(answer, timeout=0.5)
    assert isinstance(outcome, Unavailable)
    assert outcome.reason is reason


def test_a_receiver_that_hangs_is_left_after_the_time_for_one_post() -> None:
    outcome = outcome_of(Answer(delay=3), timeout=0.2)
    assert outcome == Unavailable(Reason.TIMEOUT, "no answer in time")


def test_a_receiver_that_is_not_there_is_told_without_the_url_which_may_be_a_secret() -> None:
    port = servers.free_port()
    with delivery(f"http://127.0.0.1:{port}/T0/secret") as sender:
        [outcome] = sender.submit([article()]).result(10)
    assert outcome == Unavailable(Reason.CONNECTION, "no answer: Connection refused")


def test_an_alert_that_waited_too_long_for_its_turn_is_not_posted_any_more() -> None:
    with (
        servers.receiver(Answer(delay=0.4)) as receiver,
        delivery(receiver.url, timeout=1, budget=0.3) as sender,
    ):
        futures = [sender.submit([article()]) for _ in range(4)]
        outcomes = [future.result(10)[0] for future in futures]
    assert (
        outcomes[2:]
        == [Unavailable(Reason.TIMEOUT, "the receiver was busy for the whole time")] * 2
    )
    assert len(receiver.requests) == 2


def test_the_receiver_says_when_to_come_back() -> None:
    outcome = outcome_of(Answer(503, headers={"retry-after": "17"}))
    assert isinstance(outcome, Unavailable)
    assert outcome.retry_after == 17


def test_closing_waits_for_what_is_under_way() -> None:
    with servers.receiver(Answer(delay=0.3)) as receiver:
        with delivery(receiver.url) as sender:
            future = sender.submit([article()])
        assert future.done()
        assert future.result() == [Accepted()]


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{servers.free_port()}")
    assert outcome_of(Answer()) == Accepted()
