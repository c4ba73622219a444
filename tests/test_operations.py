"""docs/operations.md names every metric, outcome and log event that there is, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from function.errors import RequestError
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


def test_every_reason_why_an_alert_is_not_accepted_is_explained() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ", section("Metrics"), re.MULTILINE)
    reasons = [row for row in rows if not row.startswith("logs_handler")]
    assert reasons == [reason.value for reason in Reason]


def kinds(error: type[RequestError]) -> set[type[RequestError]]:
    return {error}.union(*(kinds(each) for each in error.__subclasses__()))


def test_every_reason_of_a_refusal_is_explained() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \| `(\w+)` \| ", section("Metrics"), re.MULTILINE)
    explained = {(int(each), reason) for statuses, reason in rows for each in statuses.split(", ")}
    errors = {(each.status, each.reason) for each in kinds(RequestError) if hasattr(each, "reason")}
    replies = {(400, "http"), (404, "path"), (405, "path"), (405, "method"), (500, "bug")}
    assert explained == errors | replies


_EVENT_AT = {"log": 1, "log_limited": 1, "_log": 1, "exception": 0, "_tell": 0}


def log_events() -> set[str]:
    """The event names in the code: what functions that write lines are given as such."""
    found = set()
    for path in (ROOT / "function").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            position = _EVENT_AT.get(called.rpartition(".")[2])
            event = node.args[position] if position is not None else None
            if isinstance(event, ast.Constant):
                found.add(str(event.value))
    return found


def test_every_log_event_is_explained() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ", section("Log lines"), re.MULTILINE)
    assert {event for event, _ in rows} == log_events()


@pytest.mark.parametrize("name", ["logs_handler_events_total", "logs_handler_alerts_waiting"])
def test_a_metric_is_there_before_anything_has_happened(name: str) -> None:
    assert f"\n{name} 0.0\n" in Metrics().page().decode()
