"""A YAML file whose every value knows its line, so that a problem can say where it is.

PyYAML's own constructors lose the positions, keep the last of two equal keys, and turn ``no``,
``012`` and ``1:30`` into something else; reading its node tree avoids all three.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml import MappingNode, Node, ScalarNode, SequenceNode

from function.rules.nearest import nearest

_DEEPEST = 200  # levels; a rule has eight, and its tests hold records
_STRING = "tag:yaml.org,2002:str"
_LONGEST = 400  # characters of a message
# What PyYAML's constructors let escape where a tag does not fit its value: !!timestamp x, !!bool x.
_MISFITS = (TypeError, AttributeError, LookupError, OverflowError)
_READ_AS = {"int": "a number", "float": "a number", "bool": "a boolean", "null": "empty"}


@dataclass(frozen=True, slots=True)
class Source:
    """A YAML text under the name it is reported by; ``problems`` collects what is wrong with it."""

    name: str
    lines: Sequence[str]
    problems: list[str] = field(default_factory=list)

    def problem(self, node: Node, path: str, message: str) -> None:
        """Note a problem as ``file:line: path: message``, of which a long text is cut."""
        if len(message) > _LONGEST:
            message = f"{message[:_LONGEST]} …"
        self.problems.append(f"{self.name}:{node.start_mark.line + 1}: {path}: {message}")

    def mapping(self, node: Node, path: str, known: Sequence[str] = ()) -> dict[str, Node]:
        """The values of a mapping by key.

        Duplicate keys are problems, and unknown ones where ``known`` says which there are.
        """
        if not isinstance(node, MappingNode):
            self.problem(node, path, f"must be a mapping, not {_kind(node)}")
            return {}
        found: dict[str, Node] = {}
        for key, value in node.value:
            name = str(key.value)
            if not isinstance(key, ScalarNode):
                self.problem(key, path, f"a key must be a text, not {_kind(key)}")
            elif name in found:
                self.problem(key, path, f'the key "{name}" is here twice')
            elif known and name not in known:
                self.problem(key, path, f'unknown key "{name}"; {_suggestion(name, known)}')
            else:
                found[name] = value
        return found

    def sequence(self, node: Node, path: str) -> list[Node]:
        """The items of a list that has at least one."""
        if not isinstance(node, SequenceNode):
            self.problem(node, path, f"must be a list, not {_kind(node)}")
            return []
        if not node.value:
            self.problem(node, path, "is empty: it needs at least one item")
        return list(node.value)

    def string(self, node: Node, path: str) -> str | None:
        """The text of a scalar; None, and a problem, where YAML would read something else."""
        if not isinstance(node, ScalarNode):
            self.problem(node, path, f"must be a text, not {_kind(node)}")
            return None
        if node.tag != _STRING:
            self.problem(
                node, path, f"YAML reads {node.value!r} as {_kind(node)}: put it in quotes"
            )
            return None
        return str(node.value)

    def value(self, node: Node) -> Any:
        """The value that YAML reads; None, and a problem, where it cannot."""
        try:
            return yaml.constructor.SafeConstructor().construct_document(node)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            why = " ".join(str(error).split())
        except _MISFITS:
            why = "a value is not what its tag says"
        self.problem(node, "value", f"YAML cannot read this: {why}")
        return None

    def after(self, node: Node) -> str:
        """What follows a value on its last line."""
        end = node.end_mark
        return self.lines[end.line][end.column :] if end.line < len(self.lines) else ""


def parse(text: str, name: str) -> tuple[Source, Node | None]:
    """Read a YAML text; where it is none, the source holds the problem and the node is None."""
    source = Source(name, text.splitlines())
    try:
        if line := _first_too_deep(text):
            source.problems.append(f"{name}:{line}: is nested over {_DEEPEST} levels deep")
            return source, None
        return source, yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        source.problems.append(f"{name}:{line}: not YAML: {error.problem}")
    except yaml.YAMLError as error:
        source.problems.append(f"{name}:1: not YAML: {' '.join(str(error).split())}")
    return source, None


def _first_too_deep(text: str) -> int | None:
    """The line in which a text is nested too deeply; None where it is not.

    libyaml makes a tree of what it reads by recursion, and ends the process where it is too deep;
    it tells one thing after the other without.
    """
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            return event.start_mark.line + 1 if event.start_mark else 1
    return None


def _kind(node: Node) -> str:
    if isinstance(node, MappingNode):
        return "a mapping"
    if isinstance(node, SequenceNode):
        return "a list"
    return _READ_AS.get(node.tag.rpartition(":")[2], "a text")


def _suggestion(name: str, known: Sequence[str]) -> str:
    near = nearest(name, known)
    return f'did you mean "{near}"?' if near else f"known are {', '.join(known)}"
