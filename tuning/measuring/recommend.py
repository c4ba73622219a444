"""From samples to settings, each with its reasons.

One number has to serve all mixes of records that were measured. The autoscaler holds a pod at its
target, a share of containerConcurrency, and the place to be held at is the knee: with fewer in
flight a pod waits for its receiver while its processor idles, with more they only wait for each
other. So containerConcurrency is the lowest level whose target is not below the knee of any mix, as
long as latency stays within a bound. A share of the highest throughput would be another measure; it
gives two or three times as much where throughput creeps up to the last level, for pods that are a
tenth faster, and fewer of them to share what KafkaSource has in flight.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tuning.errors import TuningError
from tuning.knative_settings import KnativeSettings
from tuning.measuring.law import Fit, fit, knee
from tuning.measuring.manifest import Service
from tuning.measuring.raw import Measurement, Mix, Sample
from tuning.measuring.run import SPARE_THREADS

KAFKA_IN_FLIGHT = 99  # of one dispatcher, ordering: unordered (UnorderedConsumerVerticle.java)
_CPU_STEP = 50  # millicores
_CORE = 1000  # millicores
_PART = 100  # millicores, to show what a smaller request is worth
_CLIMBING = 1.1  # the last level adds more than this: the limit is further on
_SENDER_NEAR = 0.7  # of what its core can send
_DISTURBED = 0.05  # of the core


class NoRecommendationError(TuningError):
    """What was measured supports no recommendation; the message says why."""


@dataclass(frozen=True, slots=True)
class Result:
    """One mix: its levels, the law through them, and the knee."""

    mix: Mix
    samples: Sequence[Sample]
    fit: Fit
    knee: float

    @property
    def best(self) -> Sample:
        """The level with the highest throughput."""
        return max(self.samples, key=lambda sample: sample.throughput)

    def at(self, level: int) -> Sample:
        """The sample of a level."""
        return next(sample for sample in self.samples if sample.concurrency == level)

    def throughput(self, n: float) -> float:
        """Requests a second with ``n`` in flight: a line between the two levels around it."""
        return _between([(s.concurrency, s.throughput) for s in self.samples], n)

    def cores(self, n: float) -> float | None:
        """Cores in use with ``n`` in flight; None where it was not measured."""
        used = [(s.concurrency, s.cores) for s in self.samples if s.cores is not None]
        return _between(used, n) if used else None


def _between(points: Sequence[tuple[int, float]], n: float) -> float:
    below = max((point for point in points if point[0] <= n), default=points[0])
    above = min((point for point in points if point[0] >= n), default=points[-1])
    if above[0] == below[0]:
        return below[1]
    return below[1] + (above[1] - below[1]) * (n - below[0]) / (above[0] - below[0])


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Settings, and sentences that say why. ``cpu`` is in millicores, None where not measured."""

    container_concurrency: int
    target: float
    threads: int | None
    cpu: int | None
    pods: int
    """That one KafkaSource dispatcher keeps busy while there is a backlog."""
    reasons: Sequence[str]


def results(measurement: Measurement) -> list[Result]:
    """Each mix by itself; raises FitError."""
    found = []
    for mix in measurement.mixes:
        samples = mix.best()
        points = [(sample.concurrency, sample.throughput) for sample in samples]
        found.append(Result(mix, samples, fit(points), knee(points)))
    return found


def refuse_failures(measurement: Measurement) -> None:
    """Raises NoRecommendationError where any request was not answered 2xx."""
    failures = measurement.failures()
    if not failures:
        return
    said = ", ".join(f"{count} x {what}" for what, count in sorted(failures.items()))
    where, example = next(
        (f"{mix.name}, {sample.concurrency} in flight", sample.example)
        for mix in measurement.mixes
        for sample in mix.samples
        if sample.failures
    )
    shown = f"\nThe first of them: {example}" if example else ""
    raise NoRecommendationError(
        f"No recommendation: requests were not answered 2xx ({said}), the first with"
        f" {where}. A pod that refuses work answers fast: its figures say nothing.{shown}"
    )


def recommend(
    found: Sequence[Result], service: Service, measurement: Measurement, bound_s: float
) -> Recommendation:
    """The settings for a Service; ``bound_s`` is what p99 must stay within.

    Raises NoRecommendationError where no level keeps to the bound.
    """
    now = service.settings
    if now.metric == "rps":
        now = replace(now, metric="concurrency", target=0)
    levels = sorted(set.intersection(*({s.concurrency for s in r.samples} for r in found)))
    if not levels:
        raise NoRecommendationError("No recommendation: no level was measured with every mix.")
    knee = max(result.knee for result in found)
    wanted = knee / (now.utilization / 100)
    reasons = [_knee(result) for result in found]
    reasons.append(
        f"At its target, {now.utilization:g} % of containerConcurrency, a pod should have as many"
        f" in flight as at the highest knee, {knee:.1f}: with fewer its processor idles while it"
        " waits for the receiver, with more they only wait for each other. That is a"
        f" containerConcurrency of {wanted:.0f} or more."
    )
    fits = _least_for_kafka(now)
    if fits > wanted:
        reasons.append(
            f"It would call for more than max-scale {now.max_scale} pods: KafkaSource keeps up to"
            f" {KAFKA_IN_FLIGHT} requests in flight (one dispatcher, unordered), so a pod has to"
            f" take {fits} or more at {now.utilization:g} % of containerConcurrency."
        )
    wanted = min((n for n in levels if n >= max(wanted, fits)), default=levels[-1])
    level = _within(found, levels, wanted, bound_s, reasons)
    target = replace(now, container_concurrency=level).scale_spec().target
    pods = math.ceil(KAFKA_IN_FLIGHT / target)
    if now.max_scale and pods > now.max_scale:
        reasons.append(
            f"KafkaSource's {KAFKA_IN_FLIGHT} requests in flight (one dispatcher, unordered) call"
            f" for {pods} pods, max-scale allows {now.max_scale}: the others wait in Knative's"
            " queues."
        )
        pods = now.max_scale
    cpu = _cpu(found, target, service.cpu_limit, reasons)
    threads = level + SPARE_THREADS if measurement.server == "flask" else None
    return Recommendation(level, target, threads, cpu, pods, reasons)


