"""``python -m function check`` says whether a rule file is right and does what its tests expect."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from function import alerts, records, rules
from function.errors import RecordError, RulesError, TooMany
from function.records import LogRecord
from function.rules import Rule, RuleSet, RuleTest
from function.rules.matchers import AnyOf, Matcher

# A counted repetition is as large as the count: RE2 multiplies the expression by it.
_REPETITION = re.compile(r"\{\d*,?(\d+),?\}")
_LARGE_COUNT = 100


def main(path: Path) -> int:
    """Print what is wrong, or a table of the rules; the exit status, 0 or 1."""
    try:
        rule_set = rules.load(path)
    except RulesError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        count = len(error.problems)
        print(f"{count} problem{'s' * (count != 1)} in {path}", file=sys.stderr)
        return 1
    failures = list(failed_tests(rule_set))
    for line in (*warnings(rule_set), *failures):
        print(line, file=sys.stderr)
    print("\n".join(table(rule_set)))
    return 1 if failures else 0


def failed_tests(rule_set: RuleSet) -> Iterator[str]:
    """Run the rules' own tests; a sentence for each that fails, with file and line."""
    for rule in rule_set.rules:
        for test in rule.tests:
            answer = _failure(rule, test)
            if answer:
                yield f'{rule_set.source}:{test.line}: alert "{rule.alert}": {answer}'


def _failure(rule: Rule, test: RuleTest) -> str | None:
    """What is wrong with a rule in the eyes of a test; None where nothing is."""
    record = _record(test)
    if isinstance(record, str):
        return record
    fired = all(condition.holds(record) for condition in rule.match)
    if test.fires is None:
        return "fires for the record of this test, which says false" if fired else None
    if not fired:
        return f"does not fire: {_unmet(rule, record)}"
    labels = alerts.alert(rules.Match(rule, record), now=0).labels
    wrong = [
        f'{name} is "{labels.get(name, "")}", not "{value}"'
        for name, value in test.fires.items()
        if labels.get(name, "") != value
    ]
    return f"fires with other labels: {', '.join(wrong)}" if wrong else None


def _record(test: RuleTest) -> LogRecord | str:
    """A test's record, given as a mapping or as the text of a Kafka value; or what is wrong."""
    data = test.record.encode() if isinstance(test.record, str) else test.record
    try:
        found = records.read(data, None)
    except (RecordError, TooMany) as error:
        return f"the record of this test cannot be read: {error.detail}"
    if len(found) != 1 or not isinstance(found[0], LogRecord):
        return "the record of this test must be one record"
    return found[0]


def _unmet(rule: Rule, record: LogRecord) -> str:
    """The first condition that does not hold, and what the record has instead."""
    for condition in rule.match:
        if condition.holds(record):
            continue
        if isinstance(condition, AnyOf):
            return f"none of {' | '.join(each.text for each in condition.matchers)} holds"
        found = condition.field.read(record)
        has = "is not there" if found is None else f'is "{found[:100]}"'
        return f"{condition.text} does not hold, {condition.field.name} {has}"
    return "every condition holds"


def warnings(rule_set: RuleSet) -> Iterator[str]:
    """What is allowed and dangerous."""
    for rule in rule_set.rules:
        for matcher in _matchers(rule):
            counts = [int(count) for count in _REPETITION.findall(matcher.value)]
            if matcher.operator in ("=~", "!~") and max(counts, default=0) >= _LARGE_COUNT:
                yield (
                    f"{rule_set.source}:{rule.line}: warning: the repetition in {matcher.text!r} "
                    f"costs memory and time for each of its {max(counts)} steps: + or * cost one"
                )


def _matchers(rule: Rule) -> Iterator[Matcher]:
    for condition in rule.match:
        if isinstance(condition, AnyOf):
            yield from condition.matchers
        else:
            yield condition


def table(rule_set: RuleSet) -> Iterator[str]:
    """One line per rule, in columns."""
    rows = [("alert", "group", "conditions", "tests", "")]
    for rule in rule_set.rules:
        state = "" if rule.enabled else "disabled"
        rows.append((rule.alert, rule.group, str(len(rule.match)), str(len(rule.tests)), state))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        cells = zip(row, widths, strict=True)
        yield "  ".join(cell.ljust(width) for cell, width in cells).rstrip()
    tests = sum(len(rule.tests) for rule in rule_set.rules)
    yield f"{len(rule_set.rules)} rules, {tests} tests in {rule_set.source}"
