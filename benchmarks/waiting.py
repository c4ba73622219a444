"""What a pod still does while as many requests wait for a receiver's pause as may.

32 requests wait, and as many more as containerConcurrency leaves have not sent their bodies. Beside
them come a probe and a record without a match, one after the other.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from benchmarks import event
from benchmarks.load import WrongAnswersError
from benchmarks.open_loop import percentile
from benchmarks.results import Results
from benchmarks.rows import Row
from benchmarks.servers import Receiver, exchange, receiving, serving
from benchmarks.subjects import Subject

KIND = "waiting"
CASE = "32 requests wait, 32 are unfinished"
_WAIT = 32  # function.delivery.places.MOST
_UNFINISHED = 32  # the rest of containerConcurrency
_TIMES = 200
_PROBE = b"GET /health/readiness HTTP/1.1\r\nhost: x\r\n\r\n"
_SETTLED = 0.3  # seconds, after which all requests have been read


def measure(subject: Subject) -> dict[str, float]:
    """Milliseconds of probes and of records; raises WrongAnswersError where those do not wait."""
    with (
        receiving(0, "pause") as receiver,
        serving(subject, receiver.url) as server,
        _waiting(server.port, receiver) as waiting,
    ):
        port, numbers = server.port, range(event.FIRST, event.FIRST + _TIMES)
        records = (event.request(port, number, matches=False) for number in numbers)
        found = [(_ask(port, _PROBE), _ask(port, record)) for record in records]
        if any(map(_has_answer, waiting)):
            raise WrongAnswersError("a request did not wait")
    probes, no_match = ([1000 * each for each in times] for times in zip(*found, strict=True))
    return {
        "probe_p50_ms": percentile(probes, 0.5),
        "probe_max_ms": max(probes),
        "no_match_p50_ms": percentile(no_match, 0.5),
        "no_match_max_ms": max(no_match),
    }


def _ask(port: int, message: bytes) -> float:
    """Seconds until the answer; raises WrongAnswersError where it is not 2xx."""
    start = time.perf_counter()
    status = exchange(port, message)
    seconds = time.perf_counter() - start
    if (status or 0) // 100 != 2:
        raise WrongAnswersError(f"an answer of {status}")
    return seconds


@contextmanager
def _waiting(port: int, receiver: Receiver) -> Iterator[list[socket.socket]]:
    """Connections whose requests wait, beside others that are not whole."""
    with ExitStack() as stack:

        def send(number: int, *, whole: bool) -> socket.socket:
            message = event.request(port, event.FIRST + 1000 + number, matches=True)
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), 30))
            connection.sendall(message if whole else message[:-20])
            return connection

        waiting = [send(0, whole=True)]
        while not receiver.taken()[0]:  # now it has asked for its pause
            time.sleep(0.01)
        time.sleep(_SETTLED)
        waiting += [send(number, whole=True) for number in range(1, _WAIT)]
        for number in range(_UNFINISHED):
            send(_WAIT + number, whole=False)
        time.sleep(_SETTLED)
        yield waiting


def _has_answer(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False


def rows(results: Results) -> list[Row]:
    """The table of it."""
    table: list[Row] = [("", "probe, p50 ms", "at most", "no match, p50 ms", "at most")]
    for subject in results.subjects(KIND, CASE):
        values = ("probe_p50_ms", "probe_max_ms", "no_match_p50_ms", "no_match_max_ms")
        found = (results.spread(KIND, CASE, subject, each) for each in values)
        cells = (
            f"{each.median if 'p50' in value else each.high:.1f}" if each else ""
            for value, each in zip(values, found, strict=True)
        )
        table.append((subject, *cells))
    return table
