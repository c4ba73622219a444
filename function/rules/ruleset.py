"""Rules that are ready to use, and what they match."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from function.records import LogRecord
from function.rules.matchers import Matcher
from function.rules.templates import Template


@dataclass(frozen=True, slots=True)
class Rule:
    """One alert: when it fires and what it says. ``keep_firing_for`` is in nanoseconds."""

    alert: str
    group: str
    match: tuple[Matcher, ...]
    labels: Mapping[str, Template]
    annotations: Mapping[str, Template]
    keep_firing_for: int

    def matches(self, record: LogRecord) -> bool:
        """Whether all matchers hold."""
        return all(matcher.holds(record) for matcher in self.match)


@dataclass(frozen=True, slots=True)
class Match:
    """A record that a rule fires for."""

    rule: Rule
    record: LogRecord


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules of a file; ``source`` is its name."""

    rules: tuple[Rule, ...]
    source: str

    def match(self, record: LogRecord) -> list[Match]:
        """The rules that fire for a record, in the file's order."""
        return [Match(rule, record) for rule in self.rules if rule.matches(record)]
