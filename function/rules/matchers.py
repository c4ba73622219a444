"""One matcher, ``status = 404``: Alertmanager's operators, plus comparisons of numbers."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

import re2

from function.records import LogRecord
from function.rules import fields
from function.rules.fields import Field

COMPARISONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
OPERATORS = ("=", "!=", "=~", "!~", *COMPARISONS)
_MISTAKEN = {"==": "=", "=>": ">=", "=<": "<=", "<>": "!=", "~=": "=~", "~": "=~", "=!": "!="}

_MATCHER = re.compile(
    r"\s*(?P<field>[A-Za-z_][^\s=!<>~]*)\s*(?P<operator>[=!<>~]*)\s*(?P<value>.*)", re.DOTALL
)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}


class MatcherError(ValueError):
    """A matcher that cannot be understood; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """A condition on one field of a log record; ``holds(record)`` tests it."""

    text: str
    field: Field
    operator: str
    value: str
    holds: Callable[[LogRecord], bool]


def parse(text: str) -> Matcher:
    """Read ``FIELD OPERATOR VALUE``; the value may be quoted as in Alertmanager.

    Raises MatcherError.
    """
    found = _MATCHER.fullmatch(text)
    if found is None:
        raise MatcherError(
            f"{text!r} is no matcher: write FIELD OPERATOR VALUE, as in status = 404"
        )
    field = _field(found["field"])
    symbol = _operator(found["operator"], text)
    value = _value(found["value"].strip())
    return Matcher(text.strip(), field, symbol, value, _condition(field, symbol, value))


def _field(name: str) -> Field:
    field = fields.field(name)
    if field is not None:
        return field
    if name.startswith("record."):
        raise MatcherError(
            f'{name!r} is no path: write record.key.key, and quote keys that hold dots ("a.b/c")'
        )
    near = get_close_matches(name, fields.NAMES, 1)
    hint = f'did you mean "{near[0]}"?' if near else f"fields are {', '.join(fields.NAMES)}"
    raise MatcherError(f'unknown field "{name}"; {hint} (record.{name} names a key of the record)')


def _operator(symbol: str, text: str) -> str:
    if symbol in OPERATORS:
        return symbol
    if not symbol:
        raise MatcherError(f"{text!r} has no operator: write one of {' '.join(OPERATORS)}")
    meant = _MISTAKEN.get(symbol)
    hint = f'did you mean "{meant}"?' if meant else f"operators are {' '.join(OPERATORS)}"
    raise MatcherError(f'unknown operator "{symbol}"; {hint}')


def _value(text: str) -> str:
    if not text.startswith('"'):
        return text
    quoted = _QUOTED.fullmatch(text)
    if quoted is None:
        raise MatcherError(f"{text!r} starts with a quote and does not end with one")
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), quoted[1])


def _condition(field: Field, symbol: str, value: str) -> Callable[[LogRecord], bool]:
    """The test of a matcher, with all that does not depend on the record done now."""
    if symbol in ("=~", "!~"):
        return _regular_expression(field, value, wanted=symbol == "=~")
    if symbol in COMPARISONS:
        return _comparison(field, COMPARISONS[symbol], _number(field, value))
    if field.numeric:
        value = str(_integer(field, value))
    return _equality(field, value, wanted=symbol == "=")


def _number(field: Field, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise _no_number(field, value) from None


def _integer(field: Field, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise _no_number(field, value) from None


def _no_number(field: Field, value: str) -> MatcherError:
    return MatcherError(f"{value!r} is no number to compare {field.name} with (=~ compares texts)")


def _equality(field: Field, value: str, *, wanted: bool) -> Callable[[LogRecord], bool]:
    read = field.read

    def holds(record: LogRecord) -> bool:
        text = read(record)
        return text is not None and (text == value) is wanted

    return holds


def _comparison(
    field: Field, compare: Callable[[float, float], bool], value: float
) -> Callable[[LogRecord], bool]:
    read = field.read

    def holds(record: LogRecord) -> bool:
        text = read(record)
        try:
            return text is not None and compare(float(text), value)
        except ValueError:
            return False

    return holds


def _regular_expression(field: Field, pattern: str, *, wanted: bool) -> Callable[[LogRecord], bool]:
    read = field.read
    fullmatch = compile_pattern(pattern).fullmatch

    def holds(record: LogRecord) -> bool:
        text = read(record)
        return text is not None and (fullmatch(text) is not None) is wanted

    return holds


def compile_pattern(pattern: str) -> re2._Regexp:
    """Compile RE2 with ``.`` matching a newline, as Prometheus 3 does; raises MatcherError."""
    options = re2.Options()
    options.dot_nl = True
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        raise MatcherError(f"RE2 cannot use {pattern!r}: {reason}") from None
