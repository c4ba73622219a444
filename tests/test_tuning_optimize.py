"""The search for the cheapest settings that meet a latency goal."""

from __future__ import annotations

import pytest

from tuning import optimize, report, settings_file, simulate, traffic
from tuning.curve import Curve
from tuning.knative_settings import KnativeSettings, conflicts
from tuning.optimize import Goal, GoalError, Search
from tuning.results import Results
from tuning.simulate import Scenario

BURSTS = Scenario(traffic.burst(10, 300, 120, 20, 240), Curve(0.1))
SMALL = KnativeSettings(container_concurrency=10, max_scale=10)


def searched(goal: Goal, before: KnativeSettings, concurrencies: tuple[int, ...] = ()) -> Search:
    """A search to its end."""
    search = Search(goal, lambda settings: simulate.run(settings, BURSTS), before)
    for _ in search.steps(concurrencies):
        pass
    return search


@pytest.fixture(scope="module")
def within_a_second() -> Search:
    return searched(Goal(0.99, 1.0), SMALL)


def test_settings_are_found_that_meet_the_goal(within_a_second: Search) -> None:
    before = simulate.run(SMALL, BURSTS)
    assert before.percentile(0.99) > 1.0
    assert within_a_second.met
    assert within_a_second.results.percentile(0.99) <= 1.0
    assert within_a_second.results.lost == 0


def test_nothing_that_was_tried_meets_the_goal_for_much_less(within_a_second: Search) -> None:
    cheapest = min(
        results.pod_seconds
        for results in within_a_second.tried.values()
        if within_a_second.goal.missed_by(results) == 0
    )
    assert within_a_second.results.pod_seconds <= cheapest / 0.98


def test_nothing_is_tried_that_knative_refuses_or_that_costs_more_pods(
    within_a_second: Search,
) -> None:
    for settings in within_a_second.tried:
        assert list(conflicts(settings)) == []
        written = dict(settings_file.annotations_of(settings, SMALL))
        read = settings_file.read([{"annotations": written, "containerConcurrency": 10}])
        assert read == settings
        assert settings.max_scale == SMALL.max_scale


def test_a_goal_that_is_met_already_only_saves_money() -> None:
    before = KnativeSettings(container_concurrency=10, min_scale=8, max_scale=10)
    search = searched(Goal(0.99, 10.0), before)
    assert search.met
    assert search.results.pod_seconds < 0.8 * simulate.run(before, BURSTS).pod_seconds


def test_a_goal_out_of_reach_is_not_met_and_the_nearest_is_kept() -> None:
    before = KnativeSettings(container_concurrency=1, max_scale=1)
    search = searched(Goal(0.5, 0.1), before)
    assert not search.met
    assert search.goal.missed_by(search.results) <= search.goal.missed_by(search.tried[before])


def test_container_concurrency_is_tried_where_one_says_so() -> None:
    search = searched(Goal(0.99, 1.0), SMALL, concurrencies=(5, 40))
    assert {settings.container_concurrency for settings in search.tried} == {5, 10, 40}


def test_losing_requests_never_meets_a_goal() -> None:
    refusing = KnativeSettings(container_concurrency=1, min_scale=1, max_scale=1, burst_capacity=0)
    run: Results = simulate.run(refusing, BURSTS)
    assert run.lost > 0
    assert Goal(0.5, 1000).missed_by(run) > 0


@pytest.mark.parametrize(
    ("text", "goal"),
    [("p99<500ms", Goal(0.99, 0.5)), ("p99.9 <= 2s", Goal(0.999, 2)), ("p50<1m", Goal(0.5, 60))],
)
def test_goals_are_read(text: str, goal: Goal) -> None:
    read = optimize.read_goal(text)
    assert read.share == pytest.approx(goal.share)
    assert read.latency_s == pytest.approx(goal.latency_s)


@pytest.mark.parametrize("text", ["", "fast", "p0<1s", "p100<1s", "p99>1s", "p99<5", "p99<1.5s"])
def test_a_goal_that_is_none_is_quoted(text: str) -> None:
    with pytest.raises(GoalError, match="the goal is '"):
        optimize.read_goal(text)


def test_the_annotations_can_be_pasted() -> None:
    found = KnativeSettings(container_concurrency=8, min_scale=2, window_s=30, burst_capacity=-1)
    assert report.yaml_of(found, KnativeSettings()) == (
        "spec:\n"
        "  template:\n"
        "    metadata:\n"
        "      annotations:\n"
        '        autoscaling.knative.dev/min-scale: "2"\n'
        '        autoscaling.knative.dev/window: "30s"\n'
        '        autoscaling.knative.dev/target-burst-capacity: "-1"\n'
        "    spec:\n"
        "      containerConcurrency: 8"
    )


def test_a_setting_that_went_back_to_knatives_default_is_written_all_the_same() -> None:
    before = KnativeSettings(window_s=30)
    assert 'window: "60s"' in report.yaml_of(KnativeSettings(window_s=60), before)
