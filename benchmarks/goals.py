"""What is promised about speed, and what of it a run shows: each a ratio of one run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks import capacity, cold_start, latency
from benchmarks.results import Results, Spread, by_round, ratio, spread
from benchmarks.subjects import (
    ASGI,
    DOORS,
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
    for door, empty, wanted in (
        (FLASK, EMPTY_FLASK, 0.80),
        (PLAIN_ASGI, EMPTY_PLAIN_ASGI, 0.55),  # the server that this was wanted for
        (ASGI, EMPTY_ASGI, 0.55),
    ):
        yield from _faster(results, case, door, empty, wanted)
    ours, cheap = (choose(results, case, DOORS) for choose in (_best, _cheapest))
    peer, cheap_peer = (choose(results, case, PYTHON_PEERS) for choose in (_best, _cheapest))
    by_cpu = ratio(_cpu(results, case, cheap_peer), _cpu(results, case, cheap))
    found = ratio(_rate(results, case, ours), _rate(results, case, peer))
    yield from _goal(f"{case}: best door / best Python peer", found, 3, by_cpu=by_cpu)
    by_cpu = ratio(_cpu(results, case, GO), _cpu(results, case, cheap))
    found = ratio(_rate(results, case, ours), _rate(results, case, GO))
    yield from _goal(f"{case}: best door / Go reference", found, 0.4, by_cpu=by_cpu)


def _faster(
    results: Results, case: str, one: Subject, other: Subject, wanted: float
) -> Iterator[Goal]:
    found = ratio(_rate(results, case, one), _rate(results, case, other))
    by_cpu = ratio(_cpu(results, case, other), _cpu(results, case, one))
    yield from _goal(f"{case}: {one.name} / {other.name}", found, wanted, by_cpu=by_cpu)


def _delivery(results: Results) -> Iterator[Goal]:
    case = capacity.ONE_AT_A_TIME
    ours = _rate(results, case, _best(results, case, DOORS))
    peers = _rate(results, case, _best(results, case, PEERS_ALL))
    yield from _goal(f"{case}: best door / best peer, Go included", ratio(ours, peers), 10)
    case = capacity.NO_LIMIT
    best = _best(results, case, DOORS)
    ours, own = _rate(results, case, best), _rate(results, capacity.NO_MATCH, best)
    bound = by_round(lambda rate: min(0.65 * _BOUND, 0.5 * rate), own)
    name = f"{case}: best door / the lower of 0.65 x in flight / latency and 0.5 x its no match"
    yield from _goal(name, ratio(ours, bound), 1)
    peers = _rate(results, case, _best(results, case, PYTHON_PEERS))
    yield from _goal(f"{case}: best door / best Python peer", ratio(ours, peers), 3)
    for door in DOORS:
        cost = ratio(_cpu(results, case, door), _cpu(results, capacity.NO_MATCH, door))
        name = f"{case}: {door.name}'s processor time per alert / per no match"
        yield from _goal(name, cost, 2, at_least=False)


def _rules(results: Results) -> Iterator[Goal]:
    one, hundred = capacity.NO_MATCH, capacity.HUNDRED
    for door in DOORS:
        found = ratio(_rate(results, hundred, door), _rate(results, one, door))
        by_cpu = ratio(_cpu(results, one, door), _cpu(results, hundred, door))
        yield from _goal(f"{door.name}: 100 rules / 1 rule", found, 0.9, by_cpu=by_cpu)


def _latency(results: Results) -> Iterator[Goal]:
    for door, empty in latency.PAIRS:
        case = latency.case(door, 0.5)
        ours = results.of(latency.KIND, case, door.name, "p99_ms")
        theirs = results.of(latency.KIND, case, empty.name, "p99_ms")
        name = f"p99 at half of capacity: {door.name} / {empty.name} at the same rate"
        yield from _goal(name, ratio(ours, theirs), 3, at_least=False)


def _cold_start(results: Results) -> Iterator[Goal]:
    def start(subject: Subject, value: str, case: str = cold_start.WHOLE) -> dict[int, float]:
        return results.of(cold_start.KIND, case, subject.name, value)

    for door, empty in ((FLASK, EMPTY_FLASK), (FUNC, EMPTY_FUNC)):
        slower = ratio(start(door, "seconds"), start(empty, "seconds"))
        yield from _goal(f"cold start: {door.name} / {empty.name}", slower, 1.35, at_least=False)
    larger = ratio(start(FLASK, "pss_mib"), start(EMPTY_FLASK, "pss_mib"))
    name = f"memory (PSS): {FLASK.name} / {EMPTY_FLASK.name}"
    yield from _goal(name, larger, 1.4, at_least=False)
    for door in (FLASK, ASGI, FUNC):
        quarter = start(door, "seconds", cold_start.QUARTER)
        share = {round_: each / cold_start.SHARE for round_, each in start(door, "seconds").items()}
        name = f"cold start with 0.25 CPU: {door.name} / four times its cold start with 1"
        yield from _goal(name, ratio(quarter, share), 2, at_least=False)
