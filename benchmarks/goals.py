"""What is promised about speed, and what of it a run shows: each a ratio of one run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks import capacity, cold_start, latency
from benchmarks.results import Results, Spread, by_round, ratio, spread
from benchmarks.subjects import (
    ASGI,
    EMPTY_ASGI,
    EMPTY_FLASK,
    EMPTY_FUNC,
    EMPTY_PLAIN_ASGI,
    FLASK,
    FUNC,
    GO,
    PEERS_ALL,
    PLAIN_ASGI,
    PYTHON_PEERS,
    SERVERS,
    Subject,
)

_BOUND = capacity.MATCHING_IN_FLIGHT / (capacity.NO_LIMIT_MS / 1000)  # alerts per second


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio that is to be at least ``wanted``, or at most, where not ``at_least``.

    ``by_cpu`` is the same ratio made from processor time per request instead of requests per
    second, where both say the same on an idle machine: neighbours change it less.
    """

    name: str
    found: Spread
    wanted: float
    at_least: bool = True
    by_cpu: Spread | None = None

    @property
    def reached(self) -> bool:
        """Whether the median is on the right side."""
        if self.at_least:
            return self.found.median >= self.wanted
        return self.found.median <= self.wanted


def goals(results: Results) -> list[Goal]:
    """Those that the run measured."""
    found = (*_capacity(results), *_delivery(results), *_rules(results))
    return [*found, *_latency(results), *_cold_start(results)]


def _rate(results: Results, case: str, subject: Subject) -> dict[int, float]:
    return results.of(capacity.KIND, case, subject.name, "rate")


def _cpu(results: Results, case: str, subject: Subject) -> dict[int, float]:
    return results.of(capacity.KIND, case, subject.name, "cpu_us")


def _goal(
    name: str,
    found: Spread | None,
    wanted: float,
    *,
    at_least: bool = True,
    by_cpu: Spread | None = None,
) -> Iterator[Goal]:
    if found:
        yield Goal(name, found, wanted, at_least, by_cpu)


def _best(results: Results, case: str, subjects: Sequence[Subject]) -> Subject:
    """The subject with the best median of requests per second."""
    return max(subjects, key=lambda subject: _median(_rate(results, case, subject)))


def _cheapest(results: Results, case: str, subjects: Sequence[Subject]) -> Subject:
    """The subject with the least processor time per request."""
    measured = [subject for subject in subjects if _cpu(results, case, subject)]
    return min(measured or subjects, key=lambda subject: _median(_cpu(results, case, subject)))


def _median(values: Mapping[int, float]) -> float:
    found = spread(values.values())
    return found.median if found else 0.0


def _capacity(results: Results) -> Iterator[Goal]:
    case = capacity.NO_MATCH
    for server, empty, wanted in (
        (FLASK, EMPTY_FLASK, 0.80),
        (PLAIN_ASGI, EMPTY_PLAIN_ASGI, 0.55),  # the server that this was wanted for
        (ASGI, EMPTY_ASGI, 0.55),
    ):
        yield from _faster(results, case, server, empty, wanted)
    ours, cheap = (choose(results, case, SERVERS) for choose in (_best, _cheapest))
    peer, cheap_peer = (choose(results, case, PYTHON_PEERS) for choose in (_best, _cheapest))
    by_cpu = ratio(_cpu(results, case, cheap_peer), _cpu(results, case, cheap))
    found = ratio(_rate(results, case, ours), _rate(results, case, peer))
    yield from _goal(f"{case}: best server / best Python peer", found, 3, by_cpu=by_cpu)
    by_cpu = ratio(_cpu(results, case, GO), _cpu(results, case, cheap))
    found = ratio(_rate(results, case, ours), _rate(results, case, GO))
    yield from _goal(f"{case}: best server / Go reference", found, 0.4, by_cpu=by_cpu)


def _faster(
    results: Results, case: str, one: Subject, other: Subject, wanted: float
) -> Iterator[Goal]:
    found = ratio(_rate(results, case, one), _rate(results, case, other))
    by_cpu = ratio(_cpu(results, case, other), _cpu(results, case, one))
    yield from _goal(f"{case}: {one.name} / {other.name}", found, wanted, by_cpu=by_cpu)


def _delivery(results: Results) -> Iterator[Goal]:
    case = capacity.ONE_AT_A_TIME
    ours = _rate(results, case, _best(results, case, SERVERS))
    peers = _rate(results, case, _best(results, case, PEERS_ALL))
    yield from _goal(f"{case}: best server / best peer, Go included", ratio(ours, peers), 10)
    case = capacity.NO_LIMIT
    best = _best(results, case, SERVERS)
    ours, own = _rate(results, case, best), _rate(results, capacity.NO_MATCH, best)
    bound = by_round(lambda rate: min(0.65 * _BOUND, 0.5 * rate), own)
    name = f"{case}: best server / the lower of 0.65 x in flight / latency and 0.5 x its no match"
    yield from _goal(name, ratio(ours, bound), 1)
    peers = _rate(results, case, _best(results, case, PYTHON_PEERS))
    yield from _goal(f"{case}: best server / best Python peer", ratio(ours, peers), 3)
    for server in SERVERS:
        cost = ratio(_cpu(results, case, server), _cpu(results, capacity.NO_MATCH, server))
        name = f"{case}: {server.name}'s processor time per alert / per no match"
        yield from _goal(name, cost, 2, at_least=False)


def _rules(results: Results) -> Iterator[Goal]:
    one, hundred = capacity.NO_MATCH, capacity.HUNDRED
    for server in SERVERS:
        found = ratio(_rate(results, hundred, server), _rate(results, one, server))
        by_cpu = ratio(_cpu(results, one, server), _cpu(results, hundred, server))
        yield from _goal(f"{server.name}: 100 rules / 1 rule", found, 0.9, by_cpu=by_cpu)


def _latency(results: Results) -> Iterator[Goal]:
    for server, empty in latency.PAIRS:
        case = latency.case(server, 0.5)
        ours = results.of(latency.KIND, case, server.name, "p99_ms")
        theirs = results.of(latency.KIND, case, empty.name, "p99_ms")
        name = f"p99 at half of capacity: {server.name} / {empty.name} at the same rate"
        yield from _goal(name, ratio(ours, theirs), 3, at_least=False)


def _cold_start(results: Results) -> Iterator[Goal]:
    def start(subject: Subject, value: str, case: str = cold_start.WHOLE) -> dict[int, float]:
        return results.of(cold_start.KIND, case, subject.name, value)

    for server, empty in ((FLASK, EMPTY_FLASK), (FUNC, EMPTY_FUNC)):
        slower = ratio(start(server, "seconds"), start(empty, "seconds"))
        yield from _goal(f"cold start: {server.name} / {empty.name}", slower, 1.35, at_least=False)
    larger = ratio(start(FLASK, "pss_mib"), start(EMPTY_FLASK, "pss_mib"))
    name = f"memory (PSS): {FLASK.name} / {EMPTY_FLASK.name}"
    yield from _goal(name, larger, 1.4, at_least=False)
    for server in (FLASK, ASGI, FUNC):
        quarter = start(server, "seconds", cold_start.QUARTER)
        share = {
            round_: each / cold_start.SHARE for round_, each in start(server, "seconds").items()
        }
        name = f"cold start with 0.25 CPU: {server.name} / four times its cold start with 1"
        yield from _goal(name, ratio(quarter, share), 2, at_least=False)
