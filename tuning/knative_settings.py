"""Knative's settings of one Service, checked as its webhook checks them.

Defaults are Knative's own (``pkg/autoscaler/config/config.go``, ``pkg/apis/config/defaults.go`` of
knative/serving). How they are read from YAML is in ``settings_file``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tuning.autoscaler import ScaleSpec
from tuning.errors import TuningError

PREFIX = "autoscaling.knative.dev/"
_MOST_CONCURRENCY = 1000  # config-defaults, container-concurrency-max-limit
_LONGEST_REQUEST = 600  # config-defaults, max-revision-timeout-seconds
_RPS_UTILIZATION = 0.7  # pkg/reconciler/autoscaling/resources/target.go; no setting changes it


class SettingsError(TuningError):
    """Settings that Knative would refuse; ``problems`` holds one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


@dataclass(frozen=True, slots=True)
class KnativeSettings:
    """What decides how a revision is scaled; times in seconds, percentages as Knative has them.

    ``max_scale`` 0 is no limit, ``activation_scale`` 0 is not set, ``target`` 0 is not set.
    """

    container_concurrency: int = 0
    timeout_s: float = 300
    metric: Literal["concurrency", "rps"] = "concurrency"
    weighted: bool = False
    """metric-aggregation-algorithm: weighted-exponential instead of linear."""
    target: float = 0
    utilization: float = 70
    burst_capacity: float = 211
    window_s: float = 60
    panic_window: float = 10
    panic_threshold: float = 200
    min_scale: int = 0
    max_scale: int = 0
    initial_scale: int = 1
    activation_scale: int = 0
    scale_down_delay_s: float = 0
    retention_s: float = 0
    # The cluster's.
    concurrency_target_default: float = 100
    rps_target_default: float = 200
    max_up: float = 1000
    max_down: float = 2
    grace_s: float = 30
    max_scale_limit: int = 0
    allow_zero_initial_scale: bool = False
    scale_to_zero: bool = True

    @property
    def panic_window_s(self) -> float:
        """The short window: a share of the long one, in whole seconds, at least one.

        ``pkg/reconciler/autoscaling/resources/metric.go``.
        """
        return float(max(1, math.floor(self.window_s * self.panic_window / 100 + 0.5)))

    @property
    def total(self) -> float:
        """The most that one pod takes, in the metric's unit (target.go, ResolveMetricTarget)."""
        if self.metric == "rps":
            return self.target or self.rps_target_default
        limits = [value for value in (self.target, float(self.container_concurrency)) if value]
        return min(limits, default=self.concurrency_target_default)

    def scale_spec(self) -> ScaleSpec:
        """What the autoscaler is given of this (kpa/resources/decider.go)."""
        used = _RPS_UTILIZATION if self.metric == "rps" else self.utilization / 100
        return ScaleSpec(
            target=max(0.01, self.total * used),
            total=self.total,
            tbc=self.burst_capacity,
            stable_window_s=self.window_s,
            panic_threshold=self.panic_threshold / 100,
            max_up=self.max_up,
            max_down=self.max_down,
            activation_scale=self.activation_scale,
            scale_down_delay_s=self.scale_down_delay_s,
        )


def conflicts(settings: KnativeSettings) -> Iterator[str]:
    """What is wrong with values that are right one by one, a sentence each."""
    low, high = settings.min_scale, settings.max_scale
    activation, limit = settings.activation_scale, settings.max_scale_limit
    if not 0 <= settings.container_concurrency <= _MOST_CONCURRENCY:
        yield (
            f"containerConcurrency is {settings.container_concurrency}:"
            f" it must be a whole number from 0 to {_MOST_CONCURRENCY}"
        )
    if not 0 <= settings.timeout_s <= _LONGEST_REQUEST:
        yield (
            f"timeoutSeconds is {settings.timeout_s:g}:"
            f" it must be a whole number from 0 to {_LONGEST_REQUEST}"
        )
    if high and high < low:
        yield f"{PREFIX}max-scale is {high}: it must be at least min-scale, {low}, or 0"
    if activation and activation < low:
        yield f"{PREFIX}activation-scale is {activation}: it must be at least min-scale, {low}"
    if activation and high and activation > high:
        yield f"{PREFIX}activation-scale is {activation}: it must be at most max-scale, {high}"
    if limit and not 1 <= high <= limit:
        yield f"{PREFIX}max-scale is {high}: it must be from 1 to the cluster's limit, {limit}"
    if settings.initial_scale == 0 and not settings.allow_zero_initial_scale:
        yield (
            f"{PREFIX}initial-scale is 0: it must be 1 or more, as long as the cluster's"
            " config-autoscaler does not set allow-zero-initial-scale"
        )
