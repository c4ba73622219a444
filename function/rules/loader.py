"""A rule file → RuleSet, or every problem in it at once, each with file, line and path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from yaml import MappingNode, Node, ScalarNode

from function import durations
from function.errors import RulesError
from function.rules import source as yaml_source
from function.rules.matchers import Matcher, MatcherError
from function.rules.matchers import parse as parse_matcher
from function.rules.ruleset import Rule, RuleSet
from function.rules.source import Source
from function.rules.templates import Template, TemplateProblem, compile_template

RULE_KEYS = ("alert", "match", "labels", "annotations", "keep_firing_for")
GROUP_KEYS = ("name", "rules")
KEEP_FIRING_FOR = "5m"  # Alertmanager's own resolve_timeout
# Prometheus' label names; Alertmanager before 0.27 and Notification Manager take no others.
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def load(path: Path) -> RuleSet:
    """Read a rule file; raises RulesError with every problem in it."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RulesError([f"{path}: cannot read the rule file: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise RulesError([f"{path}: not UTF-8 at byte {error.start}"]) from None
    return loads(text, str(path))


def loads(text: str, name: str) -> RuleSet:
    """Read rules from a text that is reported as ``name``; raises RulesError."""
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
    if not _required(source, node, path, members, GROUP_KEYS):
        return []
    name = source.string(members["name"], f"{path}.name") or ""
    rules = []
    for index, item in enumerate(source.sequence(members["rules"], f"{path}.rules")):
        where = f"{path}.rules[{index}]"
        rule = _rule(source, item, where, name)
        if rule is None:
            continue
        if rule.alert in names:
            line = names[rule.alert].start_mark.line + 1
            message = f'the alert "{rule.alert}" is defined in line {line} already'
            source.problem(item, where, message)
        names.setdefault(rule.alert, item)
        rules.append(rule)
    return rules


def _rule(source: Source, node: Node, path: str, group: str) -> Rule | None:
    members = source.mapping(node, path, RULE_KEYS)
    if not _required(source, node, path, members, ("alert", "match")):
        return None
    alert = source.string(members["alert"], f"{path}.alert")
    if alert == "":
        source.problem(members["alert"], f"{path}.alert", "an alert needs a name")
    matchers = _matchers(source, members["match"], f"{path}.match")
    labels = _templates(source, members.get("labels"), f"{path}.labels")
    if "alertname" in labels:
        source.problem(node, f"{path}.labels", 'alertname is the rule\'s own name: see "alert"')
    return Rule(
        alert=alert or "",
        group=group,
        match=tuple(sorted(matchers, key=lambda matcher: matcher.field.cost)),
        labels=labels,
        annotations=_templates(source, members.get("annotations"), f"{path}.annotations"),
        keep_firing_for=_duration(source, members, path, "keep_firing_for", KEEP_FIRING_FOR),
    )


def _required(
    source: Source, node: Node, path: str, members: Mapping[str, Node], names: tuple[str, ...]
) -> bool:
    missing = [name for name in names if name not in members]
    if missing and isinstance(node, MappingNode):  # what is no mapping was reported as such
        source.problem(node, path, f"needs {' and '.join(missing)}")
    return not missing


def _matchers(source: Source, node: Node, path: str) -> list[Matcher]:
    matchers = []
    for index, item in enumerate(source.sequence(node, path)):
        matcher = _matcher(source, item, f"{path}[{index}]")
        if matcher is not None:
            matchers.append(matcher)
    return matchers


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


def _templates(source: Source, node: Node | None, path: str) -> dict[str, Template]:
    templates = {}
    for name, value in (source.mapping(node, path) if node is not None else {}).items():
        if not _LABEL_NAME.fullmatch(name):
            source.problem(value, path, f'"{name}" is no label name: letters, digits and _ only')
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
        return durations.duration(node.value)
    except ValueError as error:
        source.problem(node, f"{path}.{name}", str(error))
        return 0
