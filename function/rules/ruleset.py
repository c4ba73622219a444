"""Rules that are ready to use, and what they match."""

from __future__ import annotations

from typing import NamedTuple

from function.records import LogRecord
from function.rules.index import Index
from function.rules.rule import Rule


class Match(NamedTuple):
    """A record that a rule fires for."""

    rule: Rule
    record: LogRecord


class RuleSet:
    """All rules of a file; ``source`` is its name. Disabled rules are listed and never match."""

    def __init__(self, rules: tuple[Rule, ...], source: str) -> None:
        self.rules = rules
        self.source = source
        self._index = Index([rule for rule in rules if rule.enabled])

    @property
    def enabled(self) -> int:
        """How many of the rules are in force."""
        return sum(rule.enabled for rule in self.rules)

    def match(self, record: LogRecord) -> list[Match]:
        """The rules that fire for a record, in the file's order."""
        return [Match(rule, record) for rule in self._index.matching(record)]
