"""Whole runs: what must hold under any settings, and what single settings do."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.kafkasource.retry import Delivery
from tuning import simulate, traffic
from tuning.curve import Curve, Usl
from tuning.kafka_source import KafkaSource
from tuning.knative_settings import KnativeSettings
from tuning.results import Results, Sample
from tuning.simulate import Scenario
from tuning.traffic import Traffic

ROOT = Path(__file__).resolve().parent.parent
TEN = KnativeSettings(container_concurrency=10)

SETTINGS = st.builds(
    KnativeSettings,
    container_concurrency=st.sampled_from([0, 1, 3, 10]),
    timeout_s=st.sampled_from([2, 60]),
    metric=st.sampled_from(["concurrency", "rps"]),
    weighted=st.booleans(),
    burst_capacity=st.sampled_from([-1, 0, 20, 211]),
    window_s=st.sampled_from([6, 20, 60]),
    min_scale=st.sampled_from([0, 1, 2]),
    max_scale=st.sampled_from([0, 2, 6]),
    initial_scale=st.sampled_from([1, 2]),
    activation_scale=st.sampled_from([0, 2]),
    scale_down_delay_s=st.sampled_from([0, 10]),
    retention_s=st.sampled_from([0, 40]),
)
TRAFFIC = st.lists(st.integers(0, 60), min_size=10, max_size=60).map(
    lambda rates: Traffic("any", len(rates), [float(rate) for rate in rates])
)
KAFKA = st.sampled_from(
    [
        None,
        KafkaSource("ordered", partitions=3),
        KafkaSource("unordered", partitions=4, consumers=2),
        KafkaSource("unordered", delivery=Delivery(retry=1, backoff_delay=0.1, timeout=1.5)),
    ]
)
SCENARIOS = st.builds(
    Scenario,
    traffic=TRAFFIC,
    curve=st.sampled_from([Curve(0.05), Curve(0.3, Usl(3.3, 0.05, 0.001))]),
    kafka=KAFKA,
    pod_start_s=st.sampled_from([0.0, 0.5, 3.0]),
    new=st.booleans(),
    seed=st.integers(0, 3),
)


def arrived(scenario: Scenario) -> int:
    """How many there were, from a run that loses nothing."""
    plenty = KnativeSettings(min_scale=1, burst_capacity=0)
    run = simulate.run(plenty, replace(scenario, kafka=None, curve=Curve(0.001)))
    return len(run.latencies)


def at(run: Results, t: float) -> Sample:
    """The state at the end of a second."""
    return next(sample for sample in run.samples if sample.t == t)


@given(SETTINGS, SCENARIOS)
def test_everything_that_arrives_is_answered_once_or_said_to_be_lost(
    knative: KnativeSettings, scenario: Scenario
) -> None:
    run = simulate.run(knative, scenario)
    assert len(run.latencies) + run.lost + run.unanswered == arrived(scenario)
    if scenario.kafka is None:
        assert run.statuses[200] == len(run.latencies)
        assert sum(run.statuses.values()) + run.unanswered == arrived(scenario)


@given(SETTINGS, SCENARIOS)
def test_pods_stay_within_their_bounds_and_are_paid_for(
    knative: KnativeSettings, scenario: Scenario
) -> None:
    run = simulate.run(knative, scenario)
    most = max(knative.max_scale, knative.min_scale, knative.initial_scale * scenario.new)
    for sample in run.samples:
        assert knative.min_scale <= sample.pods
        assert sample.ready <= sample.pods
        assert not knative.max_scale or sample.pods <= most
    assert run.pod_seconds >= knative.min_scale * run.duration_s
    ready_seconds = sum(sample.ready for sample in run.samples if sample.t < run.duration_s)
    assert run.pod_seconds >= ready_seconds - run.most_pods - 1


@given(SETTINGS, SCENARIOS)
def test_nothing_is_faster_than_the_function(knative: KnativeSettings, scenario: Scenario) -> None:
    run = simulate.run(knative, scenario)
    assert all(latency >= scenario.curve.latency(1) - 1e-9 for latency in run.latencies)


@given(SETTINGS, SCENARIOS)
def test_the_same_seed_gives_the_same_run(knative: KnativeSettings, scenario: Scenario) -> None:
    one, other = simulate.run(knative, scenario), simulate.run(knative, scenario)
    assert one == other


def test_the_core_needs_no_plotting_and_no_numbers_library() -> None:
    code = (
        "import sys\n"
        "for name in ('matplotlib', 'scipy', 'numpy', 'rich'): sys.modules[name] = None\n"
        "import tuning.simulate, tuning.autoscaler, tuning.windows, tuning.optimize\n"
    )
    subprocess.run((sys.executable, "-c", code), cwd=ROOT, check=True)


def test_an_idle_revision_starts_at_its_min_scale_and_stays_there() -> None:
    run = simulate.run(replace(TEN, min_scale=2), Scenario(traffic.constant(0, 100), Curve(0.1)))
    assert {(sample.pods, sample.ready) for sample in run.samples} == {(2, 2)}
    assert run.pod_seconds == 200
    assert (run.cold_starts, run.cold_requests) == (0, 0)


def test_a_new_revision_starts_with_its_initial_scale_and_gives_it_up() -> None:
    """kpa/scaler.go, scale: attained once, the initial scale counts no more."""
    quiet = Scenario(traffic.constant(0, 200), Curve(0.1), pod_start_s=2.5, new=True)
    run = simulate.run(replace(TEN, initial_scale=4), quiet)
    assert at(run, 1).pods == at(run, 3).ready == 4
    assert at(run, 4).pods == 2  # half of them, as max-scale-down-rate has it
    assert run.samples[-1].pods == 0
    assert at(simulate.run(TEN, quiet), 5).pods == 1


def test_the_first_request_does_not_wait_for_a_tick() -> None:
    """The activator reports it at once: scaling/multiscaler.go, Poke."""
    first = Scenario(traffic.at([100.5], "one", 110), Curve(0.1), pod_start_s=0.5)
    run = simulate.run(TEN, first)
    assert list(run.latencies) == pytest.approx([0.6])
    assert (run.cold_starts, run.cold_requests) == (1, 1)


def test_activation_scale_starts_several_pods_for_the_first_request() -> None:
    first = Scenario(traffic.at([100.5], "one", 110), Curve(0.1))
    run = simulate.run(replace(TEN, activation_scale=3), first)
    assert at(run, 101).pods == 3


def gone_after(**changes: float) -> float:
    """When the last pod is deleted, in seconds after a minute of 20 requests a second."""
    scenario = Scenario(traffic.step(20, 0, 60, 400), Curve(0.1))
    run = simulate.run(replace(TEN, **changes), scenario)  # type: ignore[arg-type]
    return max(sample.t for sample in run.samples if sample.pods) - 60


def test_the_last_pod_goes_after_the_window_and_later_where_it_is_kept() -> None:
    """kpa/scaler.go, handleScaleToZero."""
    assert gone_after() == pytest.approx(62, abs=2)
    assert gone_after(window_s=20) == pytest.approx(22, abs=2)
    assert gone_after(retention_s=100) == pytest.approx(62 + 100, abs=2)
    # The activator has to be in the path for the grace period first; by default it always is.
    assert gone_after(burst_capacity=0) == pytest.approx(62 + 30, abs=2)
    assert gone_after(burst_capacity=0, grace_s=90) == pytest.approx(62 + 90, abs=2)
    assert gone_after(min_scale=1) == 340


def test_a_deleted_pod_is_paid_for_until_it_has_drained() -> None:
    scenario = Scenario(traffic.at([10.0], "one", 300), Curve(0.1), pod_start_s=0)
    long = simulate.run(TEN, scenario).pod_seconds
    short = simulate.run(replace(TEN, timeout_s=10), scenario).pod_seconds
    assert long - short == pytest.approx(20)


def test_a_request_over_the_timeout_is_answered_504_and_frees_its_slot() -> None:
    one_slot = KnativeSettings(container_concurrency=1, timeout_s=3, min_scale=1, max_scale=1)
    run = simulate.run(one_slot, Scenario(traffic.at([1.0], "one", 20), Curve(5)))
    assert run.statuses == {504: 1}
    queued = replace(one_slot, burst_capacity=0)
    run = simulate.run(queued, Scenario(traffic.at([1.0, 1.0, 1.0], "three", 20), Curve(2)))
    assert run.statuses == {200: 1, 504: 2}  # both wait in queue-proxy, whose time it is


def test_the_activator_leaves_the_path_when_there_is_room_for_a_burst() -> None:
    calm = Scenario(traffic.constant(10, 60), Curve(0.1))
    small, large = replace(TEN, min_scale=5, burst_capacity=20), replace(TEN, min_scale=5)
    assert not simulate.run(small, calm).samples[-1].proxied
    assert simulate.run(large, calm).samples[-1].proxied
    assert simulate.run(replace(small, burst_capacity=-1), calm).samples[-1].proxied


def test_a_busier_pod_is_slower_as_its_curve_says() -> None:
    curve = Curve(0.1, Usl(10, 0.2, 0))
    warm = replace(TEN, min_scale=1, max_scale=1, burst_capacity=0)
    run = simulate.run(warm, Scenario(traffic.at([1.0] * 3, "three", 10), curve))
    assert list(run.latencies) == pytest.approx([0.1, 0.12, 0.14])


def test_requests_per_second_scale_on_what_comes_not_on_how_long_it_takes() -> None:
    steady = Scenario(traffic.constant(100, 200), Curve(0.01))
    rps = KnativeSettings(metric="rps", target=20, min_scale=1)
    assert simulate.run(rps, steady).samples[-1].pods == pytest.approx(8, abs=1)  # 100 / 14
    assert simulate.run(replace(rps, metric="concurrency"), steady).samples[-1].pods == 1
