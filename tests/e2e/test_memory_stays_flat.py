"""The function's memory does not grow, however many requests come and receivers fail."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import servers
from tests.memory import peak
from tests.servers import Answer, Function, Receiver

ARTICLE = (Path(__file__).parent.parent / "records" / "article.json").read_bytes().strip()
OTHER = b'{"log":"nothing to see here","kubernetes":{"namespace_name":"demo-project"}}'
CLIENTS = 16
TOLERANCE = 0.05
RECORDS = 1000  # in an array

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="/proc tells the memory, and is not here"
)


Body = Callable[[int], bytes]  # of the request with a number


def matching(number: int) -> bytes:
    """A record that matches."""
    return ARTICLE.replace(b"/notfound", b"/%d" % number)


def one_in_ten(number: int) -> bytes:
    """A record; one in ten matches."""
    return OTHER if number % 10 else matching(number)


def array(number: int) -> bytes:
    """Records that all match."""
    paths = (b"/%d/%d" % (number, index) for index in range(RECORDS))
    return b"[%s]" % b",".join(ARTICLE.replace(b"/notfound", path) for path in paths)


def request(number: int, body: bytes) -> bytes:
    """A request as KafkaSource sends it; each is an event of its own."""
    head = (
        "POST / HTTP/1.1\r\nhost: x\r\nce-specversion: 1.0\r\nce-source: /s\r\nce-type: t\r\n"
        f"ce-id: partition:0/offset:{number}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def send(server: Function, numbers: Iterator[int], body: Body) -> None:
    """Send requests over one connection, each after the answer to the one before."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        stream = connection.makefile("rb")
        for number in numbers:
            connection.sendall(request(number, body(number)))
            status = stream.readline()
            assert status[9:12] in (b"204", b"503"), status
            length = 0
            while (line := stream.readline()) not in (b"\r\n", b""):
                if line.lower().startswith(b"content-length:"):
                    length = int(line[15:])
            stream.read(length)


def send_all(server: Function, numbers: Sequence[int], body: Body) -> None:
    """Send requests over all clients' connections."""
    shared = iter(numbers)  # a list's iterator gives each number to one thread
    threads = [threading.Thread(target=send, args=(server, shared, body)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextmanager
def down_half_of_the_time(receiver: Receiver) -> Iterator[None]:
    """Let the receiver drop every connection for a second, then be well for one, and so on."""
    stop = threading.Event()

    def alternate() -> None:
        for answer in itertools.cycle((Answer(drop=True), Answer(200))):
            receiver.answers = [answer]
            receiver.requests.clear()  # it is not the receiver's memory that is measured
            receiver.connections.clear()
            if stop.wait(1):
                return

    thread = threading.Thread(target=alternate)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def grows(tmp_path: Path, server: str, arrays: int, warm_up: int, requests: int) -> float:
    """By how much of itself the memory has grown after arrays of records and a warm-up."""
    with (
        servers.receiver() as receiver,
        servers.function(
            tmp_path,
            server=server,
            RECEIVER_URL=receiver.url,
            RECEIVER_TIMEOUT="200ms",
            DELIVERY_TIMEOUT="300ms",
            LOG_LEVEL="error",
        ) as running,
    ):
        numbers = iter(range(arrays + warm_up + requests))
        send(running, itertools.islice(numbers, arrays), array)
        with down_half_of_the_time(receiver):
            send_all(running, [*itertools.islice(numbers, warm_up)], matching)
            before = peak.resident(peak.worker(running))
            send_all(running, [*numbers], one_in_ten)
            time.sleep(0.5)
            return peak.resident(peak.worker(running)) / before - 1


@pytest.mark.parametrize("kind", ["flask", "asgi"])
def test_over_some_thousand_requests(kind: str, tmp_path: Path) -> None:
    assert abs(grows(tmp_path, kind, arrays=0, warm_up=3000, requests=5000)) < TOLERANCE


@pytest.mark.long
@pytest.mark.parametrize("kind", ["flask", "asgi"])
def test_over_three_hundred_thousand_requests(kind: str, tmp_path: Path) -> None:
    # More alerts than 32 MiB hold of what was delivered: that is as large as it gets.
    growth = grows(tmp_path, kind, arrays=130, warm_up=10_000, requests=300_000)
    assert abs(growth) < TOLERANCE
