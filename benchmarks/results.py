"""What was measured, as JSON: one entry per run, and the figures that follow from them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Run:
    """One subject in one case in one round, with what was measured there.

    ``kind`` is the experiment's name.
    """

    kind: str
    case: str
    subject: str
    round: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Spread:
    """A median, and the lowest and highest of all rounds."""

    median: float
    low: float
    high: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Results:
    """A whole run of the suite; ``machine`` says where and when."""

    machine: Mapping[str, Any]
    runs: Sequence[Run]

    def of(self, kind: str, case: str, subject: str, value: str) -> dict[int, float]:
        """One value by round; empty where it was not measured."""
        return {
            run.round: run.values[value]
            for run in self.runs
            if (run.kind, run.case, run.subject) == (kind, case, subject) and value in run.values
        }

    def subjects(self, kind: str, case: str) -> list[str]:
        """The subjects of a case, as first measured."""
        names = [run.subject for run in self.runs if (run.kind, run.case) == (kind, case)]
        return list(dict.fromkeys(names))

    def spread(self, kind: str, case: str, subject: str, value: str) -> Spread | None:
        """Median and range of one value."""
        return spread(self.of(kind, case, subject, value).values())


def spread(values: Any) -> Spread | None:
    """Median and range; None of nothing."""
    found = list(values)
    if not found:
        return None
    return Spread(statistics.median(found), min(found), max(found), len(found))


def by_round(combine: Callable[..., float], *values: Mapping[int, float]) -> dict[int, float]:
    """Combine values of the same round: what slows a round down slows all of its runs down."""
    shared = set(values[0]).intersection(*values[1:])
    return {round_: combine(*(each[round_] for each in values)) for round_ in sorted(shared)}


def ratio(above: Mapping[int, float], below: Mapping[int, float]) -> Spread | None:
    """The ratio of two values, taken round by round."""
    return spread(by_round(lambda one, other: one / other, above, below).values())


def write(results: Results, path: Path) -> None:
    """Save as JSON, one run per line; numbers keep five digits."""
    lines = [json.dumps(asdict(run) | {"values": _short(run.values)}) for run in results.runs]
    text = ",\n".join(f"  {line}" for line in lines)
    machine = json.dumps(results.machine, indent=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{{"machine": {machine},\n"runs": [\n{text}\n]}}\n', encoding="utf-8")


def _short(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.5g}") for name, value in values.items()}


def read(path: Path) -> Results:
    """Read what ``write`` saved."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return Results(found["machine"], [Run(**run) for run in found["runs"]])
