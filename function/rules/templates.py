"""Label and annotation templates: Jinja2 in its sandbox, compiled when the rule file is loaded.

Log text is data here, never a template. A template that only inserts fields, as nearly all do, is
put together without Jinja2: compiling a thousand rules and rendering an alert are 20 times as fast
then, and a process whose rules need no more never imports it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from function.rules import fields

if TYPE_CHECKING:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

Template = Callable[[Mapping[str, Any]], str]
KNOWN = frozenset({*fields.NAMES, "record"})
_FIELD = re.compile(r"\{\{ *([a-z_]+) *\}\}")
_CACHED = 4096  # templates that are kept: rules repeat "{{ namespace }}" a thousand times


class TemplateProblem(ValueError):
    """A template that cannot be compiled or names a field that does not exist."""


@lru_cache(_CACHED)
def compile_template(source: str) -> Template:
    """Compile a template over the fields of a record; raises TemplateProblem.

    Rendering never fails: an expression that breaks on some record gives a text that says so, as in
    Prometheus, because an alert with a flawed label is worth more than none.
    """
    texts = _FIELD.split(source)
    literals, names = texts[::2], texts[1::2]
    if any(mark in text for text in literals for mark in ("{{", "{%", "{#", "\r")):
        return _with_jinja(source)
    unknown = sorted(set(names) - KNOWN)
    if unknown:
        raise TemplateProblem(_unknown(unknown[0]))
    return _insertion(literals, names)


def _insertion(literals: list[str], names: list[str]) -> Template:
    """A template of texts with one field between each two of them."""
    if not names:
        return lambda _values: literals[0]
    first, rest = literals[0], tuple(zip(names, literals[1:], strict=True))

    def render(values: Mapping[str, Any]) -> str:
        return first + "".join(f"{values[name]}{text}" for name, text in rest)

    return render


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    from jinja2 import ChainableUndefined  # deferred: cold start
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(
        undefined=ChainableUndefined,  # record.a.b of a record without `a` is empty, not an error
        autoescape=False,  # not HTML: each receiver escapes what its own format needs
        keep_trailing_newline=True,
    )


def _with_jinja(source: str) -> Template:
    from jinja2 import TemplateError, meta

    try:
        unknown = meta.find_undeclared_variables(_environment().parse(source)) - KNOWN
        template = _environment().from_string(source)
    except TemplateError as error:
        raise TemplateProblem(f"not a template: {error}") from None
    if unknown:
        raise TemplateProblem(_unknown(sorted(unknown)[0]))
    # What an expression of the operator's own can raise on some record.
    broken = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError)

    def render(values: Mapping[str, Any]) -> str:
        try:
            return template.render(values)
        except broken as error:
            return f"<error expanding template: {error}>"

    return render


def _unknown(name: str) -> str:
    near = get_close_matches(name, sorted(KNOWN), 1)
    hint = f'did you mean "{near[0]}"?' if near else f"fields are {', '.join(fields.NAMES)}"
    return f'template names the unknown field "{name}"; {hint} (record.{name} reads the record)'
