"""One decision of Knative's Pod Autoscaler: how many pods, and whether a burst would fit.

Mirrors ``pkg/autoscaler/scaling/autoscaler.go`` of knative/serving. What comes before, the window
averages, is in ``windows``; what comes after, the bounds and the way to zero, in ``reconciler``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from tuning.windows import MaxWindow

TICK_S = 2.0  # pkg/autoscaler/scaling/multiscaler.go, tickInterval


@dataclass(frozen=True, slots=True)
class ScaleSpec:
    """What the autoscaler knows of a revision (multiscaler.go, DeciderSpec); times in seconds."""

    target: float
    """Requests (or requests per second) that one pod is to have on average."""
    total: float
    """The most that one pod can take."""
    tbc: float = 211
    """target-burst-capacity; 0 and -1 mean never and always through the activator."""
    stable_window_s: float = 60
    panic_threshold: float = 2
    max_up: float = 1000
    max_down: float = 2
    activation_scale: int = 0
    scale_down_delay_s: float = 0
    reachable: bool = True
    """Whether a route leads to the revision."""

    @classmethod
    def of(cls, spec: ScaleSpec | Mapping[str, Any]) -> ScaleSpec:
        """The same from a mapping with these names; raises ValueError for any other name."""
        if isinstance(spec, ScaleSpec):
            return spec
        names = {field.name for field in fields(cls)}
        unknown, missing = set(spec) - names, {"target", "total"} - set(spec)
        if unknown or missing:
            wrong = [f"{name} is unknown" for name in sorted(unknown)]
            wrong += [f"{name} is missing" for name in sorted(missing)]
            raise ValueError(f"the autoscaler's spec: {', '.join(wrong)}")
        return cls(**spec)


class Decision(NamedTuple):
    """What one tick says; without metrics it is not valid, and nobody acts on it."""

    desired: int
    excess_burst_capacity: int
    valid: bool


NO_DECISION = Decision(0, 0, valid=False)


class Autoscaler:
    """The state between ticks: whether it panics, since when, and the most pods of this panic."""

    def __init__(self, spec: ScaleSpec | Mapping[str, Any], ready_at_start: int) -> None:
        self._spec = ScaleSpec.of(spec)
        self._delay = (
            MaxWindow(self._spec.scale_down_delay_s, TICK_S)
            if self._spec.scale_down_delay_s > 0
            else None
        )
        # A restarted autoscaler has lost its metrics: it starts in panic, so that nothing shrinks
        # for a stable window (autoscaler.go, newAutoscaler).
        self._starts_in_panic = ready_at_start > 1
        self._panic_since: float | None = None
        self._most_in_panic = ready_at_start

    @property
    def panicking(self) -> bool:
        """Whether the last tick was in panic mode."""
        return self._panic_since is not None

    def tick(self, t: float, ready: int, stable: float | None, panic: float | None) -> Decision:
        """Decide at ``t`` from the ready pods and the two averages; None where there are no data.

        autoscaler.go, Scale.
        """
        if self._starts_in_panic:
            self._panic_since, self._starts_in_panic = t, False
        if stable is None or panic is None:
            return NO_DECISION
        desired = self._desired(t, max(1, ready), stable, panic)
        if self._delay is not None and self._spec.reachable:
            self._delay.record(t, desired)
            desired = int(self._delay.current())
        return Decision(desired, self._excess_burst_capacity(ready, panic), valid=True)

    def _desired(self, t: float, ready: int, stable: float, panic: float) -> int:
        for_stable = math.ceil(stable / self._spec.target)
        for_panic = math.ceil(panic / self._spec.target)
        self._enter_or_leave_panic(t, for_panic / ready >= self._spec.panic_threshold)
        desired = self._within_rates(for_stable, ready)
        if self._panic_since is None:
            return desired
        desired = max(desired, self._within_rates(for_panic, ready), self._most_in_panic)
        self._most_in_panic = desired
        return desired

    def _within_rates(self, wanted: int, ready: int) -> int:
        """No faster up or down than max-scale-up-rate and max-scale-down-rate let it."""
        spec = self._spec
        least = math.floor(ready / spec.max_down) if spec.reachable else 0
        bounded = min(max(wanted, least), math.ceil(spec.max_up * ready))
        if spec.activation_scale > 1 and wanted > 0:
            return max(bounded, spec.activation_scale)
        return bounded

    def _enter_or_leave_panic(self, t: float, over: bool) -> None:
        if over:
            self._panic_since = t  # each such tick makes the panic last a stable window longer
        elif self._panic_since is not None and t - self._panic_since > self._spec.stable_window_s:
            self._panic_since = None
            self._most_in_panic = 0

    def _excess_burst_capacity(self, ready: int, panic: float) -> int:
        """Below zero the activator is in the path, from zero on requests go straight to pods."""
        if self._spec.tbc == 0:
            return 0
        if self._spec.tbc < 0:
            return -1
        return math.floor(ready * self._spec.total - self._spec.tbc - panic)
