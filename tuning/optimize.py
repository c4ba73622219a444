"""Search for the settings that meet a latency goal with the fewest pod-seconds.

One setting is changed at a time, as long as that helps: first to come closer to the goal, then,
where it is met, to pay less. The result is good, not proven to be the best. A value that Knative
would refuse is never tried.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from function.formats import durations
from tuning.errors import TuningError
from tuning.knative_settings import KnativeSettings, conflicts
from tuning.results import Results

_GOAL = re.compile(r"p(\d{1,2}(?:\.\d+)?) ?<=? ?(\S+)", re.ASCII)
_NANO = 1e-9
_WORTH = 0.99  # a change has to save one pod-second in a hundred: fewer settings, fewer surprises

# From what matters most to what matters least. max-scale is not here: it is what one may spend.
_CHOICES: dict[str, Sequence[float]] = {
    "min_scale": (0, 1, 2, 3, 5, 8),
    "burst_capacity": (211, -1, 0),
    "utilization": (50, 60, 70, 80, 90, 100),
    "window_s": (15, 30, 60, 120, 300),
    "activation_scale": (0, 2, 3, 5),
    "scale_down_delay_s": (0, 30, 120, 300),
    "retention_s": (0, 60, 300, 900),
    "panic_threshold": (110, 150, 200, 400),
    "panic_window": (5, 10, 20, 40),
}


class GoalError(TuningError):
    """A goal that cannot be read."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A share of everything that arrives is answered within a time; and nothing is lost."""

    share: float
    latency_s: float

    def __str__(self) -> str:
        return f"p{self.share * 100:g} within {self.latency_s:g} s"

    def missed_by(self, results: Results) -> float:
        """0 where it is met; else the larger, the worse: lost requests weigh more than seconds."""
        lost = results.lost + results.unanswered
        reached = results.percentile(self.share)
        late = 0.0 if math.isnan(reached) else max(0.0, reached - self.latency_s)
        return lost * 1e6 + late


def read_goal(text: str) -> Goal:
    """``p99<500ms`` as a goal; raises GoalError."""
    found = _GOAL.fullmatch(text.strip())
    if found is None or not 0 < float(found[1]) < 100:
        raise GoalError(f"the goal is {text!r}: write, for example, p99<500ms")
    try:
        latency = durations.duration(found[2]) * _NANO
    except ValueError as error:
        raise GoalError(f"the goal is {text!r}: {error}") from None
    return Goal(float(found[1]) / 100, latency)


@dataclass(slots=True)
class Search:
    """The search, which can be stopped at any moment: ``best`` is the best so far."""

    goal: Goal
    run: Callable[[KnativeSettings], Results]
    best: KnativeSettings
    results: Results = field(init=False)
    tried: dict[KnativeSettings, Results] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.results = self._try(self.best)

    @property
    def met(self) -> bool:
        """Whether the best settings so far meet the goal."""
        return self.goal.missed_by(self.results) == 0

    def steps(self, concurrencies: Sequence[int]) -> Iterator[KnativeSettings]:
        """Try one setting after the other; yields what has just been tried."""
        choices = {"container_concurrency": concurrencies, **_CHOICES}
        improved = True
        while improved:
            improved = False
            for name, values in choices.items():
                for value in values:
                    candidate = self._candidate(name, value)
                    if candidate is None:
                        continue
                    results = self._try(candidate)
                    yield candidate
                    if self._better(results):
                        self.best, self.results, improved = candidate, results, True

    def _candidate(self, name: str, value: float) -> KnativeSettings | None:
        change: dict[str, Any] = {name: value}
        candidate = replace(self.best, **change)
        if candidate in self.tried or any(conflicts(candidate)):
            return None
        return candidate

    def _try(self, settings: KnativeSettings) -> Results:
        results = self.run(settings)
        self.tried[settings] = results
        return results

    def _better(self, results: Results) -> bool:
        missed, before = self.goal.missed_by(results), self.goal.missed_by(self.results)
        if missed or before:
            return missed < before * _WORTH
        return results.pod_seconds < self.results.pod_seconds * _WORTH
