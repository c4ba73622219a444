"""The simulator's parts by themselves: collector, activator, gateway and the way to zero."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from tuning import simulate, traffic
from tuning.activator import Activator, Gateway
from tuning.collector import Collector
from tuning.curve import Curve
from tuning.knative_settings import KnativeSettings
from tuning.pod import Pod
from tuning.reconciler import UNKNOWN, Active, Reconciler
from tuning.simulate import Scenario

TEN = KnativeSettings(container_concurrency=10)


def pods(count: int, concurrency: int) -> list[Pod]:
    """Pods that are ready and have nothing to do."""
    made = [Pod(0, concurrency) for _ in range(count)]
    for pod in made:
        pod.ready = True
    return made


def filled(concurrency: int, count: int, requests: int) -> list[int]:
    """Which pod each request gets from the activator, while none is finished."""
    activator = Activator(concurrency, Random(1))  # noqa: S311
    ready, chosen = pods(count, concurrency), []
    for _ in range(requests):
        pod = activator.choose(ready)
        if pod is None:
            chosen.append(-1)
            continue
        pod.running += 1
        chosen.append(ready.index(pod))
    return chosen


def test_the_activator_fills_small_pods_one_after_the_other() -> None:
    """lb_policy.go, firstAvailableLBPolicy, up to containerConcurrency 3."""
    assert filled(2, 3, 7) == [0, 0, 1, 1, 2, 2, -1]


def test_the_activator_goes_round_larger_pods() -> None:
    """lb_policy.go, newRoundRobinPolicy."""
    assert filled(4, 3, 7) == [0, 1, 2, 0, 1, 2, 0]
    assert filled(4, 2, 9)[-1] == -1


def test_without_a_limit_the_activator_takes_the_freer_of_two() -> None:
    """lb_policy.go, randomChoice2Policy."""
    assert sorted(filled(0, 2, 10)) == [0] * 5 + [1] * 5
    assert filled(0, 1, 3) == [0, 0, 0]
    assert filled(0, 0, 1) == [-1]


def test_the_gateway_goes_round_the_pods_whatever_they_have_to_do() -> None:
    gateway, ready = Gateway(), pods(3, 1)
    assert [ready.index(gateway.choose(ready)) for _ in range(6)] == [1, 2, 0, 1, 2, 0]


def test_the_activator_refuses_what_is_more_than_it_can_queue() -> None:
    arrivals = traffic.at([5.0] * 10_010, "a flood", 60)
    run = simulate.run(replace(TEN, max_scale=1), Scenario(arrivals, Curve(0.001)))
    assert run.statuses == {200: 10_000, 503: 10}


def test_a_request_counts_for_as_long_as_it_takes() -> None:
    collector = Collector(TEN)
    collector.come(0.25)
    collector.come(0.5)
    collector.leave(0.75)
    assert collector.scrape(1.0, ready=1) == pytest.approx(0.5 + 0.5)
    assert collector.scrape(2.0, ready=1) == pytest.approx(1.0)
    assert collector.averages(2.0) == (1.0, 1.0)


def test_a_first_request_that_was_reported_at_once_does_not_count_twice() -> None:
    """concurrency_reporter.go: the second report is less by the first one."""
    collector = Collector(TEN)
    collector.come(0.5)
    collector.tell_first(0.5)
    collector.scrape(1.0, ready=0)
    assert collector.averages(1.0) == (0.5, 0.5)  # 1 in one second, nothing more in the next


def test_without_pods_and_requests_nobody_reports() -> None:
    collector = Collector(TEN)
    collector.scrape(1.0, ready=0)
    assert collector.averages(1.0) == (None, None)
    collector.scrape(2.0, ready=1)
    assert collector.averages(2.0) == (0.0, 0.0)
    assert collector.averages(70.0) == (None, None)


@pytest.mark.parametrize(
    ("window", "percentage", "seconds"), [(60, 10, 6), (6, 10, 1), (25, 10, 3), (15, 100, 15)]
)
def test_the_panic_window_is_whole_seconds_and_at_least_one(
    window: float, percentage: float, seconds: float
) -> None:
    assert replace(TEN, window_s=window, panic_window=percentage).panic_window_s == seconds


def test_a_revision_has_to_be_active_for_a_window_before_its_last_pod_goes() -> None:
    reconciler = Reconciler(TEN, new=False)
    reconciler.reconcile(100, 3, -1, ready=0)
    assert (reconciler.replicas, reconciler.active) == (3, Active.STARTING)
    reconciler.reconcile(105, 3, -1, ready=1)
    assert reconciler.active is Active.YES
    reconciler.reconcile(110, 0, -1, ready=3)
    assert (reconciler.replicas, reconciler.active) == (1, Active.YES)
    reconciler.reconcile(164, 0, -1, ready=1)
    assert reconciler.replicas == 1
    reconciler.reconcile(165, 0, -1, ready=1)
    assert (reconciler.replicas, reconciler.active) == (1, Active.NO)
    reconciler.reconcile(166, 0, -1, ready=1)
    assert reconciler.replicas == 0


def test_a_revision_that_never_becomes_ready_is_given_up() -> None:
    """After the progress deadline of 600 s and a buffer of 30."""
    reconciler = Reconciler(TEN, new=True)
    reconciler.reconcile(10, UNKNOWN, -1, ready=0)
    reconciler.reconcile(629, 0, -1, ready=0)
    assert (reconciler.replicas, reconciler.active) == (1, Active.STARTING)
    reconciler.reconcile(631, 0, -1, ready=0)
    assert (reconciler.replicas, reconciler.active) == (0, Active.NO)


def test_where_scale_to_zero_is_off_one_pod_stays() -> None:
    reconciler = Reconciler(replace(TEN, scale_to_zero=False), new=False)
    reconciler.reconcile(1000, 0, -1, ready=3)
    assert reconciler.replicas == 1


def test_the_bounds_hold_whatever_is_wished() -> None:
    reconciler = Reconciler(replace(TEN, min_scale=2, max_scale=4), new=False)
    for wish, replicas in ((0, 2), (3, 3), (9, 4)):
        reconciler.reconcile(100, wish, 0, ready=2)
        assert reconciler.replicas == replicas
