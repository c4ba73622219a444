"""docs/operations.md names every metric, outcome and log event that there is, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from function.metrics import Metrics
from function.receivers import Reason

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text under a heading."""
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_every_metric_is_in_the_table_with_its_type_and_help() -> None:
    scraped = Metrics().page().decode()
    helps = dict(re.findall(r"^# HELP (logs_handler_\S+) (.*)$", scraped, re.MULTILINE))
    types = dict(re.findall(r"^# TYPE (logs_handler_\S+) (.*)$", scraped, re.MULTILINE))
    expected = {
        (name, types[name], text) for name, text in helps.items() if not name.endswith("_created")
    }
    rows = re.findall(r"^\| `(logs_handler_\S+)` \| (\w+) \| (.*) \|$", PAGE, re.MULTILINE)
    assert set(rows) == expected
    assert len(rows) == len(expected)


def test_every_outcome_of_an_alert_is_explained() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ", section("Metrics"), re.MULTILINE)
    outcomes = [row for row in rows if not row.startswith("logs_handler")]
    assert outcomes == ["accepted", *(reason.value for reason in Reason)]


def log_events() -> set[str]:
    """The event names in the code: first texts of log() after the level, and of exception()."""
    found = set()
    for path in (ROOT / "function").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            position = {"log": 1, "logs.log": 1, "exception": 0, "logs.exception": 0}.get(called)
            if position is not None:
                found.add(str(ast.literal_eval(node.args[position])))
    return found


def test_every_log_event_is_explained() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ", section("Log lines"), re.MULTILINE)
    assert {event for event, _ in rows} == log_events()


@pytest.mark.parametrize("name", ["logs_handler_events_total", "logs_handler_alerts_waiting"])
def test_a_metric_is_there_before_anything_has_happened(name: str) -> None:
    assert f"\n{name} 0.0\n" in Metrics().page().decode()
