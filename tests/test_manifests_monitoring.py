"""The rules and the dashboard ask Prometheus for what the function really says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from function.metrics import Metrics
from function.receivers import Reason
from function.settings import Settings
from tests import real
from tests.manifests import ROOT, at, build, find, one

RULES: list[dict[str, Any]] = at(
    one("knative/monitoring/prometheus-rule.yaml"), "spec.groups.0.rules"
)
DASHBOARD = json.loads((ROOT / "knative/monitoring/dashboard.json").read_text(encoding="utf-8"))
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
EXPRESSIONS = [*(rule["expr"] for rule in RULES), *QUERIES]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def promtool(*arguments: str, folder: Path) -> None:
    """Run it in a folder; the test fails with what it says."""
    program = real.promtool()
    run = subprocess.run(
        (program, *arguments), cwd=folder, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


def write_rules(folder: Path, rules: list[dict[str, Any]]) -> None:
    """Write a rule file as Prometheus itself reads it."""
    groups = {"groups": [{"name": "logs-handler", "rules": rules}]}
    (folder / "rules.yaml").write_text(yaml.safe_dump(groups), encoding="utf-8")


# The rules.


@pytest.mark.real("promtool")
def test_the_rules_are_ones_that_prometheus_takes(tmp_path: Path) -> None:
    write_rules(tmp_path, RULES)
    promtool("check", "rules", "--lint-fatal", "rules.yaml", folder=tmp_path)


@pytest.mark.real("promtool")
def test_each_rule_fires_when_it_should_and_not_otherwise(tmp_path: Path) -> None:
    write_rules(tmp_path, RULES)
    shutil.copy(ROOT / "tests/prometheus/rules_test.yaml", tmp_path)
    promtool("test", "rules", "rules_test.yaml", folder=tmp_path)


def test_each_rule_is_tested_quiet_and_firing() -> None:
    tests = yaml.safe_load((ROOT / "tests/prometheus/rules_test.yaml").read_text())["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    names = {rule["alert"] for rule in RULES}
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == names
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == names


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_a_rule_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert set(rule["annotations"]) == {"summary", "description"}
    assert f"\n| `{rule['alert']}` | " in OPERATIONS


def test_a_rule_knows_the_numbers_that_it_is_about() -> None:
    expressions = {rule["alert"]: rule["expr"] for rule in RULES}
    annotations = at(one("knative/service.yaml"), "spec.template.metadata.annotations")
    pods = annotations["autoscaling.knative.dev/max-scale"]
    assert expressions["LogsHandlerAtMaxScale"].endswith(f" >= {pods}")
    half = Settings.from_environ({}).receiver_timeout / 2
    assert expressions["LogsHandlerReceiverSlow"].strip().endswith(f" > {half:g}")


# Everything that is asked for.


def said() -> dict[str, dict[str, set[str]]]:
    """Every series that a process can have, and its labels with their known values."""
    metrics = Metrics()
    metrics.answered(events=1, unmatched=0, unreadable=1, rules=[["404 Request"]])
    metrics.rules_loaded(1)
    metrics.template_failed("404 Request")
    metrics.accepted("slack")
    metrics.alerts_refused("slack", 1)
    metrics.refused(405, "path")
    metrics.refused(413, "body_size")
    metrics.address_works("slack", "hooks.slack.com:443", works=True)
    metrics.member_missed("alertmanager", "am-0:9093")
    for reason in Reason:
        metrics.not_delivered("slack", reason.value)
    found: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(metrics.page().decode()):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for name, value in sample.labels.items():
                labels.setdefault(name, set()).add(value)
    return found


# What Prometheus and the PodMonitor add to every series.
ADDED = {"namespace", "pod", "job", "serving_knative_dev_revision"}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_series_and_label_that_is_asked_for_exists(expression: str) -> None:
    known = said()
    names = set(re.findall(r"\blogs_handler_\w+", expression))
    assert names <= set(known), "or up"
    assert names or "up{" in expression
    labels = {label for name in names for label in known[name]} | ADDED
    grouped = ",".join(re.findall(r"\bby \(([^)]*)\)", expression))
    assert {each.strip() for each in grouped.split(",") if each.strip()} <= labels
    for name, selector in re.findall(r"(logs_handler_\w+)\{([^}]*)\}", expression):
        for label, values in re.findall(r'(\w+)[!=]~?="?([^",]*)', selector.replace('~"', '="')):
            assert label in known[name].keys() | ADDED
            if label in ("outcome", "status", "reason"):
                assert set(values.split("|")) <= known[name][label]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_metric_that_is_asked_for_is_on_the_page_about_them(expression: str) -> None:
    for name in re.findall(r"\blogs_handler_\w+", expression):
        assert f"| `{re.sub(r'_(bucket|sum|count)$', '', name)}` |" in OPERATIONS


# The dashboard.


@pytest.mark.real("promtool")
def test_the_dashboards_queries_are_promql(tmp_path: Path) -> None:
    queries = [query.replace("$__rate_interval", "5m") for query in QUERIES]
    rules = [{"record": f"panel:{n}", "expr": query} for n, query in enumerate(queries)]
    write_rules(tmp_path, rules)
    promtool("check", "rules", "rules.yaml", folder=tmp_path)


def test_the_dashboard_shows_every_metric() -> None:
    asked = {
        re.sub(r"_(bucket|sum|count)$", "", name)
        for query in QUERIES
        for name in re.findall(r"\blogs_handler_\w+", query)
    }
    assert asked == set(re.findall(r"^\| `(logs_handler_\w+)` \|", OPERATIONS, re.MULTILINE))


def test_no_panel_covers_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert taken.isdisjoint(cells)
        assert place["x"] + place["w"] <= 24
        taken |= cells


@pytest.mark.real("kustomize")
def test_grafanas_sidecar_finds_the_dashboard() -> None:
    found = find(build("knative/monitoring"), "ConfigMap", "logs-handler-dashboard")
    assert found["metadata"]["labels"] == {"grafana_dashboard": "1"}
    assert json.loads(found["data"]["logs-handler.json"]) == DASHBOARD


# Scraping.


def test_the_pod_monitor_asks_the_functions_own_port_of_the_functions_pods() -> None:
    monitor, service = one("knative/monitoring/pod-monitor.yaml"), one("knative/service.yaml")
    label = {"serving.knative.dev/service": service["metadata"]["name"]}
    assert monitor["spec"]["selector"]["matchLabels"] == label
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["port"] == "user-port", "Knative's name; queue-proxy's is another"
    assert monitor["metadata"]["namespace"] == service["metadata"]["namespace"]
    job = f"{monitor['metadata']['namespace']}/{monitor['metadata']['name']}"
    for expression in EXPRESSIONS:
        for asked in re.findall(r'job="([^"]*)"', expression):
            assert asked == job
