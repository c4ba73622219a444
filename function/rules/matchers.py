"""One matcher, ``status = 404``: the operators of Alertmanager, LogQL's ``|=``, and of numbers."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from function.records import LogRecord
from function.rules import fields
from function.rules.fields import Field
from function.rules.nearest import nearest
from function.rules.patterns import PatternError, Patterns

COMPARISONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
OPERATORS = ("=", "!=", "=~", "!~", "|=", *COMPARISONS)
_MISTAKEN = {
    "==": "=",
    "=>": ">=",
    "=<": "<=",
    "<>": "!=",
    "~=": "=~",
    "~": "=~",
    "=!": "!=",
    "=|": "|=",
}

_MATCHER = re.compile(
    r"\s*(?P<field>[A-Za-z_][^\s=!<>~|]*)\s*(?P<operator>[=!<>~|]*)\s*(?P<value>.*)", re.DOTALL
)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_LONGEST_NUMBER = 64  # characters
_EXCERPT = 200  # characters of a text in a message
_DIGITS = 18  # of a number that a status or a size may be
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

    @property
    def cost(self) -> int:
        """What testing it costs, for comparison."""
        return self.field.cost


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Several matchers of which at least one must hold."""

    matchers: tuple[Matcher, ...]

    def holds(self, record: LogRecord) -> bool:
        """Whether one of them holds."""
        return any(matcher.holds(record) for matcher in self.matchers)

    @property
    def cost(self) -> int:
        """What testing all of them costs, for comparison."""
        return max(matcher.cost for matcher in self.matchers)


Condition = Matcher | AnyOf


def parse(text: str) -> Matcher:
    """Read ``FIELD OPERATOR VALUE``; the value may be quoted as in Alertmanager.

    Raises MatcherError.
    """
    found = _MATCHER.fullmatch(text)
    if found is None:
        raise MatcherError(
            f"{_excerpt(text)} is not a matcher: write FIELD OPERATOR VALUE, as in status = 404"
        )
    field = _field(found["field"])
    symbol = _operator(found["operator"], text)
    value = _value(found["value"].strip())
    if field.numeric and symbol in ("=", "!="):
        value = str(_integer(field, value))
    return Matcher(text.strip(), field, symbol, value, _condition(field, symbol, value))


def _excerpt(text: str) -> str:
    """The beginning of a text, quoted."""
    return repr(text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…")


def _field(name: str) -> Field:
    field = fields.field(name)
    if field is not None:
        return field
    if name.startswith("record."):
        raise MatcherError(
            f"{_excerpt(name)} is not a path: write record.key.key, and quote keys that hold dots"
            ' ("a.b/c")'
        )
    near = nearest(name, fields.NAMES)
    hint = f'did you mean "{near}"?' if near else f"fields are {', '.join(fields.NAMES)}"
    raise MatcherError(f'unknown field "{name}"; {hint} (record.{name} names a key of the record)')


def _operator(symbol: str, text: str) -> str:
    if symbol in OPERATORS:
        return symbol
    if not symbol:
        raise MatcherError(f"{_excerpt(text)} has no operator: write one of {' '.join(OPERATORS)}")
    meant = _MISTAKEN.get(symbol)
    hint = f'did you mean "{meant}"?' if meant else f"operators are {' '.join(OPERATORS)}"
    raise MatcherError(f'unknown operator "{symbol}"; {hint}')


def _value(text: str) -> str:
    if not text.startswith('"'):
        return text
    quoted = _QUOTED.fullmatch(text)
    if quoted is None:
        raise MatcherError(f"{_excerpt(text)} starts with a quote and does not end with one")
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), quoted[1])


def _condition(field: Field, symbol: str, value: str) -> Callable[[LogRecord], bool]:
    """The test of a matcher, with all that does not depend on the record done now."""
    if symbol in ("=~", "!~"):
        return _regular_expression(field, value, wanted=symbol == "=~")
    if symbol in COMPARISONS:
        return _comparison(field, COMPARISONS[symbol], _number(field, value))
    if symbol == "|=":
        return _containment(field, value)
    return _equality(field, value, wanted=symbol == "=")


def _number(field: Field, value: str) -> float:
    number = _as_number(value)
    if number is None:
        raise _no_number(field, value)
    return number


def _as_number(text: str) -> float | None:
    """The number that a text is, as JSON writes it; None for others, ``infinity`` and ``1_0``."""
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def _integer(field: Field, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= _DIGITS):
        raise _no_number(field, value)
    return int(value)


def _no_number(field: Field, value: str) -> MatcherError:
    return MatcherError(
        f"{_excerpt(value)} is not a number to compare {field.name} with (=~ compares texts)"
    )


def _equality(field: Field, value: str, *, wanted: bool) -> Callable[[LogRecord], bool]:
    read = field.read

    def holds(record: LogRecord) -> bool:
        text = read(record)
        return text is not None and (text == value) is wanted

    return holds


def _containment(field: Field, value: str) -> Callable[[LogRecord], bool]:
    read = field.read

    def holds(record: LogRecord) -> bool:
        text = read(record)
        return text is not None and value in text

    return holds


def _comparison(
    field: Field, compare: Callable[[float, float], bool], value: float
) -> Callable[[LogRecord], bool]:
    read = field.read

    def holds(record: LogRecord) -> bool:
        text = read(record)
        number = None if text is None else _as_number(text)
        return number is not None and compare(number, value)

    return holds


def _regular_expression(field: Field, pattern: str, *, wanted: bool) -> Callable[[LogRecord], bool]:
    read = field.read
    try:
        matches = Patterns([pattern], repeats=field.repeats).matches
    except PatternError as error:
        raise MatcherError(f"RE2 cannot use {_excerpt(pattern)}: {error}") from None

    def holds(record: LogRecord) -> bool:
        text = read(record)
        return text is not None and matches(text) is wanted

    return holds
