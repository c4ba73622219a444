"""Label and annotation templates: Jinja2 in its sandbox, compiled when the rule file is loaded.

Log text is data here, never a template. A template that only inserts fields, some cut to a length,
as nearly all do, is put together without Jinja2: compiling a thousand rules and rendering an alert
are 20 times as fast then, and a process whose rules need no more never imports it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from function.rules import fields
from function.rules.nearest import nearest

if TYPE_CHECKING:
    from jinja2.runtime import Context
    from jinja2.sandbox import ImmutableSandboxedEnvironment

Template = Callable[[Mapping[str, Any]], str]
KNOWN = frozenset({*fields.NAMES, "record"})
_FIELD = re.compile(r"\{\{ *([a-z_]+) *(?:\| *truncate\( *([0-9]{1,6}) *\) *)?\}\}")
_LEEWAY, _END = 5, "..."  # of Jinja2's truncate
# What compiling lets escape: nested too deeply, too many loops in one another, too long a number.
_COMPILATION = (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError)
_WIDE = re.compile(r"\*|[0-9]{4}")  # in a format of printf
LONGEST = 16 * 1024  # characters that a template may make, and that its filters may take
_CACHED = 4096  # templates that are kept: rules repeat "{{ namespace }}" a thousand times


class Broken(str):
    """The text that stands for a template which failed: it says why."""

    __slots__ = ()


class TemplateProblem(ValueError):
    """A template that cannot be compiled or names a field that does not exist."""


@lru_cache(_CACHED)
def compile_template(source: str) -> Template:
    """Compile a template over the fields of a record; raises TemplateProblem.

    Rendering never fails: an expression that breaks on some record gives a text that says so, as in
    Prometheus, because an alert with a flawed label is worth more than none. It is a ``Broken``.
    """
    texts = _FIELD.split(source)
    literals, names, lengths = texts[::3], texts[1::3], texts[2::3]
    if "record" in names or any("{" in text or "\r" in text for text in literals):
        return _with_jinja(source)
    if any(length is not None and int(length) < len(_END) for length in lengths):
        return _with_jinja(source)
    unknown = sorted(set(names) - KNOWN)
    if unknown:
        raise TemplateProblem(_unknown(unknown[0]))
    cut = [None if length is None else int(length) for length in lengths]
    return _insertion(literals[0], tuple(zip(names, cut, literals[1:], strict=True)))


def _insertion(first: str, parts: tuple[tuple[str, int | None, str], ...]) -> Template:
    """A text, then any number of times a field, perhaps cut to a length, and a text."""
    if not parts:
        return lambda _values: first
    if all(length is None for _, length, _ in parts):
        inserting = _literal(first) + "".join(
            f"{{{name}}}{_literal(text)}" for name, _, text in parts
        )
        return inserting.format_map

    def render(values: Mapping[str, Any]) -> str:
        return first + "".join(
            f"{values[name] if length is None else _truncated(str(values[name]), length)}{text}"
            for name, length, text in parts
        )

    return render


def _literal(text: str) -> str:
    """A text as str.format takes it."""
    return text.replace("{", "{{").replace("}", "}}")


def _truncated(text: str, length: int) -> str:
    """Cut a text as Jinja2's truncate does: at a space, and not for a few characters."""
    if len(text) <= length + _LEEWAY:
        return text
    return text[: length - len(_END)].rsplit(" ", 1)[0] + _END


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    from jinja2 import ChainableUndefined, pass_context  # deferred: cold start
    from jinja2.exceptions import SecurityError
    from jinja2.filters import do_wordwrap
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Environment(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset({"*", "**", "%"})  # what makes much of little

        def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
            formats = operator == "%" and isinstance(left, str) and not _WIDE.search(left)
            if not formats and not (_is_small(left) and _is_small(right) and operator != "**"):
                raise SecurityError(f"no {operator} of a text, or of large numbers")
            return super().call_binop(context, operator, left, right)

    @pass_context  # which is not there yet when a template is compiled: nothing is worked out then
    def as_it_is(_context: Context, value: Any) -> Any:
        return value

    environment = Environment(
        finalize=as_it_is,
        undefined=ChainableUndefined,  # record.a.b of a record without `a` is empty, not an error
        autoescape=False,  # not HTML: each receiver escapes what its own format needs
        keep_trailing_newline=True,
        optimized=False,  # or 'a' * 1000000000 is worked out when the rule file is read
    )

    def wordwrap(text: str, *arguments: Any, **options: Any) -> str:
        return do_wordwrap(environment, text[:LONGEST], *arguments, **options)  # quadratic

    environment.filters["wordwrap"] = wordwrap
    return environment


def _is_small(value: Any) -> bool:
    """Whether a value is a number that no text and no list gets long by."""
    return isinstance(value, int | float) and abs(value) < 2**53


def _with_jinja(source: str) -> Template:
    from jinja2 import TemplateError, meta

    try:
        unknown = meta.find_undeclared_variables(_environment().parse(source)) - KNOWN
        template = _environment().from_string(source)
    except (TemplateError, *_COMPILATION) as error:
        raise TemplateProblem(f"not a template: {' '.join(str(error).split())[:300]}") from None
    if unknown:
        raise TemplateProblem(_unknown(sorted(unknown)[0]))

    def render(values: Mapping[str, Any]) -> str:
        try:
            return template.render(values)
        except Exception as error:  # noqa: BLE001 - an operator's expression can raise anything
            return Broken(f"<error expanding template: {error}>")

    return render


def _unknown(name: str) -> str:
    near = nearest(name, sorted(KNOWN))
    hint = f'did you mean "{near}"?' if near else f"fields are {', '.join(fields.NAMES)}"
    return f'template names the unknown field "{name}"; {hint} (record.{name} reads the record)'
