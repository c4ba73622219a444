"""Which runs there are, and their order: rounds, and in each all cases, subject by subject."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from benchmarks import capacity, checks, cold_start, latency, layers, matching, pipeline
from benchmarks.load import WrongAnswersError
from benchmarks.results import Results, Run
from benchmarks.subjects import ASGI, EMPTY_FUNC, FLASK, OURS, PYTHON_PEERS, Subject

NAMES = ("capacity", "cold-start", "latency", "pipeline", "layers", "matching")
_PIPELINE_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: rounds, seconds of each load, and whether no case is left out."""

    rounds: int
    seconds: float
    complete: bool = True


FULL = Plan(7, 2.0)
QUICK = Plan(1, 0.4, complete=False)
_QUICK_CASES = (capacity.NO_MATCH, capacity.ONE_AT_A_TIME, capacity.NO_LIMIT)


@dataclass(frozen=True, slots=True)
class Cell:
    """One subject in one case."""

    kind: str
    case: str
    subject: Subject
    measure: Callable[[], dict[str, float]]


def run(names: Sequence[str], plan: Plan, results: Results) -> Results:
    """Measure what is named; raises SystemExit where a subject's answers are wrong."""
    runs = list(results.runs)
    first = [*(_capacity(plan) if "capacity" in names else [])]
    first += _cold_start(plan) if "cold-start" in names else []
    usable = _usable(first)
    runs += _rounds([cell for cell in first if cell.subject.name in usable], plan.rounds)
    if "latency" in names:
        runs += _rounds(_latency(plan, Results(results.machine, runs)), plan.rounds)
    if "pipeline" in names:
        runs += _rounds(_pipeline(plan), min(plan.rounds, _PIPELINE_ROUNDS))
    if "layers" in names:
        runs += layers.runs() + _rounds(_layers(plan), plan.rounds)
    if "matching" in names:
        runs += matching.runs(matching.COUNTS if plan.complete else matching.COUNTS[:3])
    return Results(results.machine, runs)


def _usable(cells: Iterable[Cell]) -> set[str]:
    """The names of the subjects that can be had here and that answer rightly."""
    usable = set()
    for subject in {cell.subject.name: cell.subject for cell in cells}.values():
        missing = subject.prepare()
        if missing:
            _say(missing)
            continue
        if subject.name != EMPTY_FUNC.name:  # it does nothing, and answers 200
            checks.check(subject)
        usable.add(subject.name)
    return usable


def _rounds(cells: Sequence[Cell], rounds: int) -> list[Run]:
    found = []
    for round_ in range(rounds if cells else 0):
        start = time.monotonic()
        for cell in _shuffled(cells, random.Random(round_)):  # noqa: S311 - order, not secrets
            try:
                values = cell.measure()
            except WrongAnswersError as error:
                raise WrongAnswersError(f"{cell.subject.name}, {cell.case}: {error}") from None
            found.append(Run(cell.kind, cell.case, cell.subject.name, round_, values))
        kinds = ", ".join(dict.fromkeys(cell.kind for cell in cells))
        _say(f"{kinds}: round {round_ + 1} of {rounds}, {time.monotonic() - start:.0f} s")
    return found


def _shuffled(cells: Iterable[Cell], order: random.Random) -> list[Cell]:
    """The subjects of a case one after the other, so that a ratio is of two moments close by.

    Cases, and subjects in them, in another order in each round, so that none always follows the
    same one.
    """
    cases: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        cases.setdefault((cell.kind, cell.case), []).append(cell)
    groups = [order.sample(group, len(group)) for group in cases.values()]
    return [cell for group in order.sample(groups, len(groups)) for cell in group]


def _capacity(plan: Plan) -> list[Cell]:
    cases = [case for case in capacity.CASES if plan.complete or case.name in _QUICK_CASES]
    return [cell for case in cases for cell in _loaded(capacity.KIND, case, plan)]


def _layers(plan: Plan) -> list[Cell]:
    return _loaded(layers.KIND, layers.UNDER_LOAD, plan)


def _loaded(kind: str, case: capacity.Case, plan: Plan) -> list[Cell]:
    def cell(subject: Subject) -> Cell:
        return Cell(kind, case.name, subject, lambda: capacity.measure(case, subject, plan.seconds))

    return [cell(subject) for subject in case.subjects]


def _cold_start(plan: Plan) -> list[Cell]:
    def cell(subject: Subject) -> Cell:
        return Cell(cold_start.KIND, cold_start.WHOLE, subject, lambda: cold_start.measure(subject))

    def in_quarter(subject: Subject) -> Cell:
        return Cell(
            cold_start.KIND,
            cold_start.QUARTER,
            subject,
            lambda: cold_start.measure_in_quarter(subject),
        )

    left_out = () if plan.complete else PYTHON_PEERS
    cells = [cell(subject) for subject in cold_start.SUBJECTS if subject not in left_out]
    if why := cold_start.no_quarter():
        _say(why)
        return cells
    return [*cells, *map(in_quarter, OURS)]


def _latency(plan: Plan, results: Results) -> list[Cell]:
    def cell(door: Subject, subject: Subject, share: float) -> Cell:
        rate = latency.rate(results, door, share)
        return Cell(
            latency.KIND,
            latency.case(door, share),
            subject,
            lambda: latency.measure(subject, rate, plan.seconds),
        )

    return [
        cell(pair[0], subject, share)
        for pair in latency.PAIRS
        for share in (latency.SHARES if plan.complete else (0.5,))
        for subject in pair
    ]


def _pipeline(plan: Plan) -> list[Cell]:
    def cell(case: pipeline.Case, subject: Subject) -> Cell:
        return Cell(pipeline.KIND, case.name, subject, lambda: pipeline.measure(case, subject))

    cases = pipeline.CASES if plan.complete else pipeline.CASES[:1]
    return [cell(case, subject) for case in cases for subject in (FLASK, ASGI)]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
