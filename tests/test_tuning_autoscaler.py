"""The autoscaler's decisions: as Knative's own, and by the rules that its vectors do not reach."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tuning import vectors
from tuning.autoscaler import Autoscaler, Decision, ScaleSpec
from tuning.simulate import closed_loop

BOTH = pytest.mark.parametrize("path", [vectors.SHARE, vectors.ALL], ids=["share", "all"])
SPEC = ScaleSpec(target=7, total=10)
AVERAGES = st.floats(0, 500)
TICKS = st.lists(st.tuples(st.integers(0, 40), AVERAGES, AVERAGES), min_size=1, max_size=60)
SPECS = st.builds(
    ScaleSpec,
    target=st.sampled_from([0.7, 2.8, 7.0, 70.0]),
    total=st.just(100.0),
    tbc=st.sampled_from([-1, 0, 50, 211]),
    stable_window_s=st.sampled_from([6, 60]),
    panic_threshold=st.sampled_from([1.1, 2, 10]),
    max_up=st.sampled_from([1.1, 2, 1000]),
    max_down=st.sampled_from([1.1, 2, 10]),
    activation_scale=st.sampled_from([0, 3]),
    scale_down_delay_s=st.sampled_from([0, 10]),
    reachable=st.booleans(),
)


@BOTH
def test_every_decision_agrees_with_the_real_autoscaler(path: Path) -> None:
    for case in vectors.of(path, "scale_traces"):
        autoscaler = Autoscaler(case["spec"], case["ready_at_creation"])
        for tick in case["ticks"]:
            got = autoscaler.tick(tick["t"], tick["ready"], tick["stable"], tick["panic"])
            assert got == Decision(tick["desired"], tick["ebc"], tick["valid"]), tick


@BOTH
def test_the_closed_loop_agrees_with_the_real_autoscaler(path: Path) -> None:
    for case in vectors.of(path, "closed_loop"):
        ready, desired, ebc = closed_loop(
            case["concurrency_per_s"],
            case["spec"],
            case["panic_window_s"],
            case["start_delay_s"],
        )
        assert ready == case["ready_at_tick"]
        assert desired == case["desired_at_tick"]
        assert ebc == case["ebc_at_tick"]


def test_the_closed_loop_takes_a_spec_of_either_kind_and_names_its_lists() -> None:
    as_object = closed_loop([5] * 20, SPEC, 6, 2)
    as_mapping = closed_loop([5] * 20, {"target": 7, "total": 10}, 6, 2)
    assert as_object == as_mapping
    assert as_object.desired[0] == 1
    assert len(as_object.ready) == len(as_object.ebc) == 10


def test_a_spec_with_a_name_that_is_none_says_so() -> None:
    with pytest.raises(ValueError, match="tragte is unknown, target is missing"):
        Autoscaler({"tragte": 1, "total": 1}, 0)


def test_without_metrics_there_is_no_decision() -> None:
    assert Autoscaler(SPEC, 0).tick(0, 3, None, None) == Decision(0, 0, valid=False)


def test_a_restarted_autoscaler_takes_no_pod_away_for_a_stable_window() -> None:
    autoscaler = Autoscaler(SPEC, 5)
    decisions = [autoscaler.tick(t, 5, 0, 0).desired for t in range(0, 70, 2)]
    assert decisions[:31] == [5] * 31
    assert decisions[31] == 2  # half of them, as max-scale-down-rate has it


def test_an_autoscaler_that_starts_with_one_pod_does_not_panic() -> None:
    assert Autoscaler(SPEC, 1).tick(0, 1, 0, 0).desired == 0


@given(SPECS, TICKS)
def test_a_panic_never_takes_a_pod_away(
    spec: ScaleSpec, ticks: list[tuple[int, float, float]]
) -> None:
    autoscaler, before = Autoscaler(replace(spec, scale_down_delay_s=0), 0), 0
    for number, (ready, stable, panic) in enumerate(ticks):
        desired = autoscaler.tick(2 * number, ready, stable, panic).desired
        if autoscaler.panicking:
            assert desired >= before
        before = desired if autoscaler.panicking else 0


@given(SPECS, st.integers(0, 40), AVERAGES, AVERAGES)
def test_one_tick_stays_within_the_rates(
    spec: ScaleSpec, ready: int, stable: float, panic: float
) -> None:
    desired = Autoscaler(spec, 0).tick(0, ready, stable, panic).desired
    counted = max(1, ready)
    most = max(math.ceil(spec.max_up * counted), spec.activation_scale)
    least = math.floor(counted / spec.max_down) if spec.reachable else 0
    assert least <= desired <= most


@given(SPECS, TICKS)
def test_twice_the_load_on_pods_of_twice_the_size_is_the_same_decision(
    spec: ScaleSpec, ticks: list[tuple[int, float, float]]
) -> None:
    double = replace(spec, target=2 * spec.target, total=2 * spec.total)
    one, other = Autoscaler(spec, 0), Autoscaler(double, 0)
    for number, (ready, stable, panic) in enumerate(ticks):
        first = one.tick(2 * number, ready, stable, panic)
        second = other.tick(2 * number, ready, 2 * stable, 2 * panic)
        assert first.desired == second.desired


@given(SPECS, TICKS)
def test_a_delay_only_ever_adds_pods(
    spec: ScaleSpec, ticks: list[tuple[int, float, float]]
) -> None:
    at_once = Autoscaler(replace(spec, scale_down_delay_s=0), 0)
    later = Autoscaler(replace(spec, scale_down_delay_s=30), 0)
    for number, (ready, stable, panic) in enumerate(ticks):
        first = at_once.tick(2 * number, ready, stable, panic)
        second = later.tick(2 * number, ready, stable, panic)
        assert second.desired >= first.desired


@given(st.integers(0, 100), AVERAGES)
def test_the_excess_burst_capacity_is_what_is_left_after_a_burst(ready: int, panic: float) -> None:
    ebc = Autoscaler(replace(SPEC, tbc=50), 0).tick(0, ready, 0, panic).excess_burst_capacity
    assert ebc == math.floor(10 * ready - 50 - panic)
    assert Autoscaler(replace(SPEC, tbc=0), 0).tick(0, ready, 0, panic)[1] == 0
    assert Autoscaler(replace(SPEC, tbc=-1), 0).tick(0, ready, 0, panic)[1] == -1
