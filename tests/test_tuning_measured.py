"""The simulator against what the real components did: queue-proxy, activator and autoscaler.

The numbers were measured with knative/serving 98e5ef9, net-kourier 37a0ffb, Envoy 1.40.0 and
gunicorn 27.0.1 on two cores, with pods as plain processes. One run each: how far two runs differ
is not known, so each test says how near it comes.
"""

from __future__ import annotations

from collections import Counter
from statistics import fmean

import pytest

from tuning import simulate, traffic
from tuning.curve import Curve
from tuning.knative_settings import KnativeSettings
from tuning.results import Results
from tuning.simulate import Scenario
from tuning.traffic import Traffic


def burst_at(moment: float) -> Traffic:
    """Forty requests at the same moment."""
    return traffic.at([moment] * 40, "a burst of 40", 60)


def at_once(requests: int, takes: float, concurrency: int) -> Results:
    """Requests that reach one pod at the same moment, without the activator."""
    settings = KnativeSettings(
        container_concurrency=concurrency, min_scale=1, max_scale=1, burst_capacity=0
    )
    arrivals = traffic.at([1.0] * requests, "at once", 30)
    return simulate.run(settings, Scenario(arrivals, Curve(takes)))


def test_six_requests_for_two_slots_take_turns_as_in_the_real_queue_proxy() -> None:
    """Measured: .51 .53 1.05 1.08 1.62 1.62 s. Agrees within 8 %."""
    run = at_once(6, 0.5, 2)
    assert list(run.latencies) == pytest.approx([0.5, 0.5, 1.0, 1.0, 1.5, 1.5])


def test_the_real_queue_proxy_refuses_as_many_of_thirty_requests() -> None:
    """Measured: 22 x 200, 8 x 503."""
    assert at_once(30, 0.5, 2).statuses == Counter({200: 22, 503: 8})


def test_without_container_concurrency_nothing_waits() -> None:
    """Measured: 50 x 200, 50 at the same time."""
    run = at_once(50, 0.3, 0)
    assert run.statuses == Counter({200: 50})
    assert run.percentile(1) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("slots", "rate", "half"), [(8, 78.0, 0.1025), (4, 39.0, 0.204), (1, 10.8, 0.812)]
)
def test_eight_clients_get_through_one_pod_what_they_got_through_the_real_one(
    slots: int, rate: float, half: float
) -> None:
    """Measured: 8 clients, 100 ms, so many requests a second. Agrees within 10 %."""
    settings = KnativeSettings(
        container_concurrency=slots, min_scale=1, max_scale=1, burst_capacity=0
    )
    scenario = Scenario(traffic.constant(0, 60), Curve(0.1))
    run = simulate.run_clients(settings, scenario, clients=8, until_s=60)
    assert len(run.latencies) / 60 == pytest.approx(rate, rel=0.1)
    assert run.percentile(0.5) == pytest.approx(half, rel=0.1)


@pytest.mark.parametrize("pod_start_s", [0.8, 1.2])
def test_a_burst_without_the_activator_is_refused_as_in_reality(pod_start_s: float) -> None:
    """Measured, one warm pod, target-burst-capacity 0: 11 x 200, 29 x 503."""
    settings = KnativeSettings(container_concurrency=1, min_scale=1, max_scale=4, burst_capacity=0)
    run = simulate.run(settings, Scenario(burst_at(10.3), Curve(0.4), pod_start_s=pod_start_s))
    assert run.statuses == Counter({200: 11, 503: 29})


@pytest.mark.parametrize("capacity", [211, -1])
def test_a_burst_through_the_activator_waits_as_long_as_in_reality(capacity: float) -> None:
    """Measured: 40 x 200, half of them within 3.1-3.2 s, all within 4.8-5.2 s.

    When the autoscaler ticks after the burst decides up to two seconds, and was not noted: the mean
    over all phases agrees within 10 %, and what was measured lies between the extremes.
    """
    settings = KnativeSettings(
        container_concurrency=1, min_scale=1, max_scale=4, burst_capacity=capacity
    )
    runs = [
        simulate.run(settings, Scenario(burst_at(10.1 + phase / 5), Curve(0.4), pod_start_s=0.45))
        for phase in range(10)
    ]
    assert all(run.statuses == Counter({200: 40}) for run in runs)
    halves, wholes = ([run.percentile(share) for run in runs] for share in (0.5, 1))
    assert fmean(halves) == pytest.approx(3.15, rel=0.1)
    assert fmean(wholes) == pytest.approx(5.0, rel=0.1)
    assert min(halves) <= 3.15 <= max(halves)
    assert min(wholes) <= 5.0 <= max(wholes)


def test_a_burst_from_zero_is_held_by_the_activator_whatever_the_capacity() -> None:
    """Measured, target-burst-capacity 0 but no pod: 40 x 200."""
    settings = KnativeSettings(container_concurrency=1, max_scale=4, burst_capacity=0)
    run = simulate.run(settings, Scenario(burst_at(10.3), Curve(0.4), pod_start_s=0.8))
    assert run.statuses == Counter({200: 40})


@pytest.fixture(scope="module")
def twenty_clients() -> Results:
    """Twenty clients for 30 s on a revision at zero: 214 ms was the real pod's median."""
    settings = KnativeSettings(container_concurrency=4, window_s=20, max_scale=6)
    scenario = Scenario(traffic.constant(0, 120), Curve(0.214), pod_start_s=0.5)
    return simulate.run_clients(settings, scenario, clients=20, until_s=30)


def test_twenty_clients_are_answered_as_they_really_were(twenty_clients: Results) -> None:
    """Measured: 2550 x 200, no errors, p50 .214, p95 .308 s. Agrees within 5 %, p95 within 35 %."""
    assert twenty_clients.statuses.keys() == {200}
    assert len(twenty_clients.latencies) == pytest.approx(2550, rel=0.05)
    assert twenty_clients.percentile(0.5) == pytest.approx(0.214, rel=0.05)
    assert twenty_clients.percentile(0.95) == pytest.approx(0.308, rel=0.35)


def test_twenty_clients_get_their_pods_when_they_really_got_them(twenty_clients: Results) -> None:
    """Measured: 1 at once, 6 pods within 4 s, and the panic begins at 2 s."""
    [first, *_] = twenty_clients.samples
    assert first.pods == 1
    assert twenty_clients.samples[1].panicking
    assert twenty_clients.samples[3].pods == 6
    assert twenty_clients.most_pods == 6


def test_the_activator_never_leaves_the_path_of_twenty_clients(twenty_clients: Results) -> None:
    """Measured: the ServerlessService stays in mode Proxy, as six pods of four are below 211."""
    assert all(sample.proxied for sample in twenty_clients.samples)


def test_the_pods_of_twenty_clients_go_when_they_really_went(twenty_clients: Results) -> None:
    """Measured from the first request on: 5 at 38 s, 4 at 41, 3 at 43, 2 at 46, 1 at 51, 0 at 54.

    Agrees within 3 s.
    """
    measured = {5: 38, 4: 41, 3: 43, 2: 46, 1: 51, 0: 54}
    for pods, really in measured.items():
        simulated = next(s.t for s in twenty_clients.samples if s.t > 30 and s.desired == pods)
        assert abs(simulated - really) <= 3, pods
