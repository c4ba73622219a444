"""A rule file → RuleSet, or every problem in it at once, each with file, line and path."""

from __future__ import annotations

import gc
import re
from collections.abc import Mapping
from pathlib import Path

from yaml import MappingNode, Node, ScalarNode

from function.errors import RulesError, RulesUnreadable
from function.formats import durations
from function.rules import source as yaml_source
from function.rules.matchers import AnyOf, Condition, Matcher, MatcherError
from function.rules.matchers import parse as parse_matcher
from function.rules.rule import Rule, RuleTest
from function.rules.ruleset import RuleSet
from function.rules.source import Source
from function.rules.templates import Template, TemplateProblem, compile_template

RULE_KEYS = (
    "alert",
    "enabled",
    "match",
    "labels",
    "annotations",
    "keep_firing_for",
    "repeat_interval",
    "tests",
)
GROUP_KEYS = ("name", "labels", "rules")
TEST_KEYS = ("record", "fires")
KEEP_FIRING_FOR = "5m"  # Alertmanager's own resolve_timeout
REPEAT_INTERVAL = "0s"
_LONGEST = durations.duration("10y")
# Prometheus' label names; Alertmanager before 0.27 and Notification Manager take no others.
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def load(path: Path) -> RuleSet:
    """Read a rule file; raises RulesError with every problem in it, perhaps RulesUnreadable."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RulesUnreadable([f"{path}: cannot read the rule file: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise RulesError([f"{path}: not UTF-8 at byte {error.start}"]) from None
    return loads(text, str(path))


def loads(text: str, name: str) -> RuleSet:
    """Read rules from a text that is reported as ``name``; raises RulesError."""
    collecting = gc.isenabled()
    gc.disable()  # nothing of the tree is garbage yet: looking for it takes most of the time
    try:
        return _loads(text, name)
    finally:
        if collecting:
            gc.enable()


def _loads(text: str, name: str) -> RuleSet:
    source, root = yaml_source.parse(text, name)
    rules: list[Rule] = []
    if root is not None:
        rules = _groups(source, root)
    elif not source.problems:
        source.problems.append(f"{name}:1: the file is empty: it needs a list of groups")
    if source.problems:
        raise RulesError(source.problems)
    return RuleSet(tuple(rules), name)


def _groups(source: Source, root: Node) -> list[Rule]:
    top = source.mapping(root, "the file", ("groups",))
    if "groups" not in top:
        source.problem(root, "the file", 'needs the key "groups"')
        return []
    rules: list[Rule] = []
    names: dict[str, Node] = {}
    for index, node in enumerate(source.sequence(top["groups"], "groups")):
        rules += _group(source, node, f"groups[{index}]", names)
    return rules


def _group(source: Source, node: Node, path: str, names: dict[str, Node]) -> list[Rule]:
    members = source.mapping(node, path, GROUP_KEYS)
    if not _required(source, node, path, members, ("name", "rules")):
        return []
    name = source.string(members["name"], f"{path}.name") or ""
    labels = _labels(source, members.get("labels"), f"{path}.labels")
    rules = []
    for index, item in enumerate(source.sequence(members["rules"], f"{path}.rules")):
        where = f"{path}.rules[{index}]"
        rule = _rule(source, item, where, name, labels)
        if rule is None:
            continue
        if rule.alert in names:
            line = names[rule.alert].start_mark.line + 1
            message = f'the alert "{rule.alert}" is defined in line {line} already'
            source.problem(item, where, message)
        names.setdefault(rule.alert, item)
        rules.append(rule)
    return rules


def _rule(
    source: Source, node: Node, path: str, group: str, defaults: Mapping[str, Template]
) -> Rule | None:
    members = source.mapping(node, path, RULE_KEYS)
    if not _required(source, node, path, members, ("alert", "match")):
        return None
    alert = source.string(members["alert"], f"{path}.alert")
    if alert == "":
        source.problem(members["alert"], f"{path}.alert", "an alert needs a name")
    conditions = _conditions(source, members["match"], f"{path}.match")
    labels = _labels(source, members.get("labels"), f"{path}.labels")
    return Rule(
        alert=alert or "",
        group=group,
        match=tuple(sorted(conditions, key=lambda condition: condition.cost)),
        labels=_sorted({**defaults, **labels, "alertname": lambda _values: alert or ""}),
        annotations=_sorted(_templates(source, members.get("annotations"), f"{path}.annotations")),
        keep_firing_for=_keep_firing_for(source, members, path),
        repeat_interval=_duration(source, members, path, "repeat_interval", REPEAT_INTERVAL),
        enabled=_flag(source, members.get("enabled"), f"{path}.enabled", default=True),
        tests=_tests(source, members.get("tests"), f"{path}.tests"),
        line=node.start_mark.line + 1,
    )


def _required(
    source: Source, node: Node, path: str, members: Mapping[str, Node], names: tuple[str, ...]
) -> bool:
    missing = [name for name in names if name not in members]
    if missing and isinstance(node, MappingNode):  # what is not a mapping was reported as such
        source.problem(node, path, f"needs {' and '.join(missing)}")
    return not missing


def _conditions(source: Source, node: Node, path: str) -> list[Condition]:
    conditions: list[Condition] = []
    for index, item in enumerate(source.sequence(node, path)):
        where = f"{path}[{index}]"
        alternatives = _alternatives(item)
        if alternatives is None:
            conditions += _matchers(source, [item], [where])
            continue
        inner = source.sequence(alternatives, f"{where}.any")
        matchers = _matchers(source, inner, [f"{where}.any[{i}]" for i in range(len(inner))])
        if matchers:
            conditions.append(AnyOf(tuple(matchers)))
    return conditions


def _alternatives(node: Node) -> Node | None:
    """What `any:` holds, where an item of `match` is that and nothing else."""
    if isinstance(node, MappingNode) and len(node.value) == 1:
        [(key, alternatives)] = node.value
        if key.value == "any" and isinstance(alternatives, Node):
            return alternatives
    return None


def _matchers(source: Source, nodes: list[Node], paths: list[str]) -> list[Matcher]:
    found = [_matcher(source, node, path) for node, path in zip(nodes, paths, strict=True)]
    return [matcher for matcher in found if matcher is not None]


def _matcher(source: Source, node: Node, path: str) -> Matcher | None:
    line = source.lines[node.start_mark.line].strip().removeprefix("- ")
    if isinstance(node, MappingNode):
        source.problem(node, path, f"YAML reads {line!r} as a mapping: put the matcher in quotes")
        return None
    text = source.string(node, path)
    if text is None:
        return None
    if isinstance(node, ScalarNode) and not node.style and _is_cut(source.after(node)):
        source.problem(
            node,
            path,
            f"YAML drops what follows ' #' in {line!r}: put the matcher in quotes, "
            "or two spaces before a comment",
        )
        return None
    try:
        return parse_matcher(text)
    except MatcherError as error:
        source.problem(node, path, str(error))
        return None


def _is_cut(rest: str) -> bool:
    """One space before a ``#`` is a matcher that YAML cut; two are a comment."""
    return rest.startswith(" #")


