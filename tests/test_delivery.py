"""Delivery: real POSTs to a real server, and an outcome for each alert whatever happens there."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress

import pytest

from function import receivers
from function.delivery import Delivery, Limits, Waiting
from function.metrics import Metrics
from function.posting import Posters
from function.receivers import Accepted, Outcome, Reason, Refused, Unavailable
from tests import servers
from tests.servers import Answer
from tests.test_alerts import article
from tests.test_receivers import another


@contextmanager
def delivery(
    url: str, *, timeout: float = 2, budget: float = 4, concurrency: int = 2, batch: int = 100
) -> Iterator[Delivery]:
    """A delivery to Notification Manager at a URL."""
    receiver = receivers.create("notification-manager", [url])
    opened = Delivery(receiver, Limits(concurrency, batch, timeout, budget), Metrics())
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
    with (
        servers.receiver(Answer(200, b"x" * 5000)) as receiver,
        delivery(receiver.url, concurrency=1) as sender,
    ):
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
        (Answer(200, headers={"content-length": "100"}, body=b"cut"), Reason.TIMEOUT),
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
    assert outcome == Unavailable(Reason.CONNECTION, "no answer: Connection refused", passing=True)


@pytest.mark.parametrize("url", ["https://\\hooks.slack.com/T0/secret", "http://*.x/secret"])
def test_a_url_that_no_request_can_be_made_for_is_told_without_it(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with delivery(url) as sender:
        [outcome] = sender.submit([article()]).result(10)
    assert isinstance(outcome, Unavailable)
    assert "secret" not in outcome.detail + caplog.text


def test_many_senders_end_together() -> None:
    for _ in range(10):
        with (
            servers.receiver(Answer(delay=0.01)) as receiver,
            delivery(receiver.url, concurrency=8, batch=1) as sender,
        ):
            waiting = [sender.submit([another(path=f"/{n}")]) for n in range(6)]
        assert all(each.result(0) == [Accepted()] for each in waiting)


def test_an_alert_that_waited_too_long_for_its_turn_is_not_posted_any_more() -> None:
    now = time.monotonic()
    late = Waiting([another(path="/late")], Future(), deadline=now - 1)
    timely = Waiting([another(path="/timely")], Future(), deadline=now + 5)
    with servers.receiver() as receiver, delivery(receiver.url) as sender:
        posters = Posters(sender.receiver)
        sender._deliver(posters, [late, timely])
        posters.close()
    busy = Unavailable(Reason.TIMEOUT, "the receiver was busy for the whole time")
    assert late.future.result(0) == [busy]
    assert timely.future.result(0) == [Accepted()]
    assert b"/late" not in receiver.requests[0][1]


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


class TestGroupCommit:
    """A few senders take whatever is waiting."""

    def test_what_waits_while_a_post_is_under_way_shares_the_next_one(self) -> None:
        with (
            servers.receiver(Answer(delay=0.2)) as receiver,
            delivery(receiver.url, concurrency=1, batch=100) as sender,
        ):
            first = sender.submit([article()])
            wait_until(lambda: len(receiver.requests) == 1)
            others = [sender.submit([another(path=f"/{number}")]) for number in range(30)]
            outcomes = [future.result(10) for future in (first, *others)]
        assert outcomes == [[Accepted()]] * 31
        assert [len(body["alerts"]) for body in receiver.bodies] == [1, 30]

    def test_a_post_carries_no_more_than_a_batch(self) -> None:
        with (
            servers.receiver(Answer(delay=0.1)) as receiver,
            delivery(receiver.url, concurrency=1, batch=10) as sender,
        ):
            futures = [
                sender.submit([another(path=f"/{n}"), another(path=f"/{n}b")]) for n in range(12)
            ]
            large = sender.submit([another(path=f"/large/{n}") for n in range(25)])
            outcomes = [future.result(10) for future in futures]
            assert large.result(10) == [Accepted()] * 25
        assert outcomes == [[Accepted()] * 2] * 12
        sizes = [len(body["alerts"]) for body in receiver.bodies]
        assert sum(sizes) == 12 * 2 + 25
        assert max(sizes) == 10

    def test_each_request_learns_the_outcome_of_its_own_alerts(self) -> None:
        with (
            servers.receiver(Answer(delay=0.1)) as receiver,
            delivery(receiver.url, concurrency=1) as sender,
        ):
            receiver.refuse = ("/bad",)
            first = sender.submit([article()])
            futures = [sender.submit([another(path=path)]) for path in ("/a", "/bad", "/c")]
            mixed = sender.submit([another(path="/d"), another(path="/bad/e")])
            assert first.result(10) == [Accepted()]
            kinds = [type(future.result(10)[0]) for future in futures]
            assert kinds == [Accepted, Refused, Accepted]
            assert [type(outcome) for outcome in mixed.result(10)] == [Accepted, Refused]

    def test_alerts_of_different_lines_all_go_out_though_labels_and_time_are_the_same(self) -> None:
        lines = [article()._replace(annotations={"log": f"db{number} down"}) for number in range(5)]
        with servers.receiver() as receiver, delivery(receiver.url) as sender:
            assert sender.submit(lines).result(10) == [Accepted()] * 5
        assert [len(body["alerts"]) for body in receiver.bodies] == [5]

    def test_identical_alerts_go_out_once(self) -> None:
        with servers.receiver() as receiver, delivery(receiver.url) as sender:
            assert sender.submit([article()] * 5).result(10) == [Accepted()] * 5
        assert [len(body["alerts"]) for body in receiver.bodies] == [1]


class TestACluster:
    """Several URLs: the same alerts to all members, as Prometheus posts to Alertmanagers."""

    @staticmethod
    @contextmanager
    def of(*answers: Answer) -> Iterator[tuple[Delivery, list[servers.Receiver]]]:
        with ExitStack() as stack:
            members = [stack.enter_context(servers.receiver(answer)) for answer in answers]
            receiver = receivers.create("alertmanager", [member.url for member in members])
            opened = Delivery(receiver, Limits(2, 100, 0.5, 4), Metrics())
            stack.callback(opened.close)
            yield opened, members

    def test_gets_every_alert_at_every_member(self) -> None:
        with self.of(Answer(), Answer(), Answer()) as (sender, members):
            assert sender.submit([article()]).result(10) == [Accepted()]
            wait_until(lambda: [len(member.requests) for member in members] == [1, 1, 1])

    def test_is_as_fast_as_its_fastest_member_though_one_hangs(self) -> None:
        with self.of(Answer(delay=0.6), Answer(200)) as (sender, members):
            start = time.monotonic()
            for number in range(5):
                assert sender.submit([another(path=f"/{number}")]).result(10) == [Accepted()]
            assert time.monotonic() - start < 1.5, "waiting for the other takes 2.5 s"
            assert len(members[1].requests) == 5

    @pytest.mark.parametrize(
        "other", [Answer(500), Answer(400), Answer(drop=True), Answer(delay=1)]
    )
    def test_has_an_alert_when_one_member_has_it(self, other: Answer) -> None:
        with self.of(other, Answer(200), other) as (sender, _):
            assert sender.submit([article()]).result(10) == [Accepted()]

    def test_is_asked_again_while_one_member_may_still_take_it(self) -> None:
        with self.of(Answer(400), Answer(500)) as (sender, _):
            [outcome] = sender.submit([article()]).result(10)
        assert isinstance(outcome, Unavailable)

    def test_refuses_what_all_members_refuse(self) -> None:
        with self.of(Answer(400), Answer(422)) as (sender, _):
            [outcome] = sender.submit([article()]).result(10)
        assert isinstance(outcome, Refused)


class TestTrouble:
    """What the receiver or the network do wrong."""

    @pytest.mark.parametrize("first", [Answer(502), Answer(503), Answer(504), Answer(drop=True)])
    def test_that_often_passes_gets_one_retry(self, first: Answer) -> None:
        with servers.receiver(first, Answer(200)) as receiver, delivery(receiver.url) as sender:
            assert sender.submit([article()]).result(10) == [Accepted()]
        assert len(receiver.requests) == 2

    def test_that_stays_is_left_to_kafkasource_after_it(self) -> None:
        with servers.receiver(Answer(503)) as receiver, delivery(receiver.url) as sender:
            assert sender.submit([article()]).result(10) == [
                Unavailable(Reason.SERVER, "answered 503", passing=True)
            ]
        assert len(receiver.requests) == 2

    @pytest.mark.parametrize("first", [Answer(500), Answer(429), Answer(400)])
    def test_that_a_moment_does_not_mend_gets_none(self, first: Answer) -> None:
        with servers.receiver(first) as receiver, delivery(receiver.url) as sender:
            sender.submit([article()]).result(10)
        assert len(receiver.requests) == 1

    @pytest.mark.parametrize(
        "drip",
        [
            b"H",  # the head never ends
            b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n",  # the body does not
        ],
    )
    def test_an_answer_that_drips_is_left_after_the_time_for_one_post(self, drip: bytes) -> None:
        with dripping(drip) as url, delivery(url, timeout=0.4) as sender:
            start = time.monotonic()
            [outcome] = sender.submit([article()]).result(10)
            assert time.monotonic() - start < 2
        assert outcome == Unavailable(Reason.TIMEOUT, "no answer in time")

    def test_garbage_for_an_answer_is_no_answer(self) -> None:
        with dripping(b"\x00garbage\r\n\r\n") as url, delivery(url, timeout=0.4) as sender:
            [outcome] = sender.submit([article()]).result(10)
        assert isinstance(outcome, Unavailable)

    def test_a_queue_that_is_full_answers_at_once(self) -> None:
        with (
            servers.receiver(Answer(delay=1)) as receiver,
            delivery(receiver.url, concurrency=1, batch=2) as sender,
        ):
            futures = [sender.submit([another(path=f"/{n}")]) for n in range(30)]
            wait_until(lambda: sum(future.done() for future in futures) > 0)
            refused = [future.result()[0] for future in futures if future.done()]
        assert refused[0] == Unavailable(Reason.BUSY, "20 alerts are waiting already")

    def test_a_receiver_that_is_away_too_long_is_asked_by_one_request_at_a_time(self) -> None:
        with (
            servers.receiver(Answer(500, delay=0.1)) as receiver,
            delivery(receiver.url, concurrency=4, budget=0.3) as sender,
        ):
            deadline = time.monotonic() + 0.5
            while time.monotonic() < deadline:
                sender.submit([article()]).result(10)
            receiver.requests.clear()
            futures = [sender.submit([another(path=f"/{n}")]) for n in range(10)]
            outcomes = [future.result(10)[0] for future in futures]
            assert len(receiver.requests) == 1
            reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, Unavailable)]
            assert reasons == [Reason.SERVER] + [Reason.BUSY] * 9

            receiver.answers = [Answer(200)]
            assert sender.submit([article()]).result(10) == [Accepted()], "it is back"
            assert sender.submit([article()]).result(10) == [Accepted()]

    def test_a_receiver_that_asks_for_a_pause_gets_it(self) -> None:
        slow_down = Answer(429, headers={"retry-after": "1"})
        with servers.receiver(slow_down, Answer(200)) as receiver, delivery(receiver.url) as sender:
            sender.submit([article()]).result(10)
            assert sender.submit([article()]).result(0) == [
                Unavailable(Reason.BUSY, "the receiver has asked for a pause", retry_after=1)
            ]
            time.sleep(1)
            assert sender.submit([article()]).result(10) == [Accepted()]
        assert len(receiver.requests) == 2

    def test_of_long_ago_holds_nothing_back_today(self) -> None:
        with (
            servers.receiver(Answer(500), Answer(200, delay=0.1)) as receiver,
            delivery(receiver.url, budget=0.5) as sender,
        ):
            sender.submit([article()]).result(10)
            time.sleep(1.1)
            futures = [sender.submit([another(path=f"/{n}")]) for n in range(10)]
            assert [future.result(10) for future in futures] == [[Accepted()]] * 10

    def test_that_no_thread_can_be_started_is_over_when_one_can(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with servers.receiver() as receiver, delivery(receiver.url) as sender:
            with monkeypatch.context() as broken:
                broken.setattr(threading.Thread, "start", refuse)
                with pytest.raises(RuntimeError):
                    sender.submit([article()])
            assert sender.submit([article()]).result(10) == [Accepted()]
            assert len(receiver.bodies[0]["alerts"]) == 1, "the first was never waiting"

    def test_of_our_own_making_ends_no_sender(self) -> None:
        with servers.receiver() as receiver, delivery(receiver.url, concurrency=1) as sender:
            broken = article()._replace(starts_at=-(10**30))  # no timestamp can say that
            with pytest.raises(OverflowError):
                sender.submit([broken]).result(10)
            assert sender.submit([article()]).result(10) == [Accepted()]

    def test_what_comes_after_the_end_is_refused_at_once(self) -> None:
        with servers.receiver() as receiver, delivery(receiver.url) as sender:
            sender.submit([article()]).result(10)
        [outcome] = sender.submit([article()]).result(0)
        assert outcome == Unavailable(Reason.BUSY, "the function is stopping")


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "this takes too long"
        time.sleep(0.005)


@contextmanager
def dripping(beginning: bytes) -> Iterator[str]:
    """A server that answers with these bytes and then one more every now and then, for ever."""
    stop = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.recv(65_536)
                    connection.sendall(beginning)
                    while not stop.wait(0.05):
                        connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            stop.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
