"""The worker of the ASGI server: how it ends, and what it writes down."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
import requests

from tests import servers
from tests.servers import Answer, Function, exchange, wait_until

HERE = Path(__file__).parent
ARTICLE = (HERE / "records" / "article.json").read_bytes().strip()
RULES = str(HERE / "rules" / "article.yaml")


def waiting(running: Function, statuses: list[int]) -> threading.Thread:
    """A request that is sent in the background; its status comes to the list."""

    def send() -> None:
        try:
            statuses.append(running.post(ARTICLE).status_code)
        except requests.ConnectionError:
            statuses.append(0)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def test_at_sigterm_idle_connections_are_closed_at_once(tmp_path: Path) -> None:
    with (
        servers.function(tmp_path, server="asgi") as running,
        closing(http.client.HTTPConnection("127.0.0.1", running.port)) as idle,
    ):
        idle.request("GET", "/health/readiness")
        idle.getresponse().read()
        start = time.monotonic()
        assert running.terminate() == 0
        assert time.monotonic() - start < 20, "not with the end of the grace"


def test_at_sigterm_a_request_that_waits_for_its_alert_gets_its_answer(tmp_path: Path) -> None:
    with (
        servers.receiver(Answer(delay=1)) as receiver,
        servers.function(
            tmp_path, server="asgi", RULES_FILE=RULES, RECEIVER_URL=receiver.url
        ) as running,
    ):
        statuses: list[int] = []
        request = waiting(running, statuses)
        wait_until(lambda: receiver.requests)
        assert running.terminate() == 0
        request.join()
        assert statuses == [204]


def test_a_request_that_waits_for_ever_ends_with_the_grace(tmp_path: Path) -> None:
    with (
        servers.function(
            tmp_path, server="asgi", DELIVERY_TIMEOUT="1s", RECEIVER_TIMEOUT="1s"
        ) as running,
        closing(http.client.HTTPConnection("127.0.0.1", running.port)) as stalled,
    ):
        stalled.putrequest("POST", "/")
        stalled.putheader("content-length", "5")
        stalled.endheaders()
        time.sleep(0.2)
        assert running.terminate() == 0


def test_ctrl_c_ends_it_cleanly_and_so_does_a_sigint_for_gunicorn_alone(tmp_path: Path) -> None:
    for send in (os.kill, os.killpg):
        with servers.function(tmp_path, server="asgi") as running:
            send(running.process.pid, signal.SIGINT)
            assert running.process.wait(20) == 0
            assert "Traceback" not in running.log


def test_all_it_says_is_json(tmp_path: Path) -> None:
    with servers.function(tmp_path, server="asgi", LOG_LEVEL="info") as running:
        with socket.create_connection(("127.0.0.1", running.port)) as connection:
            connection.sendall(b"no HTTP\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")
        assert running.terminate() == 0
        assert len(running.events()) == len(running.log.splitlines())


def test_gunicorns_own_asgi_worker_serves_the_server_as_well(tmp_path: Path) -> None:
    arguments = "--worker-class asgi --asgi-lifespan off"
    with servers.function(tmp_path, server="asgi", GUNICORN_CMD_ARGS=arguments) as running:
        assert running.post(b'{"log":"hello"}').status_code == 204


def test_an_operator_who_asks_for_an_access_log_gets_one(tmp_path: Path) -> None:
    arguments = "--access-logfile -"
    with servers.function(tmp_path, server="asgi", GUNICORN_CMD_ARGS=arguments) as running:
        assert running.post(b'{"log":"hello"}').status_code == 204
        assert running.terminate() == 0
        assert '"POST / HTTP/1.1" 204' in running.log


def test_it_does_not_outlive_gunicorn(tmp_path: Path) -> None:
    with servers.function(tmp_path, server="asgi") as running:
        os.kill(running.process.pid, signal.SIGKILL)
        wait_until(lambda: not answers(running))


def answers(running: Function) -> bool:
    try:
        return requests.get(f"{running.url}/health/readiness", timeout=1).ok
    except requests.ConnectionError:
        return False


HEAD = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n"
LARGE_HEADS = {
    "equal fields": HEAD + b"x: y\r\n" * 98 + b"\r\n",
    "fields": HEAD + b"".join(b"x%d: y\r\n" % number for number in range(98)) + b"\r\n",
    "a field": HEAD + b"x: " + b"y" * 65_600 + b"\r\n\r\n",
    "fields that are large together": HEAD + (b"x: " + b"y" * 60_000 + b"\r\n") * 3 + b"\r\n",
    "a megabyte of equal fields": HEAD + b"x: y\r\n" * 170_000 + b"\r\n",
    "a head without an end": HEAD + b"x: " + b"y" * 2_000_000,
    "a URL without an end": b"GET /" + b"y" * 2_000_000,
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    with servers.function(tmp_path_factory.mktemp("worker"), server="asgi") as started:
        yield started


@pytest.mark.parametrize("name", LARGE_HEADS)
def test_a_large_head_is_refused_with_a_problem(name: str, running: Function) -> None:
    answer = exchange(running, LARGE_HEADS[name])
    assert answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b"content-type: application/problem+json\r\n" in answer
    assert requests.get(f"{running.url}/health/readiness", timeout=1).status_code == 200


def test_a_head_as_large_as_queue_proxy_may_send_is_read(running: Function) -> None:
    fields = b"".join(b"x%d: %b\r\n" % (number, b"y" * 600) for number in range(95))
    large = b"y: " + b"y" * 60_000 + b"\r\n"
    for data in (HEAD + fields + b"\r\n", HEAD + large + b"\r\n", HEAD + large * 2 + b"\r\n"):
        assert exchange(running, data).startswith(b"HTTP/1.1 400 ")  # no event in it


def test_what_a_server_refuses_by_itself_is_counted_and_written_down(running: Function) -> None:
    name = 'logs_handler_requests_refused_total{reason="http",status="400"}'

    def counted() -> float:
        page = requests.get(f"{running.url}/metrics", timeout=5).text
        return sum(float(line.split()[1]) for line in page.splitlines() if line.startswith(name))

    before = counted()
    answer = exchange(running, b"GET / HTTP/1.1\r\nno field\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b'"title":"Not a valid HTTP request"' in answer
    assert counted() == before + 1
    assert any(line.get("reason") == "http" for line in running.events())


def test_requests_with_offers_to_go_on_otherwise_are_read_however_many_come(
    running: Function,
) -> None:
    offer = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"
    assert exchange(running, offer * 495 + HEAD + b"\r\n").count(b"HTTP/1.1 200 ") < 495
    assert exchange(running, offer * 20 + HEAD + b"\r\n").count(b"HTTP/1.1 200 ") == 20
    assert "RecursionError" not in running.log


def test_a_client_that_sends_too_many_requests_at_once_is_left(running: Function) -> None:
    get = b"GET /health/liveness HTTP/1.1\r\nhost: x\r\n\r\n"
    assert exchange(running, get * 30 + HEAD + b"\r\n").count(b"HTTP/1.1 200 ") == 30
    assert exchange(running, get * 1_000).count(b"HTTP/1.1 200 ") < 1_000


@pytest.mark.parametrize("target", [b"http://[", b"http://a:99999999/"])
def test_nor_is_a_url_that_cannot_be_read(target: bytes, running: Function) -> None:
    get = b"GET /health/liveness HTTP/1.1\r\nhost: x\r\n\r\n"
    answer = exchange(running, get + b"GET " + target + b" HTTP/1.1\r\nhost: x\r\n\r\n")
    assert not answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.long
def test_slow_clients_are_let_go_of_in_the_end(running: Function) -> None:
    get = b"GET /health/liveness HTTP/1.1\r\nhost: x\r\n\r\n"
    begun = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\nxx"
    with ExitStack() as stack:
        opened = []
        for sent in (b"", begun[:20], begun, get + begun[:20], get + begun, get * 3 + begun):
            address = ("127.0.0.1", running.port)
            client = stack.enter_context(socket.create_connection(address, timeout=60))
            client.sendall(sent)
            opened.append(client)
        for client in opened:
            with suppress(ConnectionError):
                while client.recv(65536):
                    pass


def test_garbage_behind_a_request_is_not_answered_in_its_place(tmp_path: Path) -> None:
    """A 400 would be taken for the record's answer, and the record given up."""
    with (
        servers.receiver(Answer(delay=0.5)) as receiver,
        servers.function(
            tmp_path, server="asgi", RULES_FILE=RULES, RECEIVER_URL=receiver.url
        ) as running,
    ):
        event = "".join(f"{name}: {value}\r\n" for name, value in servers.event().items())
        head = f"POST / HTTP/1.1\r\nhost: x\r\n{event}content-length: {len(ARTICLE)}\r\n\r\n"
        assert exchange(running, head.encode() + ARTICLE + b"no HTTP\r\n\r\n") == b""
        wait_until(lambda: receiver.requests)