def _labels(source: Source, node: Node | None, path: str) -> dict[str, Template]:
    labels = _templates(source, node, path)
    if node is not None and "alertname" in labels:
        source.problem(node, path, 'alertname is the rule\'s own name: see "alert"')
    return labels


def _sorted(templates: Mapping[str, Template]) -> dict[str, Template]:
    """By name, once: every alert has its labels in this order."""
    return dict(sorted(templates.items()))


def _templates(source: Source, node: Node | None, path: str) -> dict[str, Template]:
    templates = {}
    for name, value in (source.mapping(node, path) if node is not None else {}).items():
        if not _LABEL_NAME.fullmatch(name):
            source.problem(value, path, f'"{name}" is not a label name: letters, digits and _ only')
        text = source.string(value, f"{path}.{name}")
        if text is None:
            continue
        try:
            templates[name] = compile_template(text)
        except TemplateProblem as error:
            source.problem(value, f"{path}.{name}", str(error))
    return templates


def _duration(
    source: Source, members: Mapping[str, Node], path: str, name: str, default: str
) -> int:
    node = members.get(name)
    if node is None:
        return durations.duration(default)
    if not isinstance(node, ScalarNode):
        source.problem(node, f"{path}.{name}", "must be a duration such as 5m")
        return 0
    try:
        nanoseconds = durations.duration(node.value)
    except ValueError as error:
        source.problem(node, f"{path}.{name}", str(error))
        return 0
    if nanoseconds > _LONGEST:
        source.problem(node, f"{path}.{name}", "must be at most 10y")
    return nanoseconds


def _keep_firing_for(source: Source, members: Mapping[str, Node], path: str) -> int:
    """How long an alert stays active; at 0 its receiver would take it for resolved at once."""
    before = len(source.problems)
    nanoseconds = _duration(source, members, path, "keep_firing_for", KEEP_FIRING_FOR)
    if nanoseconds == 0 and len(source.problems) == before:
        message = "must be longer than 0s, or the alert is resolved before anybody is told"
        source.problem(members["keep_firing_for"], f"{path}.keep_firing_for", message)
    return nanoseconds


def _flag(source: Source, node: Node | None, path: str, *, default: bool) -> bool:
    if node is None:
        return default
    value = source.value(node)
    if not isinstance(value, bool):
        source.problem(node, path, "must be true or false")
        return default
    return value


def _tests(source: Source, node: Node | None, path: str) -> tuple[RuleTest, ...]:
    if node is None:
        return ()
    tests = []
    for index, item in enumerate(source.sequence(node, path)):
        where = f"{path}[{index}]"
        members = source.mapping(item, where, TEST_KEYS)
        if _required(source, item, where, members, TEST_KEYS):
            fires = _fires(source, members["fires"], f"{where}.fires")
            record = source.value(members["record"])
            tests.append(RuleTest(record, fires, item.start_mark.line + 1))
    return tuple(tests)


def _fires(source: Source, node: Node, path: str) -> dict[str, str] | None:
    """The labels that a test expects: none in particular for `true`, no alert for `false`."""
    if isinstance(node, ScalarNode):
        return {} if _flag(source, node, path, default=False) else None
    members = source.mapping(node, path)
    labels = {name: source.string(value, f"{path}.{name}") for name, value in members.items()}
    return {name: text for name, text in labels.items() if text is not None}
