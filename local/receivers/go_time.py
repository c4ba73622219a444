"""Points in time as Go's time.Parse reads them, with its words for what it cannot read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
SECOND = 1_000_000_000  # in nanoseconds, the unit of every point in time here

RFC3339 = ("2006", "-", "01", "-", "02", "T", "15", ":", "04", ":", "05", "Z07:00")
LOCAL = RFC3339[:-1]
MINUTES_Z = (*RFC3339[:9], "Z")
MINUTES = RFC3339[:9]
SORTABLE = ("2006", "-", "01", "-", "02", " ", "15", ":", "04", ":", "05")

_ELEMENTS = {
    "2006": re.compile(r"\d{4}"),
    "01": re.compile(r"\d\d"),
    "02": re.compile(r"\d\d"),
    "15": re.compile(r"\d\d?"),
    "04": re.compile(r"\d\d"),
    "05": re.compile(r"\d\d(?:[.,]\d+)?"),
    "Z07:00": re.compile(r"Z|[+-]\d\d:\d\d"),
}
_RANGES = {"01": ("month", 1, 12), "15": ("hour", 0, 23), "04": ("minute", 0, 59)}


class GoTimeError(ValueError):
    """The text is not a time in this layout; the message is Go's."""


def parse(text: str, layout: Sequence[str]) -> int:
    """Nanoseconds since 1970, negative before. Raises GoTimeError; without a zone, it is UTC."""
    rest, found = text, dict.fromkeys(_ELEMENTS, "0")
    for element in layout:
        taken = _take(rest, element)
        if taken is None:
            wanted = "".join(layout)
            raise GoTimeError(
                f'parsing time "{text}" as "{wanted}": cannot parse "{rest}" as "{element}"'
            )
        found[element], rest = taken, rest[len(taken) :]
        if element in _RANGES:
            _check_range(text, taken, *_RANGES[element])
    if rest:
        raise GoTimeError(f'parsing time "{text}": extra text: "{rest}"')
    return _nanoseconds(text, found)


def rfc3339_milliseconds(moment: int) -> str:
    """UTC with three digits after the second's point, the rest cut off."""
    milliseconds = moment // 1_000_000
    stamp = EPOCH + timedelta(milliseconds=milliseconds)
    return f"{stamp:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03}Z"


def _take(rest: str, element: str) -> str | None:
    """What of `rest` the element covers; None if it does not fit."""
    if element in _ELEMENTS:
        match = _ELEMENTS[element].match(rest)
        return match[0] if match else None
    if element == " " and not rest:  # Go skips a space that the text ends before
        return ""
    return element if rest.startswith(element) else None


def _check_range(text: str, number: str, name: str, least: int, most: int) -> None:
    if not least <= int(number) <= most:
        raise GoTimeError(f'parsing time "{text}": {name} out of range')


def _nanoseconds(text: str, found: dict[str, str]) -> int:
    seconds, _, fraction = found["05"].replace(",", ".").partition(".")
    clock = (int(found["15"]), int(found["04"]), int(seconds))
    try:
        moment = datetime(
            int(found["2006"]), int(found["01"]), int(found["02"]), *clock, tzinfo=timezone.utc
        )
    except ValueError as error:
        raise GoTimeError(f'parsing time "{text}": day out of range') from error
    whole = (moment - EPOCH) // timedelta(seconds=1) - _offset(found["Z07:00"])
    return whole * SECOND + int(fraction[:9].ljust(9, "0"))


def _offset(zone: str) -> int:
    """Seconds east of UTC."""
    if zone in ("0", "Z"):
        return 0
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    return (-1 if zone[0] == "-" else 1) * (hours * 3600 + minutes * 60)
