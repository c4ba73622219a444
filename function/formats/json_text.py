"""JSON as logs really hold it.

orjson reads what is valid. What it refuses but log shippers write (a byte order mark, bytes that
are not UTF-8, lone surrogates, NaN) is read by the standard library, with U+FFFD for what no text
can hold; only what both refuse is broken. Fluent Bit writes a double that is not a number as C's
printf does, ``nan`` and ``-inf`` (src/flb_pack.c), and these are read as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import orjson

JSON = Any  # None, bool, int, float, str, list[JSON] or dict[str, JSON]


_DIGITS = 400  # of an integer; more than a double can hold
# A double that is not a number, in the place of a value.
_NO_NUMBER = re.compile(r"(?<=[:,\[])-?(?:nan|inf)(?=[,\]}])")
_AS_PYTHON_READS_IT = {"nan": "NaN", "-nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


class NotJSON(ValueError):
    """The text is not JSON; says why and at which byte."""


def loads(data: bytes) -> JSON:
    """Read one JSON value; raises NotJSON."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return _lenient(data)


def kind(value: JSON) -> str:
    """What a JSON value is, for an error message: "an object", "a number", "null"."""
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}
    return "null" if value is None else names.get(type(value), "a number")


def canonical(value: JSON) -> bytes:
    """A value as bytes, the same ones for the same value and others for another, at any depth."""
    try:
        return orjson.dumps(value)
    except TypeError:  # nested more than 254 levels deep, or a number beyond 64 bits
        return b"".join(_tokens(value))


def _tokens(value: JSON) -> Iterator[bytes]:
    """A value's parts in order, without recursion."""
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            yield b"{%d " % len(item)
            for key, inner in item.items():
                left += (inner, key)
        elif isinstance(item, list):
            yield b"[%d " % len(item)
            left += item
        else:
            yield json.dumps(item).encode() + b" "


def _lenient(data: bytes) -> JSON:
    text = data.decode("utf-8-sig", errors="replace")
    try:
        return _without_surrogates(_loads(text))
    except json.JSONDecodeError as error:
        raise NotJSON(f"{error.msg.lower()} at byte {_byte(data)}") from None
    except RecursionError:
        raise NotJSON("nested too deeply") from None


def _loads(text: str) -> JSON:
    try:
        return json.loads(text, parse_int=_integer)
    except json.JSONDecodeError as error:
        if not _NO_NUMBER.search(text):
            raise
        try:
            return json.loads(_with_numbers(text), parse_int=_integer)
        except json.JSONDecodeError:
            raise error from None  # its place is one in the text that came


def _integer(digits: str) -> int | float:
    """A number without a fraction; one that Python converts in quadratic time is infinite."""
    return int(digits) if len(digits) <= _DIGITS else float(digits)


def _with_numbers(text: str) -> str:
    """Write Fluent Bit's doubles that are not numbers as Python does; texts stay as they are."""
    parts = text.split('"')
    in_text = False
    for number, part in enumerate(parts):
        if in_text:
            in_text = (len(part) - len(part.rstrip("\\"))) % 2 == 1  # its quote is escaped
        else:
            parts[number] = _NO_NUMBER.sub(lambda match: _AS_PYTHON_READS_IT[match[0]], part)
            in_text = True
    return '"'.join(parts)


def _byte(data: bytes) -> int:
    """Where in the bytes the JSON breaks off, which replacement characters do not tell."""
    text = data.decode("utf-8", "surrogateescape")
    mark = len(text) - len(text.removeprefix("\ufeff"))
    try:
        json.loads(text[mark:], parse_int=_integer)
    except json.JSONDecodeError as error:
        return len(text[: mark + error.pos].encode("utf-8", "surrogateescape"))
    return len(data)


def _without_surrogates(value: JSON) -> JSON:
    """Replace lone surrogates, which neither UTF-8 nor RE2 can take; in place, to save memory."""
    if isinstance(value, str):
        return value if value.isascii() else _text(value)
    if isinstance(value, dict):
        if not all(map(str.isascii, value)):
            value = {_text(key): item for key, item in value.items()}
        for key, item in value.items():
            value[key] = _without_surrogates(item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            value[index] = _without_surrogates(item)
    return value


def _text(value: str) -> str:
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
