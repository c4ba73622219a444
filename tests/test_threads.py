"""The worker of the Flask server: no client keeps a thread from the others."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
import requests

from tests import servers
from tests.servers import Answer, Function, exchange, wait_until

HERE = Path(__file__).parent
ARTICLE = (HERE / "records" / "article.json").read_bytes().strip()
RULES = str(HERE / "rules" / "article.yaml")
MANY = 200  # more than there are threads
POST = b"POST / HTTP/1.1\r\nhost: x\r\n"
HEAD = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n"
LARGE = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
EXPECTING = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\nexpect: 100-continue\r\n\r\n"
SLOW = {
    "says nothing": b"",
    "is in the middle of the head": b"POST / HTTP/1.1\r\nhos",
    "is in the middle of a small body": HEAD + b"{",
    "is in the middle of a large body": LARGE + b"{" * 1000,
    "is in the middle of a chunked body": CHUNKED + b"5\r\n{",
    "waits for a hundred": EXPECTING,
    "writes the length of the body in many digits": POST + b"content-length: %020d\r\n\r\n" % 9,
    "writes no number for the length of the body": POST + b"content-length: x\r\n\r\n",
    "is behind another request": b"GET /health/liveness HTTP/1.1\r\nhost: x\r\n\r\n" + LARGE,
    "has its last answer and stays": POST + b"connection: close\r\ncontent-length: 0\r\n\r\n",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    with servers.function(tmp_path_factory.mktemp("threads"), RULES_FILE=RULES) as started:
        yield started


@contextmanager
def clients(running: Function, number: int, sent: bytes) -> Iterator[list[socket.socket]]:
    """Connections that have sent this and wait."""
    with ExitStack() as stack:
        opened = []
        for _ in range(number):
            client = socket.create_connection(("127.0.0.1", running.port), timeout=30)
            opened.append(stack.enter_context(client))
            client.sendall(sent)
        yield opened


@pytest.mark.parametrize("what", SLOW)
def test_a_healthy_client_is_answered_beside_many_of_whom_each(
    what: str, running: Function
) -> None:
    with clients(running, MANY, SLOW[what]):
        for _ in range(3):
            assert requests.get(f"{running.url}/health/readiness", timeout=2).status_code == 200
            assert running.post(b'{"log":"x"}').status_code == 204


def test_a_request_may_come_byte_by_byte(running: Function) -> None:
    event = "".join(f"{name}: {value}\r\n" for name, value in servers.event().items())
    head = f"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{event}content-length: 11\r\n\r\n"
    sent = head.encode() + b'{"log":"x"}'
    pieces = [sent[at : at + 9] for at in range(0, len(sent), 9)]
    assert exchange(running, *pieces).startswith(b"HTTP/1.1 204 ")


def test_requests_that_come_together_are_answered_in_order(running: Function) -> None:
    get = b"GET /health/liveness HTTP/1.1\r\nhost: x\r\n\r\n"
    last = b"GET /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    answer = exchange(running, get * 3 + last[:20], last[20:])
    assert answer.count(b"HTTP/1.1 200 ") == 3
    assert answer.rindex(b"HTTP/1.1 404 ") > answer.rindex(b"HTTP/1.1 200 ")


def test_a_request_that_came_before_the_end_is_answered(running: Function) -> None:
    get = b"GET /health/liveness HTTP/1.1\r\nhost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as connection:
        connection.sendall(get * 2)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert answer.count(b"HTTP/1.1 200 ") == 2


def test_a_broken_body_that_nobody_reads_is_no_second_answer(running: Function) -> None:
    get = b"GET /health/liveness HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"
    assert exchange(running, get).count(b"HTTP/1.1 ") == 1


def test_small_bodies_that_are_compressed_leave_threads_to_others(running: Function) -> None:
    packed = gzip.compress(b"[" + b"{}," * 9_000 + b"{}]")
    head = f"content-encoding: gzip\r\ncontent-length: {len(packed)}\r\n\r\n".encode()
    with clients(running, MANY, POST + head + packed):
        assert requests.get(f"{running.url}/health/readiness", timeout=2).status_code == 200


def test_a_connection_is_used_again_and_may_then_be_slow(running: Function) -> None:
    get = b"GET /health/liveness HTTP/1.1\r\nhost: x\r\n"
    answer = exchange(running, get + b"\r\n", get, b"connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 ") == 2


@pytest.mark.parametrize("size", [70_000, 1_000_000])
def test_large_and_chunked_bodies_are_read(size: int, running: Function) -> None:
    body = b'{"log":"%b"}' % (b"x" * size)
    assert running.post(body).status_code == 204
    with requests.Session() as session:
        for _ in range(3):
            chunked = session.post(
                running.url, data=iter([body[:9], body[9:]]), headers=servers.event(), timeout=5
            )
            assert chunked.status_code == 204


LARGE_HEADS = {
    "fields": b"".join(b"x%d: y\r\n" % number for number in range(101)),
    "a field": b"x: " + b"y" * 65_600 + b"\r\n",
    "fields that are large together": (b"x: " + b"y" * 60_000 + b"\r\n") * 3,
    "a field without an end": b"x: " + b"y" * 2_000_000,
}


@pytest.mark.parametrize("name", LARGE_HEADS)
def test_a_large_head_is_refused_with_a_problem(name: str, running: Function) -> None:
    answer = exchange(running, b"GET / HTTP/1.1\r\nhost: x\r\n" + LARGE_HEADS[name] + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b"content-type: application/problem+json\r\n" in answer


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"no HTTP\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nno field\r\n\r\n", b"400"),
        (b"GET /" + b"y" * 5_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: x\r\n\r\n", b"501"),
    ],
)
def test_what_is_not_http_is_a_problem_and_not_html(
    sent: bytes, status: bytes, running: Function
) -> None:
    answer = exchange(running, sent)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"content-type: application/problem+json\r\n" in answer
    assert b"<" not in answer
    page = requests.get(f"{running.url}/metrics", timeout=5).text
    assert f'refused_total{{reason="http",status="{status.decode()}"}}' in page


def test_at_the_end_who_has_sent_nothing_is_not_waited_for(tmp_path: Path) -> None:
    with servers.function(tmp_path) as running, clients(running, 5, b""):
        start = time.monotonic()
        assert running.terminate() == 0
        assert time.monotonic() - start < 10


def test_at_the_end_requests_that_have_come_are_answered(tmp_path: Path) -> None:
    with (
        servers.receiver(Answer(delay=1)) as receiver,
        servers.function(tmp_path, RULES_FILE=RULES, RECEIVER_URL=receiver.url) as running,
        ThreadPoolExecutor() as pool,
    ):
        asked = pool.submit(running.post, ARTICLE)
        wait_until(lambda: receiver.requests)
        assert running.terminate() == 0
        assert asked.result().status_code == 204


def send_slowly(client: socket.socket) -> None:
    """A byte every half second, until that is impossible."""
    with suppress(OSError):
        while True:
            client.sendall(b"x")
            time.sleep(0.5)


@pytest.mark.long
def test_slow_clients_are_let_go_of_in_the_end(running: Function) -> None:
    unread = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n" * 6_000
    with ExitStack() as stack:
        opened = [stack.enter_context(clients(running, 3, sent)) for sent in SLOW.values()]
        stack.enter_context(clients(running, 4, unread[:200_000]))  # and read no answer
        [trickling] = stack.enter_context(clients(running, 1, b""))
        trickle = threading.Thread(target=send_slowly, args=(trickling,))
        trickle.start()
        trickle.join(100)
        assert not trickle.is_alive(), "it is let go of as well"
        wait_until(lambda: running.log.count("Socket error processing request") == 4)
        for client in (each for some in opened for each in some):
            client.settimeout(100)
            with suppress(ConnectionError):
                while client.recv(65536):
                    pass
    assert running.post(b'{"log":"x"}').status_code == 204
