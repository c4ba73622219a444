"""What a run was like, for the requests and for whoever pays for the pods."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tuning.pod import Pod


class Sample(NamedTuple):
    """The state at the end of a second."""

    t: float
    pods: int
    """Pods that are wanted, started or not."""
    ready: int
    desired: int
    """The autoscaler's wish, before min-scale and max-scale."""
    concurrency: float
    """Requests in the system, on average over the second."""
    stable: float
    """The autoscaler's average over its long window at the last tick."""
    panic: float
    """The same over the short one."""
    queued: int
    """Requests in the activator's and the pods' queues."""
    backlog: int
    """Records that wait in Kafka."""
    panicking: bool
    proxied: bool
    """Whether the activator is in the path."""


class Recorder:
    """Gathers a run's events."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.statuses: Counter[int] = Counter()
        self.cold_requests = 0
        self.cold_starts = 0
        self.unanswered = 0
        self.lost = 0
        self.failed = array("d")
        self.born = array("d")
        self.latencies = array("d")
        self.pod_seconds = 0.0
        self.pods: list[Pod] = []

    def delivered(self, born: float, now: float) -> None:
        """What arrived at ``born`` has been answered well."""
        self.born.append(born)
        self.latencies.append(now - born)

    def answered(self, status: int, now: float) -> None:
        """An attempt has its answer."""
        self.statuses[status] += 1
        if status >= 300:
            self.failed.append(now)

    def close(self, until: float) -> None:
        """Add up what the pods cost from 0 to ``until``."""
        for pod in self.pods:
            ends = until if pod.gone is None else min(pod.gone, until)
            self.pod_seconds += max(0.0, ends - pod.created)


@dataclass(frozen=True, slots=True)
class Results:
    """A finished run; times in seconds."""

    name: str
    traffic: str
    duration_s: int
    arrived: Sequence[float]
    """Requests or records in each second."""
    samples: Sequence[Sample]
    born: Sequence[float]
    latencies: Sequence[float]
    """Of everything that was delivered, each at the same place as its arrival in ``born``."""
    statuses: Counter[int]
    """Of all attempts."""
    failed: Sequence[float]
    """When an attempt was answered 503 or 504."""
    lost: int
    """Requests that failed for good, and records that went to the dead letters."""
    unanswered: int
    """What was still under way when the simulation was stopped."""
    cold_starts: int
    """How often pods were started where there was none."""
    cold_requests: int
    """Requests that came while no pod was ready."""
    pod_seconds: float
    ordered: Sequence[float] = field(repr=False, default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "ordered", sorted(self.latencies))

    def percentile(self, share: float) -> float:
        """The latency that this share of what was delivered did not exceed; NaN without any."""
        if not self.ordered:
            return math.nan
        return self.ordered[max(0, math.ceil(share * len(self.ordered)) - 1)]

    @property
    def most_pods(self) -> int:
        """The largest number of pods at any second."""
        return max((sample.pods for sample in self.samples), default=0)

    @property
    def pods_on_average(self) -> float:
        """Pods that were paid for, over the whole time."""
        return self.pod_seconds / self.duration_s

    def failed_per_second(self) -> list[int]:
        """Attempts that were answered 503 or 504 in each second."""
        counts = [0] * self.duration_s
        for moment in self.failed:
            if moment < self.duration_s:
                counts[int(moment)] += 1
        return counts

    def percentile_by_time(self, share: float, bin_s: float) -> list[tuple[float, float]]:
        """(middle of the bin, percentile of what arrived in it); bins without any are left out."""
        bins: dict[int, list[float]] = {}
        for born, latency in zip(self.born, self.latencies, strict=True):
            bins.setdefault(int(born // bin_s), []).append(latency)
        found = []
        for number, values in sorted(bins.items()):
            values.sort()
            value = values[max(0, math.ceil(share * len(values)) - 1)]
            found.append(((number + 0.5) * bin_s, value))
        return found
