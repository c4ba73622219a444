"""Measured levels and recommended settings for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from tuning.measuring.manifest import Service
from tuning.measuring.raw import Measurement, Mix, Sample
from tuning.measuring.recommend import KAFKA_IN_FLIGHT, Recommendation, Result

_DASH = "-"


def about(measurement: Measurement) -> str:
    """What was measured, when and on what."""
    if measurement.server is None:
        subject = f"the function at {measurement.url}"
    else:
        threads = f" with {measurement.threads} threads" if measurement.threads else ""
        where = "on a core of its own" if measurement.pinned else "on cores shared with the sender"
        subject = f"SERVER={measurement.server}{threads}, {where}"
    return f"{measurement.when}: {subject}; {measurement.machine}"


def levels(mix: Mix, result: Result | None) -> Table:
    """One row for each level; ``result`` adds what the law says, None where there is none."""
    found = Table(title=mix.name, title_justify="left")
    by_law = ["law"] if result else []
    columns = (
        "in flight",
        "a second",
        *by_law,
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "cores",
        "CPU ms each",
    )
    failed = any(sample.failures for sample in mix.samples)
    for name in (*columns, *(["not 2xx"] if failed else [])):
        found.add_column(name, justify="right")
    for sample in mix.best():
        fitted = [f"{result.fit.usl.throughput(sample.concurrency):,.0f}"] if result else []
        found.add_row(
            str(sample.concurrency),
            f"{sample.throughput:,.0f}",
            *fitted,
            *(_ms(sample.percentile(share)) for share in (0.5, 0.95, 0.99)),
            _DASH if sample.cores is None else f"{sample.cores:.2f}",
            _ms(sample.cpu_per_request_s),
            *([_failures(mix, sample)] if failed else []),
        )
    return found


def law(result: Result) -> str:
    """The law's numbers and how far it is off."""
    usl = result.fit.usl
    return (
        f"law: lambda {usl.lambda_:,.0f}/s, sigma {usl.sigma:.3f}, kappa {usl.kappa:.1g},"
        f" off by {100 * result.fit.error:.1f} %\n"
    )


def _ms(seconds: float | None) -> str:
    if seconds is None or seconds != seconds:  # noqa: PLR0124 - not a number
        return _DASH
    ms = seconds * 1000
    return f"{ms:.2f}" if ms < 10 else f"{ms:.0f}"


def _failures(mix: Mix, sample: Sample) -> str:
    """Of all rounds of the level, not only of the fastest."""
    same = [each for each in mix.samples if each.concurrency == sample.concurrency]
    return str(sum(sum(each.failures.values()) for each in same) or "")


def settings(recommended: Recommendation, service: Service) -> Table:
    """What to set, and what the Service says now."""
    found = Table(title="recommended", title_justify="left")
    for name in ("", "now", "recommended"):
        found.add_column(name, justify="right" if name else "left")
    now = service.settings
    found.add_row(
        "containerConcurrency",
        str(now.container_concurrency),
        str(recommended.container_concurrency),
    )
    found.add_row(
        f"target: in flight in a pod, on average ({now.utilization:g} %)",
        f"{now.scale_spec().target:g}",
        f"{recommended.target:g}",
    )
    if recommended.threads is not None:
        found.add_row("THREADS", service.variable("THREADS"), str(recommended.threads))
    if recommended.cpu is not None:
        found.add_row("CPU request", service.cpu_request or _DASH, f"{recommended.cpu}m")
    return found


def capacity(found: Sequence[Result], recommended: Recommendation) -> Iterator[str]:
    """What a pod does with these settings, and what all pods do for a backlog in Kafka."""
    level = recommended.container_concurrency
    for result in found:
        sample = result.at(level)
        each = min(KAFKA_IN_FLIGHT / recommended.pods, level)
        together = result.throughput(each) * recommended.pods
        yield (
            f"{result.mix.name[:1].upper()}{result.mix.name[1:]}: a pod serves"
            f" {result.throughput(recommended.target):,.0f} a second at its target and"
            f" {sample.throughput:,.0f} when full, 99 % within {_ms(sample.percentile(0.99))} ms."
            f" One KafkaSource dispatcher with a backlog ({KAFKA_IN_FLIGHT} in flight) keeps"
            f" {recommended.pods} pods busy: {together:,.0f} a second."
        )