def _knee(result: Result) -> str:
    alone, best = result.samples[0], result.best
    return (
        f"{_capital(result.mix.name)}: with {alone.concurrency} in flight a pod answers"
        f" {alone.throughput:,.0f} a second, with {best.concurrency} the most,"
        f" {best.throughput:,.0f}: the knee is at {result.knee:.1f}."
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _least_for_kafka(now: KnativeSettings) -> int:
    """The lowest containerConcurrency with which KafkaSource does not want more than max-scale."""
    if not now.max_scale:
        return 1
    return math.ceil(KAFKA_IN_FLIGHT / (now.max_scale * now.utilization / 100))


def _within(
    found: Sequence[Result], levels: Sequence[int], wanted: int, bound_s: float, reasons: list[str]
) -> int:
    """The wanted level, or the highest one below it whose p99 is within the bound for each mix."""
    slowest = {
        level: max(result.at(level).percentile(0.99) for result in found) for level in levels
    }
    allowed = [level for level in levels if level <= wanted and slowest[level] <= bound_s]
    if not allowed:
        raise NoRecommendationError(
            f"No recommendation: even with {levels[0]} in flight 1 % of the requests take longer"
            f" than {bound_s * 1000:g} ms. Allow more with --p99, or look at the receiver."
        )
    level = allowed[-1]
    if level < wanted:
        reasons.append(
            f"With {wanted} in flight 1 % of the requests take {slowest[wanted] * 1000:.0f} ms or"
            f" longer; {level} is the highest level with which they keep to --p99,"
            f" {bound_s * 1000:g} ms."
        )
    else:
        reasons.append(
            f"With {level} in flight 99 % are answered within {slowest[level] * 1000:.0f} ms,"
            " whichever of the records are sent."
        )
    return level


def _cpu(
    found: Sequence[Result], target: float, limit: int | None, reasons: list[str]
) -> int | None:
    used = [cores for result in found if (cores := result.cores(target)) is not None]
    if not used:
        reasons.append("A function that runs elsewhere does not show its use of the processor.")
        return None
    cpu = max(_CPU_STEP, round(max(used) * 1000 / _CPU_STEP) * _CPU_STEP)
    dearest = max(s.cpu_per_request_s or 0.0 for r in found for s in r.samples)
    reasons.append(
        f"At the target, {target:g} in flight, a pod keeps {max(used):.2f} of a core busy. With a"
        " smaller request it does the same on a node with idle cores, and less on a full one:"
        f" {_PART}m are certain to serve {_PART / 1000 / max(dearest, 1e-9):,.0f} records a second"
        f" of those that cost most, {1000 * dearest:.1f} ms of processor time each."
    )
    if limit is None or cpu <= limit:
        return cpu
    if limit < _CORE:
        reasons.append(
            f"The Service limits a pod to {limit}m, but it was measured with a whole core: with"
            " this limit it does less than all of the above."
        )
    return limit


def warnings(found: Sequence[Result], measurement: Measurement) -> list[str]:
    """What makes the figures doubtful, a sentence each."""
    said = []
    for result in found:
        name = _capital(result.mix.name)
        if not result.fit.holds:
            said.append(
                f"{name}: the universal scalability law is off by {100 * result.fit.error:.0f} %"
                " (root mean square): trust the points, not the line."
            )
        if len(result.samples) > 1 and result.best is result.samples[-1]:
            last, before = result.samples[-1], result.samples[-2]
            if last.throughput > _CLIMBING * before.throughput:
                said.append(
                    f"{name}: throughput still rises at {last.concurrency} in flight: add a level."
                )
    every = [sample for mix in measurement.mixes for sample in mix.samples]
    fastest = max(sample.throughput for sample in every)
    if fastest > _SENDER_NEAR * measurement.sender_limit:
        said.append(
            f"The sender was near its own limit, {measurement.sender_limit:,.0f} requests a second"
            " to an empty server: the pod may do more than this."
        )
    worst = max((s for r in found for s in r.samples), key=lambda sample: sample.disturbed)
    if worst.disturbed > _DISTURBED:
        said.append(
            f"Other programs took up to {100 * worst.disturbed:.0f} % of the function's core (at"
            f" {worst.concurrency} in flight): use a quiet machine, or --rounds 3."
        )
    if not measurement.pinned:
        said.append(
            "Sender and function shared their cores, as this system offers no two of them to be"
            " told apart: a pod with a core of its own does more."
        )
    return said
