"""What is tried again, how often, and after how long."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

import pytest

from local.kafkasource.dispatch import Dispatcher
from local.kafkasource.retry import BackoffPolicy, Delivery, accepted, retried
from local.kafkasource.sink import Sink
from local.record import Record
from tests.kafkasource.raw_sink import MAPPER, MILLISECOND, TIME, WAIT, Captured, Script, SinkOf

RETRIED = {404, 408, 409, 429, *range(500, 600)}


def test_exactly_these_answers_are_retried() -> None:
    assert {status for status in range(100, 600) if retried(status)} == RETRIED
    assert {status for status in range(100, 600) if accepted(status)} == {*range(200, 300)}


@pytest.mark.parametrize(
    ("policy", "delays"),
    [
        ("exponential", [0.6, 1.2, 2.4, 4.8, 9.6, 19.2, 38.4, 76.8, 153.6, 307.2]),
        ("linear", [0.3, 0.6, 0.9, 1.2, 1.5, 1.8, 2.1, 2.4, 2.7, 3.0]),
    ],
)
def test_the_delays_grow_by_policy_from_the_first_retry_on(
    policy: BackoffPolicy, delays: list[float]
) -> None:
    delivery = Delivery(retry=10, backoff_policy=policy, backoff_delay=0.3)
    assert [delivery.delay(n) for n in range(1, delivery.retry + 1)] == pytest.approx(delays)


def test_a_delay_that_stops_knative_from_retrying_is_refused() -> None:
    with pytest.raises(ValueError, match="does not retry at all"):
        Delivery(backoff_delay=0)


def attempts(
    sink_of: SinkOf, script: Script, retry: int, timeout: float = WAIT
) -> tuple[str, list[int | None], list[float]]:
    """What became of one event, the answers on the way, and when its requests came."""
    times: list[float] = []
    answers: list[int | None] = []

    def timed(request: Captured) -> int | bytes | Iterator[bytes] | None:
        times.append(time.monotonic())
        return script(request)

    delivery = Delivery(retry, "exponential", backoff_delay=MILLISECOND, timeout=timeout)
    sink = Sink(sink_of(timed).url, "default", timeout)
    dispatcher = Dispatcher(sink, None, delivery, answers.append)
    outcome = dispatcher.dispatch(MAPPER.event(Record("t", 0, 0, TIME, value=b"x")))
    dispatcher.close()
    return outcome, answers, times


def test_four_times_500_and_then_200_are_five_requests(sink_of: SinkOf) -> None:
    script = iter([500, 500, 500, 500, 200])
    outcome, answers, times = attempts(sink_of, lambda _: next(script), retry=5)
    assert (outcome, answers) == ("delivered", [500, 500, 500, 500, 200])
    waited = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(wait >= MILLISECOND * 2**n for n, wait in enumerate(waited, start=1))


@pytest.mark.parametrize("status", [301, 303, 400, 401, 403, 405, 413, 415, 422])
def test_a_final_answer_is_one_request(sink_of: SinkOf, status: int) -> None:
    assert attempts(sink_of, lambda _: status, retry=5)[:2] == ("dropped", [status])


@pytest.mark.parametrize("status", [404, 408, 409, 429, 500, 503])
def test_a_lasting_failure_is_one_request_more_than_retries(sink_of: SinkOf, status: int) -> None:
    assert attempts(sink_of, lambda _: status, retry=2)[:2] == ("dropped", [status] * 3)


def test_a_connection_that_breaks_is_retried(sink_of: SinkOf) -> None:
    script = iter([None, b"no http\r\n\r\n", 204])
    result = attempts(sink_of, lambda _: next(script), retry=2)
    assert result[:2] == ("delivered", [None, None, 204])


def test_an_answer_that_does_not_come_in_time_is_retried(sink_of: SinkOf) -> None:
    over = threading.Event()

    def silent(_: Captured) -> None:
        over.wait(WAIT)

    result = attempts(sink_of, silent, retry=1, timeout=0.02)
    over.set()
    assert result[:2] == ("dropped", [None, None])


def test_the_timeout_is_that_of_the_head_and_not_of_the_body(sink_of: SinkOf) -> None:
    def late_body(_: Captured) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 x\r\ncontent-length: 2\r\n\r\n"
        time.sleep(1.2)
        yield b"ok"

    assert attempts(sink_of, late_body, retry=0, timeout=1.0)[:2] == ("delivered", [200])
