"""Requests per second, and what each costs: every subject in every case, as much as it takes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from benchmarks import load, matching, processes
from benchmarks.load import Load, WrongAnswersError
from benchmarks.servers import Receiver, Server, receiving, serving
from benchmarks.subjects import LIMITS, OURS, PEERS_ALL, PLAIN_ASGI, SERVERS, Subject
from benchmarks.turns import TURNS, by_turns

KIND = "capacity"
NO_MATCH = "no match"
HUNDRED = "no match, 100 rules"
SOME = "1 % match"
ONE_AT_A_TIME = "all match, receiver 5 ms, one at a time"
NO_LIMIT = "all match, receiver 20 ms"
NO_PAUSE = "all match, receiver 0 ms"
SLOW = "all match, receiver 100 ms"
NO_LIMIT_MS = 20
MATCHING_IN_FLIGHT = 64
_QUIET = 0.25  # seconds without an alert, more than the slowest receiver takes for a POST
_WARM_UP = 0.4  # seconds: the first alert imports the HTTP client


@dataclass(frozen=True, slots=True)
class Case:
    """``every`` as for load.run; without ``receiver`` (milliseconds) nothing is posted."""

    name: str
    subjects: Sequence[Subject]
    every: int = 0
    receiver: float | None = None
    one_at_a_time: bool = False
    rules: int = 1
    in_flight: int = 32


CASES = (
    Case(NO_MATCH, (*OURS, PLAIN_ASGI, *LIMITS, *PEERS_ALL)),
    Case(HUNDRED, SERVERS, rules=100),
    Case(SOME, SERVERS, every=100, receiver=0),
    Case(NO_PAUSE, SERVERS, 1, 0, in_flight=MATCHING_IN_FLIGHT),
    Case(ONE_AT_A_TIME, (*SERVERS, *PEERS_ALL), 1, 5, one_at_a_time=True, in_flight=64),
    Case(NO_LIMIT, (*SERVERS, *PEERS_ALL), 1, NO_LIMIT_MS, in_flight=MATCHING_IN_FLIGHT),
    Case(SLOW, SERVERS, 1, 100, in_flight=MATCHING_IN_FLIGHT),
)


def measure(case: Case, subjects: Sequence[Subject], seconds: float) -> dict[str, dict[str, float]]:
    """Load subjects for so many seconds each; the values by the subject's name.

    Without a receiver all are alive at once and loaded by turns. Raises WrongAnswersError where an
    answer is not 2xx, or an alert has not arrived.
    """
    with ExitStack() as stack:
        receiver = stack.enter_context(_receiver(case))
        url = {"receiver_url": receiver.url} if receiver else {}
        servers = {}
        for subject in subjects:
            rules = stack.enter_context(rule_file(case.rules, subject.rules))
            servers[subject.name] = stack.enter_context(serving(subject, rules=rules, **url))
        turns = 1 if receiver else TURNS

        def warm_up(server: Server, _: int) -> None:
            length = max(_WARM_UP, seconds / 3)
            load.run(server.port, in_flight=case.in_flight, seconds=length, every=case.every)

        def turn(server: Server, number: int) -> _Turn:
            return _turn(case, server, receiver, seconds / turns, number)

        by_turns(servers, warm_up, 1)
        found = by_turns(servers, turn, turns)
    return {name: _values(of_subject) for name, of_subject in found.items()}


@dataclass(frozen=True, slots=True)
class _Turn:
    load: Load
    cpu: float
    neighbours: float
    load_core: float
    posts: int = 0
    alerts: int = 0


def _turn(
    case: Case, server: Server, receiver: Receiver | None, seconds: float, number: int
) -> _Turn:
    server_core, load_core = processes.cores()
    posts, alerts = _drained(receiver) if receiver else (0, 0)
    before = _clocks(server.process.pid, server_core, load_core)
    done = load.run(
        server.port,
        in_flight=case.in_flight,
        seconds=seconds,
        every=case.every,
        first=10_000_000 * (number + 1),
    )
    after = _clocks(server.process.pid, server_core, load_core)
    if not done.requests:
        raise WrongAnswersError(f"no answer in {seconds} s")
    elapsed, cpu, server_busy, load_busy = (b - a for a, b in zip(before, after, strict=True))
    if receiver:
        now_posts, now_alerts = receiver.taken()
        posts, alerts = now_posts - posts, now_alerts - alerts
        if alerts < done.requests // case.every - case.in_flight:
            raise WrongAnswersError(
                f"{done.requests} records acknowledged, {alerts} alerts delivered"
            )
    neighbours, load_share = max(0.0, server_busy - cpu) / elapsed, load_busy / elapsed
    return _Turn(done, cpu, neighbours, load_share, posts, alerts)


def _values(turns: Sequence[_Turn]) -> dict[str, float]:
    whole = Load(
        sum(turn.load.requests for turn in turns), sum(turn.load.seconds for turn in turns)
    )
    values = {
        "rate": whole.rate,
        "cpu_us": sum(turn.cpu for turn in turns) / whole.requests * 1e6,
        "neighbours": mean(turn.neighbours for turn in turns),
        "load_core": mean(turn.load_core for turn in turns),
    }
    if posts := sum(turn.posts for turn in turns):
        values["alerts_per_post"] = sum(turn.alerts for turn in turns) / posts
    return values


def _drained(receiver: Receiver) -> tuple[int, int]:
    """Wait until nothing more arrives: a slow receiver is still busy with the warm-up's alerts.

    Their senders have gone, and the first of the measured requests would wait behind them.
    """
    before, now = None, receiver.taken()
    while now != before:
        time.sleep(_QUIET)
        before, now = now, receiver.taken()
    return now


def _clocks(pid: int, server_core: int, load_core: int) -> tuple[float, float, float, float]:
    return (
        time.monotonic(),
        processes.cpu_seconds(pid),
        processes.busy_seconds(server_core),
        processes.busy_seconds(load_core),
    )


@contextmanager
def _receiver(case: Case) -> Iterator[Receiver | None]:
    if case.receiver is None:
        yield None
        return
    with receiving(case.receiver, "one" if case.one_at_a_time else "") as receiver:
        yield receiver


@contextmanager
def rule_file(rules: int, shipped: Path) -> Iterator[Path]:
    """The shipped rule, and as many more as it takes to be so many."""
    if rules == 1:
        yield shipped
        return
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        path = Path(folder, "rules.yaml")
        groups = matching.rule_file(matching.mix(rules - 1)).partition("\n")[2]
        path.write_text(shipped.read_text(encoding="utf-8") + groups, encoding="utf-8")
        yield path
