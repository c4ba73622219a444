"""What is promised, seen from outside: by who posts to the function, and who gets its alerts.

Nothing here knows how the function is built: each test breaks when one part of the promise does.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests

from tests import servers
from tests.servers import CLOUDEVENT, Answer, Function, Receiver

RULES = """
groups:
  - name: promise
    rules:
      - alert: Line
        match: [log |= alert]
        labels: {line: "{{ log }}"}
      - alert: Held
        match: [log |= held]
        labels: {line: "{{ log }}"}
        repeat_interval: 1h
"""
STRUCTURED = {"content-type": "application/cloudevents+json"}
BATCHED = {"content-type": "application/cloudevents-batch+json"}


@contextmanager
def function(
    folder: Path, *urls: str, server: str = "flask", **settings: str
) -> Iterator[Function]:
    """The function with one rule, which makes an alert of each line with "alert" in it."""
    rules = folder / "promise.yaml"
    rules.write_text(RULES)
    usual = {"RULES_FILE": str(rules), "RECEIVER": "alertmanager", "RECEIVER_URL": ",".join(urls)}
    with servers.function(folder, port=None, server=server, **{**usual, **settings}) as running:
        yield running


def record(line: str) -> dict[str, str]:
    """A record that the first rule fires for; one of "held" the second one."""
    log = line if line.startswith("held") else f"alert {line}"
    return {"log": log, "time": "2026-11-27T08:00:00Z"}


def body(*lines: str) -> bytes:
    """One record, or an array of several."""
    found = [record(line) for line in lines]
    return json.dumps(found if len(found) > 1 else found[0]).encode()


def lines(receiver: Receiver) -> list[list[str]]:
    """The lines of each POST that the receiver got."""
    return [
        [alert["labels"]["line"].removeprefix("alert ") for alert in alerts]
        for alerts in receiver.bodies
    ]


def post(running: Function, line: str) -> int:
    """Send one line in an event of its own; the answer's status."""
    return running.post(body(line)).status_code


@contextmanager
def sockets_that(answer: str) -> Iterator[tuple[str, list[int]]]:
    """A receiver on bare sockets, and the bytes that it could send on each connection.

    ``answer``: "hang" never answers, and lists a connection when that is closed; "flood" says 200
    and goes on for 64 MiB.
    """
    sent: list[int] = []

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(30)
            if answer == "hang":
                while connection.recv(65_536):
                    pass
                sent.append(0)
                return
            connection.recv(65_536)
            place = len(sent)
            sent.append(0)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 67108864\r\n\r\n")
            while sent[place] < 67_108_864:
                sent[place] += connection.send(b"x" * 65_536)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/api/v2/alerts", sent
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


