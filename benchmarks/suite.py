"""Which runs there are, and their order: rounds, and in each all cases, subject by subject."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks import (
    capacity,
    checks,
    cold_start,
    latency,
    layers,
    matching,
    pipeline,
    waiting,
)
from benchmarks.base import beside
from benchmarks.load import WrongAnswersError
from benchmarks.results import Results, Run
from benchmarks.subjects import EMPTY_FUNC, PYTHON_PEERS, SERVERS, Subject

NAMES = ("capacity", "cold-start", "latency", "pipeline", "waiting", "layers", "matching")
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


Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Cell:
    """What is measured together in one case: nearly always one subject. Values by its name."""

    kind: str
    case: str
    measure: Callable[[], Mapping[str, Values]]


def run(
    names: Sequence[str], plan: Plan, results: Results, base: Sequence[Subject] = ()
) -> Results:
    """Measure what is named; raises SystemExit where a subject's answers are wrong.

    ``base`` are servers of another checkout, which are measured beside ours in every case.
    """
    runs = list(results.runs)
    cases = _cases(plan, base) if "capacity" in names else []
    starts = beside(_starts(plan), base) if "cold-start" in names else []
    usable = _usable([*(subject for case in cases for subject in case.subjects), *starts])
    first = _cold_start([subject for subject in starts if subject.name in usable])
    for case in cases:
        subjects = [subject for subject in case.subjects if subject.name in usable]
        first += _loaded(capacity.KIND, case, subjects, plan)
    runs += _rounds(first, plan.rounds)
    if "latency" in names:
        runs += _rounds(_latency(plan, Results(results.machine, runs), base), plan.rounds)
    if "pipeline" in names:
        runs += _rounds(_pipeline(plan, base), min(plan.rounds, _PIPELINE_ROUNDS))
    if "waiting" in names:
        runs += _rounds(_waiting(), min(plan.rounds, _PIPELINE_ROUNDS))
    if "layers" in names:
        steps = _loaded(layers.KIND, layers.UNDER_LOAD, layers.UNDER_LOAD.subjects, plan)
        runs += layers.runs() + _rounds(steps, plan.rounds)
    if "matching" in names:
        runs += matching.runs(matching.COUNTS if plan.complete else matching.COUNTS[:3])
    return Results(results.machine, runs)


def _usable(subjects: Iterable[Subject]) -> set[str]:
    """The names of the subjects that can be had here and that answer rightly."""
    usable = set()
    for subject in {subject.name: subject for subject in subjects}.values():
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
                measured = cell.measure()
            except WrongAnswersError as error:
                raise WrongAnswersError(f"{cell.case}: {error}") from None
            for subject, values in measured.items():
                found.append(Run(cell.kind, cell.case, subject, round_, values))
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


def _one(kind: str, case: str, subject: Subject, measure: Callable[[], Values]) -> Cell:
    def named() -> Mapping[str, Values]:
        try:
            return {subject.name: measure()}
        except WrongAnswersError as error:
            raise WrongAnswersError(f"{subject.name}: {error}") from None

    return Cell(kind, case, named)


def _loaded(kind: str, case: capacity.Case, subjects: Sequence[Subject], plan: Plan) -> list[Cell]:
    """Subjects under load, by turns where no receiver has to be quiet before the next."""

    def cell(subjects: Sequence[Subject]) -> Cell:
        return Cell(kind, case.name, lambda: capacity.measure(case, subjects, plan.seconds))

    if case.receiver is None:
        return [cell(subjects)]
    return [cell([subject]) for subject in subjects]


def _cases(plan: Plan, base: Sequence[Subject]) -> list[capacity.Case]:
    cases = [case for case in capacity.CASES if plan.complete or case.name in _QUICK_CASES]
    return [replace(case, subjects=beside(case.subjects, base)) for case in cases]


def _starts(plan: Plan) -> list[Subject]:
    left_out = () if plan.complete else PYTHON_PEERS
    return [subject for subject in cold_start.SUBJECTS if subject not in left_out]


def _cold_start(subjects: Sequence[Subject]) -> list[Cell]:
    def cell(case: str, subject: Subject, measure: Callable[[Subject], Values]) -> Cell:
        return _one(cold_start.KIND, case, subject, lambda: measure(subject))

    cells = [cell(cold_start.WHOLE, subject, cold_start.measure) for subject in subjects]
    if why := cold_start.no_quarter():
        _say(why)
        return cells
    quarter = cold_start.measure_in_quarter
    ours = [subject for subject in subjects if subject.kind == "ours"]
    return [*cells, *(cell(cold_start.QUARTER, subject, quarter) for subject in ours)]


def _latency(plan: Plan, results: Results, base: Sequence[Subject]) -> list[Cell]:
    def cell(pair: Sequence[Subject], share: float) -> Cell:
        case, rate = latency.case(pair[0], share), latency.rate(results, pair[0], share)
        subjects = beside(pair, base)
        return Cell(latency.KIND, case, lambda: latency.measure(subjects, rate, plan.seconds))

    shares = latency.SHARES if plan.complete else (0.5,)
    return [cell(pair, share) for pair in latency.PAIRS for share in shares]


def _pipeline(plan: Plan, base: Sequence[Subject]) -> list[Cell]:
    def cell(case: pipeline.Case, subject: Subject) -> Cell:
        return _one(pipeline.KIND, case.name, subject, lambda: pipeline.measure(case, subject))

    cases = pipeline.CASES if plan.complete else pipeline.CASES[:1]
    return [cell(case, subject) for case in cases for subject in beside(SERVERS, base)]


def _waiting() -> list[Cell]:
    def cell(subject: Subject) -> Cell:
        return _one(waiting.KIND, waiting.CASE, subject, lambda: waiting.measure(subject))

    return [cell(subject) for subject in SERVERS]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
