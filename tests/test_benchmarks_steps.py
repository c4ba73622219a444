"""What the steps of a request are, and what each costs, for docs/performance.md."""

from __future__ import annotations

from benchmarks import event, layers, report
from benchmarks.limits.steps import STEPS
from benchmarks.results import Results, Run

HEAD, _, BODY = event.request(8080, event.FIRST, matches=True).partition(b"\r\n\r\n")
PAIRS = [line.split(b": ") for line in HEAD.splitlines()[1:]]
SCOPE = {"headers": [(name.lower(), value) for name, value in PAIRS]}


def test_every_step_does_its_work_on_a_request_of_the_suite() -> None:
    done = {name: step(SCOPE, BODY) for name, step in STEPS.items()}
    assert done["headers"]["ce-type"] == "dev.knative.kafka.event"
    assert [each.type for each in done["event"]] == ["dev.knative.kafka.event"]
    assert done["record"].namespace == "demo-project"
    assert done["access log"].status == 404
    assert [match.rule.alert for match in done["rules"]] == ["404 Request"]


def test_the_subjects_are_the_steps_between_nothing_and_the_server() -> None:
    names = [subject.name for subject in layers.UNDER_LOAD.subjects]
    assert names == ["empty ASGI", *STEPS, "ASGI server"]


def test_a_step_costs_what_it_adds_to_the_one_before_in_the_same_round() -> None:
    costs = {"empty ASGI": (20, 40), "body": (22, 45), "headers": (25, 49)}
    runs = [
        Run(layers.KIND, layers.UNDER_LOAD.name, subject, number, {"cpu_us": cost})
        for subject, rounds in costs.items()
        for number, cost in enumerate(rounds)
    ]
    assert report.tables(Results({}, runs))["steps"][1:] == [
        ("empty ASGI", "30.0", "20.0 to 40.0", "30.0"),
        ("body", "33.5", "22.0 to 45.0", "3.5"),
        ("headers", "37.0", "25.0 to 49.0", "3.5"),
    ]
