"""Declarative rules: which log records fire which alerts, in Prometheus' and Alertmanager's words.

``load(path)`` reads a rule file, ``RuleSet.match(record)`` applies it.
"""

from function.rules.loader import load, loads
from function.rules.rule import Rule, RuleTest
from function.rules.ruleset import Match, RuleSet

__all__ = ["Match", "Rule", "RuleSet", "RuleTest", "load", "loads"]