class TestNotTwice:
    @pytest.mark.parametrize("order", [("bad", "good"), ("good", "bad"), ("good", "bad", "good 2")])
    def test_an_event_with_a_refused_alert_is_not_taken_for_delivered(
        self, tmp_path: Path, order: tuple[str, ...]
    ) -> None:
        with servers.receiver() as receiver, function(tmp_path, receiver.url) as running:
            receiver.refuse = ("bad",)
            assert running.post(body(*order), headers=CLOUDEVENT).status_code == 422
            receiver.refuse = ()
            receiver.requests.clear()
            assert running.post(body(*order), headers=CLOUDEVENT).status_code == 204
            assert lines(receiver) == [["bad"]], "and what was accepted is not sent again"

    @pytest.mark.parametrize("batched", [False, True])
    def test_a_structured_event_with_other_data_is_another_event(
        self, tmp_path: Path, batched: bool
    ) -> None:
        event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
        headers = BATCHED if batched else STRUCTURED
        with servers.receiver() as receiver, function(tmp_path, receiver.url) as running:
            for line in ("one", "two", "one", "two"):
                content = {**event, "data": record(line)}
                sent = json.dumps([content] if batched else content)
                assert running.post(sent, headers=headers).status_code == 204
            assert lines(receiver) == [["one"], ["two"]]

    def test_an_event_is_remembered_for_as_long_as_kafkasource_may_send_it_again(
        self, tmp_path: Path
    ) -> None:
        ahead = tmp_path / "ahead"
        clock = (str(servers.ROOT / "tests" / "clock.py"), str(ahead), *servers.COMMAND)
        settings = {"DELIVERY_TIMEOUT": "58s", "RECEIVER_TIMEOUT": "1s"}
        longest = 37 * 58 + 666  # seconds; with the shipped pauses
        with servers.receiver() as receiver, pytest.MonkeyPatch.context() as patch:
            patch.setitem(servers.SERVERS, "clock", (clock, {}))
            with function(tmp_path, receiver.url, server="clock", **settings) as running:
                for seconds in (0, 1700, longest - 60, longest + 60):
                    ahead.write_text(str(seconds))
                    assert running.post(body("x"), headers=CLOUDEVENT).status_code == 204
                    posts = len(receiver.requests)
                    assert posts == (1 if seconds < longest else 2), seconds

    @pytest.mark.parametrize("server", ["flask", "asgi"])
    def test_an_alert_that_arrives_after_its_request_gave_up_is_not_sent_again(
        self, tmp_path: Path, server: str
    ) -> None:
        settings = {"DELIVERY_TIMEOUT": "3s", "RECEIVER_TIMEOUT": "3s"}
        with (
            servers.receiver(Answer(delay=2.4), Answer(delay=1.6), Answer()) as receiver,
            function(
                tmp_path, receiver.url, server=server, DELIVERY_CONCURRENCY="1", **settings
            ) as running,
            ThreadPoolExecutor() as pool,
        ):
            first = pool.submit(post, running, "first")
            servers.wait_until(lambda: receiver.requests)
            early = pool.submit(running.post, body("early"), "/", CLOUDEVENT)
            time.sleep(1.8)  # so that the POST may still run when the time of "early" is over
            late = pool.submit(post, running, "late")
            assert (first.result(), late.result()) == (204, 204)
            assert early.result().status_code == 503
            assert lines(receiver) == [["first"], ["early", "late"]]
            assert running.post(body("early"), headers=CLOUDEVENT).status_code == 204
            assert len(receiver.requests) == 2

    def test_repeat_interval_holds_back_what_was_delivered_and_nothing_else(
        self, tmp_path: Path
    ) -> None:
        answers = (Answer(500), Answer())
        with servers.receiver(*answers) as receiver, function(tmp_path, receiver.url) as running:
            held = [post(running, "held") for _ in range(4)]
            free = [post(running, "free") for _ in range(2)]
            page = requests.get(f"{running.url}/metrics", timeout=5).text
            posts = len(receiver.requests)
        assert held == [503, 204, 204, 204], "what did not get through is not held back"
        assert free == [204, 204]
        assert posts == 4
        assert "\nlogs_handler_alerts_held_back_total 2.0\n" in page

    @pytest.mark.parametrize("server", ["flask", "asgi"])
    def test_repeat_interval_holds_for_lines_that_come_all_at_once(
        self, tmp_path: Path, server: str
    ) -> None:
        with (
            servers.receiver(Answer(delay=0.3)) as receiver,
            function(tmp_path, receiver.url, server=server) as running,
            ThreadPoolExecutor(60) as pool,
        ):
            statuses = list(pool.map(lambda _: post(running, "held"), range(60)))
            many = running.post(body(*["held too"] * 60)).status_code
        assert statuses == [204] * 60
        assert many == 204
        assert lines(receiver) == [["held"], ["held too"]]

    def test_lines_that_wait_for_one_that_fails_are_delivered_all_the_same(
        self, tmp_path: Path
    ) -> None:
        with (
            servers.receiver(Answer(500, delay=0.3), Answer()) as receiver,
            function(tmp_path, receiver.url) as running,
            ThreadPoolExecutor(20) as pool,
        ):
            statuses = list(pool.map(lambda _: post(running, "held"), range(20)))
        assert sorted(statuses) == [204] * 19 + [503]
        assert lines(receiver) == [["held"], ["held"]]

    def test_an_event_that_comes_again_is_answered_without_a_second_post(
        self, tmp_path: Path
    ) -> None:
        later = {**CLOUDEVENT, "ce-id": "partition:0/offset:565"}
        answers = (Answer(500), Answer())
        with servers.receiver(*answers) as receiver, function(tmp_path, receiver.url) as running:
            again = [running.post(body("x"), headers=CLOUDEVENT).status_code for _ in range(4)]
            assert len(receiver.requests) == 2, "the first was not delivered: it is tried again"
            assert running.post(body("x"), headers=later).status_code == 204
            assert len(receiver.requests) == 3, "another event with the same data is another event"
            assert running.post(body("new"), headers=CLOUDEVENT).status_code == 204
            assert len(receiver.requests) == 4, "the same id with other data: the topic is new"
            page = requests.get(f"{running.url}/metrics", timeout=5).text
        assert again == [503, 204, 204, 204]
        assert "\nlogs_handler_events_redelivered_total 2.0\n" in page

    @pytest.mark.parametrize("server", ["flask", "asgi"])
    def test_an_event_that_comes_again_while_it_is_posted_is_posted_once(
        self, tmp_path: Path, server: str
    ) -> None:
        with (
            servers.receiver(Answer(delay=0.5)) as receiver,
            function(tmp_path, receiver.url, server=server) as running,
            ThreadPoolExecutor() as pool,
        ):
            asked = [pool.submit(running.post, body("x"), "/", CLOUDEVENT) for _ in range(3)]
            assert [each.result().status_code for each in asked] == [204] * 3
            assert lines(receiver) == [["x"]]

    def test_a_record_that_failed_ten_times_counts_once(self, tmp_path: Path) -> None:
        answers = [*[Answer(500)] * 10, Answer()]
        with servers.receiver(*answers) as receiver, function(tmp_path, receiver.url) as running:
            statuses = [running.post(body("x"), headers=CLOUDEVENT).status_code for _ in range(11)]
            page = requests.get(f"{running.url}/metrics", timeout=5).text
        assert statuses == [503] * 10 + [204]
        for counted in (
            'records_total{outcome="matched"} 1.0',
            'matches_total{rule="Line"} 1.0',
            "events_total 1.0",
            'alerts_total{outcome="accepted",receiver="alertmanager"} 1.0',
            "requests_total 11.0",
            'requests_refused_total{reason="server",status="503"} 10.0',
            'delivery_failures_total{reason="server",receiver="alertmanager"} 10.0',
        ):
            assert f"\nlogs_handler_{counted}\n" in page


