"""One rule: when it fires, what it says, and what its author expects of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from function.rules.matchers import Condition
from function.rules.templates import Template


@dataclass(frozen=True, slots=True)
class RuleTest:
    """A record, and the labels that an alert for it has; ``fires`` None: there is no alert.

    ``line`` is where the test stands in the rule file.
    """

    record: Any
    fires: Mapping[str, str] | None
    line: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One alert: when it fires and what it says. Durations are in nanoseconds.

    ``labels``, ``alertname`` among them, and ``annotations`` are sorted by name.
    """

    alert: str
    group: str
    match: tuple[Condition, ...]
    labels: Mapping[str, Template]
    annotations: Mapping[str, Template]
    keep_firing_for: int
    repeat_interval: int
    enabled: bool
    tests: tuple[RuleTest, ...]
    line: int
