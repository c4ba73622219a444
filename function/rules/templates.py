"""Label and annotation templates: Jinja2 in its sandbox, compiled when the rule file is loaded.

Log text is data here, never a template.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from jinja2 import ChainableUndefined, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from function.rules import fields

Template = Callable[[Mapping[str, Any]], str]
KNOWN = frozenset({*fields.NAMES, "record"})
_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=ChainableUndefined,  # record.a.b of a record without `a` is empty, not an error
    autoescape=False,  # not HTML: each receiver escapes what its own format needs
    keep_trailing_newline=True,
)
# What an expression of the operator's own can raise on some record.
_RENDER_ERRORS = (
    TemplateError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    RecursionError,
)


class TemplateProblem(ValueError):
    """A template that cannot be compiled or names a field that does not exist."""


def compile_template(source: str) -> Template:
    """Compile a template over the fields of a record; raises TemplateProblem.

    Rendering never fails: an expression that breaks on some record gives a text that says so, as in
    Prometheus, because an alert with a flawed label is worth more than none.
    """
    if not any(mark in source for mark in ("{{", "{%", "{#")):
        return lambda _fields: source
    try:
        unknown = meta.find_undeclared_variables(_ENVIRONMENT.parse(source)) - KNOWN
        template = _ENVIRONMENT.from_string(source)
    except TemplateError as error:
        raise TemplateProblem(f"not a template: {error}") from None
    if unknown:
        raise TemplateProblem(_unknown(sorted(unknown)[0]))

    def render(values: Mapping[str, Any]) -> str:
        try:
            return template.render(values)
        except _RENDER_ERRORS as error:
            return f"<error expanding template: {error}>"

    return render


def _unknown(name: str) -> str:
    near = get_close_matches(name, KNOWN, 1)
    hint = f'did you mean "{near[0]}"?' if near else f"fields are {', '.join(fields.NAMES)}"
    return f'template names the unknown field "{name}"; {hint} (record.{name} reads the record)'
