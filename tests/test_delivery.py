"""Delivery: real POSTs to a real server, and an outcome for each alert whatever happens there."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from function.receivers import Accepted, Outcome, Reason, Refused, Unavailable
from tests import servers
from tests.delivering import NAME, Sender, sender
from tests.servers import Answer, wait_until
from tests.test_alerts import article
from tests.test_receivers import another


def outcome_of(*answers: Answer, timeout: float = 2, budget: float = 4) -> Outcome:
    """What becomes of one alert when the receiver answers so."""
    with (
        servers.receiver(*answers) as receiver,
        sender(receiver.url, timeout=timeout, budget=budget) as opened,
    ):
        [outcome] = opened.outcomes([article()])
        return outcome


def reasons(outcomes: Sequence[Outcome]) -> list[Reason]:
    return [outcome.reason for outcome in outcomes if isinstance(outcome, Unavailable)]


def test_alerts_that_the_receiver_takes_are_accepted() -> None:
    with servers.receiver() as receiver, sender(receiver.url) as opened:
        assert opened.outcomes([article(), another(path="/b")]) == [Accepted()] * 2
        [(headers, _)] = receiver.requests
        [body] = receiver.bodies
    assert headers["content-type"] == "application/json"
    assert len(body["alerts"]) == 2


def test_a_refused_batch_is_halved_until_the_refused_alert_stands_alone() -> None:
    alerts = [another(path=f"/{number}") for number in range(5)]
    with servers.receiver() as receiver, sender(receiver.url) as opened:
        receiver.refuse = ("/3",)
        outcomes = opened.outcomes(alerts)
    assert [type(outcome) for outcome in outcomes] == [Accepted] * 3 + [Refused, Accepted]


def test_a_batch_that_somebody_finds_too_large_is_halved_too() -> None:
    class Small(servers.Receiver):
        def next_answer(self, body: bytes) -> Answer:
            return Answer(413, b"<html>") if body.count(b"startsAt") > 2 else Answer()

    with servers.receiver(kind=Small) as receiver, sender(receiver.url) as opened:
        assert opened.outcomes([another(path=f"/{n}") for n in range(7)]) == [Accepted()] * 7


def test_a_single_alert_that_a_stranger_finds_too_large_may_come_again() -> None:
    outcome = outcome_of(Answer(413, b"<html>too large</html>"))
    assert isinstance(outcome, Unavailable)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(500), Reason.SERVER),
        (Answer(429), Reason.RATE_LIMITED),
        (Answer(404), Reason.NOT_FOUND),
        (Answer(302, headers={"location": "/elsewhere"}), Reason.NOT_FOUND),
        (Answer(drop=True), Reason.CONNECTION),
        (Answer(200, headers={"content-length": "100"}, body=b"cut"), Reason.TIMEOUT),
        (Answer(200, b"<html>login</html>"), Reason.UNEXPECTED),
        (Answer(400, b"Client sent an HTTP request to an HTTPS server.\n"), Reason.UNEXPECTED),
    ],
)
def test_an_alert_that_did_not_get_through_may_come_again(answer: Answer, reason: Reason) -> None:
    outcome = outcome_of(answer, timeout=0.5)
    assert isinstance(outcome, Unavailable)
    assert outcome.reason is reason


def test_a_failure_names_host_and_port_and_nothing_else_of_the_url() -> None:
    port = servers.free_port()
    with sender(f"http://127.0.0.1:{port}/T0/secret?token=1234") as opened:
        [outcome] = opened.outcomes([article()])
    assert isinstance(outcome, Unavailable)
    assert outcome.detail == f"127.0.0.1:{port}: no answer: Connection refused"


def test_many_senders_end_together() -> None:
    for _ in range(10):
        with (
            servers.receiver(Answer(delay=0.01)) as receiver,
            sender(receiver.url, concurrency=8, batch=1) as opened,
        ):
            futures = [opened.send([another(path=f"/{n}")])[0] for n in range(6)]
        assert [future.result(0) for future in futures] == [Accepted()] * 6


def test_an_alert_that_waited_too_long_for_its_turn_is_not_posted_any_more() -> None:
    with (
        servers.receiver(Answer(delay=0.6), Answer()) as receiver,
        sender(receiver.url, concurrency=1, budget=3) as opened,
    ):
        first = opened.send([article()])
        wait_until(lambda: receiver.requests)
        found: list[Outcome | Exception] = []
        late, timely = another(path="/late"), another(path="/timely")
        opened.delivery.submit(
            NAME,
            [late],
            time.monotonic() + 0.2,
            lambda decided: found.extend(result for _, result in decided),
        )
        assert opened.outcomes([timely]) == [Accepted()]
        assert first[0].result(5) == Accepted()
    assert isinstance(found[0], Unavailable)
    assert found[0].reason is Reason.TIMEOUT
    assert b"/late" not in b"".join(body for _, body in receiver.requests)


def test_closing_waits_for_what_is_under_way() -> None:
    with servers.receiver(Answer(delay=0.3)) as receiver:
        with sender(receiver.url) as opened:
            [future] = opened.send([article()])
        assert future.result(0) == Accepted()


class TestGroupCommit:
    """A few senders take whatever is waiting."""

    def test_what_waits_while_a_post_is_under_way_shares_the_next_one(self) -> None:
        with (
            servers.receiver(Answer(delay=0.2)) as receiver,
            sender(receiver.url, concurrency=1, batch=100) as opened,
        ):
            futures = opened.send([article()])
            wait_until(lambda: len(receiver.requests) == 1)
            for number in range(30):
                futures += opened.send([another(path=f"/{number}")])
            assert {future.result(10) for future in futures} == {Accepted()}
        assert [len(body["alerts"]) for body in receiver.bodies] == [1, 30]

    def test_a_post_carries_no_more_than_a_batch(self) -> None:
        with (
            servers.receiver(Answer(delay=0.1)) as receiver,
            sender(receiver.url, concurrency=1, batch=10) as opened,
        ):
            futures = []
            for number in range(12):
                pair = [another(path=f"/{number}"), another(path=f"/{number}b")]
                futures += opened.send(pair)
            futures += opened.send([another(path=f"/large/{n}") for n in range(25)])
            assert {future.result(10) for future in futures} == {Accepted()}
        sizes = [len(body["alerts"]) for body in receiver.bodies]
        assert sum(sizes) == 12 * 2 + 25
        assert max(sizes) == 10

    @pytest.mark.parametrize(
        ("concurrency", "batch", "alerts"),
        [(4, 10, 80), (8, 1, 7)],
        ids=["as many as the setting says", "four at first"],
    )
    def test_the_alerts_of_a_request_are_posted_by_several_senders_at_once(
        self, concurrency: int, batch: int, alerts: int
    ) -> None:
        with (
            servers.receiver(Answer(delay=0.3)) as receiver,
            sender(receiver.url, concurrency=concurrency, batch=batch) as opened,
        ):
            sent = [another(path=f"/{number}") for number in range(alerts)]
            assert opened.outcomes(sent) == [Accepted()] * alerts
        assert max(receiver.under_way) == 4

    def test_each_request_learns_the_outcome_of_its_own_alerts(self) -> None:
        with (
            servers.receiver(Answer(delay=0.1)) as receiver,
            sender(receiver.url, concurrency=1) as opened,
        ):
            receiver.refuse = ("/bad",)
            first = opened.send([article()])
            singles = [opened.send([another(path=path)])[0] for path in ("/a", "/bad", "/c")]
            mixed = opened.send([another(path="/d"), another(path="/bad/e")])
            assert first[0].result(10) == Accepted()
            kinds = [type(future.result(10)) for future in (*singles, *mixed)]
        assert kinds == [Accepted, Refused, Accepted, Accepted, Refused]


class TestTrouble:
    """What the receiver or the network do wrong."""

    @pytest.mark.parametrize("first", [Answer(502), Answer(503), Answer(504), Answer(drop=True)])
    def test_that_often_passes_gets_one_retry(self, first: Answer) -> None:
        with servers.receiver(first, Answer()) as receiver, sender(receiver.url) as opened:
            assert opened.outcomes([article()]) == [Accepted()]
        assert len(receiver.requests) == 2

    def test_that_stays_is_left_to_kafkasource_after_it(self) -> None:
        with servers.receiver(Answer(503)) as receiver, sender(receiver.url) as opened:
            [outcome] = opened.outcomes([article()])
        assert isinstance(outcome, Unavailable)
        assert len(receiver.requests) == 2

    @pytest.mark.parametrize("first", [Answer(500), Answer(429), Answer(400)])
    def test_that_a_moment_does_not_change_gets_none(self, first: Answer) -> None:
        with servers.receiver(first) as receiver, sender(receiver.url) as opened:
            opened.outcomes([article()])
        assert len(receiver.requests) == 1

    def test_that_often_passes_gets_none_where_its_time_is_over_before(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("function.delivery.senders._RETRY_AFTER", 0.9)
        outcome = outcome_of(Answer(503, delay=1), timeout=1.8, budget=1.8)
        assert reasons([outcome]) == [Reason.SERVER], "what it was, and no timeout"

    def test_a_receiver_that_is_away_too_long_is_asked_by_one_request_at_a_time(self) -> None:
        with (
            servers.receiver(Answer(500)) as receiver,
            sender(receiver.url, concurrency=4, budget=1.5) as opened,
        ):
            deadline = time.monotonic() + 1.6
            while time.monotonic() < deadline:
                opened.outcomes([article()])
            receiver.answers = [Answer(500, delay=0.7)]
            receiver.requests.clear()
            futures = opened.send([article()]) + opened.send([another(path="/at-once")])
            wait_until(lambda: receiver.requests)
            futures += [opened.send([another(path=f"/{n}")])[0] for n in range(8)]
            found = reasons([future.result(10) for future in futures])
            assert len(receiver.requests) == 1
            assert found == [Reason.SERVER] + [Reason.BUSY] * 9
            receiver.answers = [Answer(200)]
            assert opened.outcomes([article()]) == [Accepted()], "it is back"
            assert opened.outcomes([article()]) == [Accepted()]

    def test_of_long_ago_holds_nothing_back_today(self) -> None:
        with (
            servers.receiver(Answer(500), Answer(200, delay=0.1)) as receiver,
            sender(receiver.url, budget=1) as opened,
        ):
            opened.outcomes([article()])
            time.sleep(2.2)
            futures = [opened.send([another(path=f"/{n}")])[0] for n in range(10)]
            assert {future.result(10) for future in futures} == {Accepted()}

    def test_that_no_thread_can_be_started_is_over_when_one_can(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with servers.receiver() as receiver, sender(receiver.url) as opened:
            with monkeypatch.context() as broken:
                broken.setattr(threading.Thread, "start", refuse)
                assert reasons(opened.outcomes([article()])) == [Reason.BUSY]
            assert opened.outcomes([article()]) == [Accepted()]
            assert len(receiver.bodies[0]["alerts"]) == 1, "the first was not waiting any more"

    def test_of_our_own_making_ends_no_sender(self) -> None:
        with servers.receiver() as receiver, sender(receiver.url, concurrency=1) as opened:
            broken = article()._replace(starts_at=-(10**30))  # no timestamp can say that
            with pytest.raises(OverflowError):
                opened.outcomes([broken])
            assert opened.outcomes([article()]) == [Accepted()]

    @pytest.mark.parametrize("where", ["request", "take", "log"])
    def test_that_memory_runs_out_ends_no_sender_and_loses_no_alert(
        self, where: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with servers.receiver() as receiver, sender(receiver.url, concurrency=1) as opened:
            assert opened.outcomes([article()]) == [Accepted()]
            with monkeypatch.context() as broken:
                exhaust(opened, where, broken)
                with pytest.raises(MemoryError):
                    opened.outcomes([another(path="/b")])
            assert opened.outcomes([another(path="/b")]) == [Accepted()]

    def test_what_comes_after_the_end_is_refused_at_once(self) -> None:
        with servers.receiver() as receiver, sender(receiver.url) as opened:
            opened.outcomes([article()])
        assert reasons(opened.outcomes([article()])) == [Reason.BUSY]

    def test_shows_whether_the_receiver_works(self) -> None:
        answers = [Answer(500)] * 3 + [Answer()]
        with servers.receiver(*answers) as receiver, sender(receiver.url) as opened:
            address = receiver.url.split("/")[2]
            up = f'logs_handler_receiver_up{{address="{address}",'
            assert opened.count(up) == 1
            for _ in range(3):
                opened.outcomes([article()])
                assert opened.count(up) == 0
            for _ in range(2):
                assert opened.outcomes([article()]) == [Accepted()]
                assert opened.count(up) == 1


def exhaust(opened: Sender, where: str, patch: pytest.MonkeyPatch) -> None:
    """Let memory run out in one place on an alert's way."""

    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    if where == "take":
        patch.setattr("function.delivery.parcel.Parcel.is_wanted", exhausted)
    else:
        patch.setattr(type(opened.delivery.receivers[NAME]), "request", exhausted)
    if where == "log":
        patch.setattr("function.delivery.senders.exception", exhausted)
