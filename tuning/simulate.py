"""Predict a revision's pods, queues, latency and cost under some traffic.

``closed_loop`` runs the autoscaler alone on a given concurrency; ``run`` simulates every request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

from tuning.autoscaler import TICK_S, Autoscaler, ScaleSpec
from tuning.collector import SCRAPE_S
from tuning.curve import Curve
from tuning.engine import Engine, Sender
from tuning.kafka_sender import KafkaSender
from tuning.kafka_source import KafkaSource
from tuning.knative_settings import KnativeSettings
from tuning.results import Results
from tuning.senders import OpenTraffic, WaitingClients
from tuning.traffic import Traffic
from tuning.windows import BucketedWindow

_WAIT_AT_MOST = 900.0  # seconds after the traffic: longer than all retries of a KafkaSource


class ClosedLoop(NamedTuple):
    """The pods that were ready, and what the autoscaler said, at each tick."""

    ready: list[int]
    desired: list[int]
    ebc: list[int]


def closed_loop(
    concurrency_per_s: Sequence[float],
    spec: ScaleSpec | Mapping[str, Any],
    panic_window_s: float,
    start_delay_s: float,
) -> ClosedLoop:
    """The autoscaler from zero pods on, given the concurrency in each second.

    It decides every two seconds. A pod that it asks for is ready ``start_delay_s`` later, even if
    it is no longer wanted by then; one that it no longer wants is gone at once.
    """
    spec = ScaleSpec.of(spec)
    autoscaler = Autoscaler(spec, ready_at_start=0)
    stable = BucketedWindow(spec.stable_window_s, SCRAPE_S)
    panic = BucketedWindow(panic_window_s, SCRAPE_S)
    ready, seen = 0, ClosedLoop([], [], [])
    starting: list[tuple[float, int]] = []
    for t, concurrency in enumerate(concurrency_per_s):
        stable.record(t, concurrency)
        panic.record(t, concurrency)
        decision = None
        if t % TICK_S == 0:
            decision = autoscaler.tick(t, ready, stable.average(t), panic.average(t))
            seen.ready.append(ready)
            seen.desired.append(decision.desired)
            seen.ebc.append(decision.excess_burst_capacity)
        ready = max([ready, *(pods for due, pods in starting if due <= t)])
        starting = [(due, pods) for due, pods in starting if due > t]
        if decision is None:
            continue
        if decision.desired > ready:
            starting.append((t + start_delay_s, decision.desired))
        ready = min(ready, decision.desired)
    return seen


@dataclass(frozen=True, slots=True)
class Scenario:
    """All that a run needs beside Knative's settings; the same seed gives the same arrivals.

    Without a ``kafka`` the traffic comes over HTTP, and nobody repeats a request. With ``new`` the
    revision is deployed at 0, else it stands as after a long time without requests.
    """

    traffic: Traffic
    curve: Curve
    kafka: KafkaSource | None = None
    pod_start_s: float = 2.0
    new: bool = False
    seed: int = 1


def run(settings: KnativeSettings, scenario: Scenario, name: str = "settings") -> Results:
    """Simulate; takes some seconds for a million requests."""

    def sender(engine: Engine) -> Sender:
        if scenario.kafka is None:
            return OpenTraffic(engine, scenario.traffic, scenario.seed)
        return KafkaSender(engine, scenario.kafka, scenario.traffic, scenario.seed)

    return _run(settings, scenario, name, sender)


def run_clients(
    settings: KnativeSettings, scenario: Scenario, clients: int, until_s: float
) -> Results:
    """Simulate clients that wait for each answer, until a moment; the traffic is not used."""

    def sender(engine: Engine) -> Sender:
        return WaitingClients(engine, clients, until_s)

    return _run(settings, scenario, f"{clients} clients", sender)


def _run(
    settings: KnativeSettings,
    scenario: Scenario,
    name: str,
    make_sender: Callable[[Engine], Sender],
) -> Results:
    engine = Engine(
        settings,
        scenario.curve,
        pod_start_s=scenario.pod_start_s,
        new=scenario.new,
        random=Random(scenario.seed),  # noqa: S311 - chooses pods
    )
    engine.run(make_sender(engine), scenario.traffic.duration_s, _WAIT_AT_MOST)
    seen = engine.recorder
    return Results(
        name=name,
        traffic=scenario.traffic.name,
        duration_s=scenario.traffic.duration_s,
        arrived=scenario.traffic.per_second(),
        samples=seen.samples,
        born=seen.born,
        latencies=seen.latencies,
        statuses=seen.statuses,
        failed=seen.failed,
        lost=seen.lost,
        unanswered=seen.unanswered,
        cold_starts=seen.cold_starts,
        cold_requests=seen.cold_requests,
        pod_seconds=seen.pod_seconds,
    )