class TestTime:
    def test_a_receivers_retry_after_is_believed_for_a_minute_at_most(self, tmp_path: Path) -> None:
        slow_down = Answer(429, headers={"retry-after": "86400"})
        with servers.receiver(slow_down) as receiver, function(tmp_path, receiver.url) as running:
            running.post(body("one"))
            answer = running.post(body("two"))
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) <= 60
            assert lines(receiver) == [["one"]]

    def test_a_post_ends_with_the_time_of_its_request_and_holds_nobody_else_up(
        self, tmp_path: Path
    ) -> None:
        settings = {"DELIVERY_TIMEOUT": "2s", "RECEIVER_TIMEOUT": "2s", "DELIVERY_BATCH": "1"}
        with (
            servers.receiver(Answer(delay=1.5), Answer(delay=10), Answer()) as receiver,
            function(tmp_path, receiver.url, DELIVERY_CONCURRENCY="1", **settings) as running,
            ThreadPoolExecutor() as pool,
        ):
            slow = pool.submit(post, running, "slow")
            servers.wait_until(lambda: receiver.requests)
            hanging = pool.submit(post, running, "hanging")  # is posted with half a second left
            time.sleep(1)
            last = pool.submit(post, running, "last")  # has to be posted within two more
            assert [each.result() for each in (slow, hanging, last)] == [204, 503, 204]


class TestReceivers:
    def test_a_receiver_that_takes_many_posts_at_once_gets_as_many_as_the_setting_says(
        self, tmp_path: Path
    ) -> None:
        with (
            servers.receiver(Answer(delay=0.05)) as receiver,
            function(tmp_path, receiver.url, DELIVERY_BATCH="1") as running,
            ThreadPoolExecutor(12) as pool,
        ):
            statuses = set(pool.map(lambda number: post(running, f"{number}"), range(400)))
        assert statuses == {204}
        assert max(receiver.under_way) == 8

    @pytest.mark.parametrize("server", ["flask", "asgi"])
    def test_a_member_that_is_30_ms_slower_than_its_neighbour_misses_nothing(
        self, server: str, tmp_path: Path
    ) -> None:
        with (
            servers.receiver() as quick,
            servers.receiver(Answer(delay=0.03)) as slow,
            function(tmp_path, quick.url, slow.url, server=server) as running,
            ThreadPoolExecutor(48) as pool,
        ):
            statuses = set(pool.map(lambda number: post(running, f"{number}"), range(1000)))
            assert statuses == {204}
            servers.wait_until(lambda: sum(map(len, lines(slow))) >= 1000)
            assert sum(map(len, lines(quick))) == 1000
            found = {line for each in lines(slow) for line in each}
            assert found == {f"{number}" for number in range(1000)}

    def test_a_member_that_hangs_delays_nobody(self, tmp_path: Path) -> None:
        settings = {"RECEIVER_TIMEOUT": "15s", "DELIVERY_CONCURRENCY": "1"}
        with (
            sockets_that("hang") as (hanging, given_up),
            servers.receiver() as receiver,
            function(tmp_path, hanging, receiver.url, **settings) as running,
        ):
            assert [post(running, f"{number}") for number in range(12)] == [204] * 12
            assert lines(receiver) == [[f"{number}"] for number in range(12)]
            assert given_up == [], "all were answered before the time of its first POST was over"

    def test_of_an_endless_answer_only_the_beginning_is_read(self, tmp_path: Path) -> None:
        with sockets_that("flood") as (url, sent), function(tmp_path, url) as running:
            assert post(running, "x") == 204
            servers.wait_until(lambda: sent)
            time.sleep(0.5)
        assert sum(sent) < 16 * 2**20, "what both sockets hold at most, and not all of it"


class TestRules:
    def test_a_changed_file_with_the_time_of_the_one_before_is_noticed(
        self, tmp_path: Path
    ) -> None:
        with servers.receiver() as receiver, function(tmp_path, receiver.url) as running:
            path = tmp_path / "promise.yaml"
            before = path.stat()
            other = tmp_path / "other.yaml"
            other.write_text(RULES.replace("|= alert", "|= trial"))
            assert other.stat().st_size == before.st_size
            os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
            other.rename(path)

            def fires() -> bool:
                running.post(b'{"log": "trial"}')
                return bool(receiver.requests)

            servers.wait_until(fires)
