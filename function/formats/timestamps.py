"""RFC 3339 timestamps with nanoseconds, as container runtimes and Go write them.

A moment is an ``int``: nanoseconds since 1970-01-01T00:00:00Z. ``datetime`` alone would not do: it
stops at microseconds, and its ``fromisoformat`` knows no ``Z`` before Python 3.11.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache

SECOND = 1_000_000_000  # nanoseconds
MAXIMUM = 253_402_300_799 * SECOND  # 9999-12-31T23:59:59Z, the last second RFC 3339 can write
_EPOCH = datetime(1970, 1, 1)  # naive: all arithmetic here is UTC, zones are explicit


def parse(text: str) -> int:
    """Read an RFC 3339 timestamp; digits beyond the nanosecond are dropped.

    Raises ValueError when the text is none, names no zone, or lies before 1970 or after 9999.
    """
    seconds, digits = _seconds(text[:19]), text[20:-1]
    if text[19:20] == "." and text[-1:] == "Z" and digits.isdigit() and digits.isascii():
        moment = seconds * SECOND + int(digits[:9].ljust(9, "0"))  # as nearly all are written
    else:
        fraction, zone = _split_fraction(text[19:])
        moment = (seconds - _offset(zone)) * SECOND + int(fraction[:9].ljust(9, "0"))
    if not 0 <= moment <= MAXIMUM:
        raise ValueError(f"timestamp out of range: {text!r}")
    return moment


def format(moment: int) -> str:  # noqa: A001 - reads as timestamps.format(...)
    """Write a moment as Go's RFC3339Nano does: UTC, the fraction without trailing zeros."""
    seconds, nanoseconds = divmod(moment, SECOND)
    fraction = f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""
    return f"{_written(seconds)}{fraction}Z"


@lru_cache(1024)  # lines that come together were written in the same seconds
def _seconds(text: str) -> int:
    """Seconds since 1970 of ``YYYY-MM-DDTHH:MM:SS``, read as UTC."""
    separators = text[4:5] + text[7:8] + text[10:11].upper() + text[13:14] + text[16:17]
    digits = f"{text[:4]}{text[5:7]}{text[8:10]}{text[11:13]}{text[14:16]}{text[17:]}"
    if separators not in ("--T::", "-- ::") or len(digits) != 14 or not _are_digits(digits):
        raise ValueError(f"not an RFC 3339 timestamp: {text!r}")
    since = datetime.fromisoformat(f"{text[:10]}T{text[11:]}") - _EPOCH
    return since.days * 86_400 + since.seconds


def _are_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


@lru_cache(1024)
def _written(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()


def _split_fraction(text: str) -> tuple[str, str]:
    """``".25+01:00"`` → ``("25", "+01:00")``; no fraction is ``"0"``."""
    if not text.startswith("."):
        return "0", text
    zone = text[1:].lstrip("0123456789")
    digits = text[1 : len(text) - len(zone)]
    if not digits:
        raise ValueError("a point without digits in a timestamp")
    return digits, zone


def _offset(zone: str) -> int:
    """Seconds east of UTC of ``Z`` or ``+HH:MM``."""
    if zone in ("Z", "z"):
        return 0
    hours, minutes = zone[1:3], zone[4:]
    if zone[:1] not in ("+", "-") or zone[3:4] != ":" or len(minutes) != 2:
        raise ValueError(f"a timestamp needs a zone, Z or +HH:MM, not {zone!r}")
    if not (zone.isascii() and hours.isdigit() and minutes.isdigit()):
        raise ValueError(f"a timestamp's zone is Z or +HH:MM, not {zone!r}")
    if hours > "23" or minutes > "59":
        raise ValueError(f"a timestamp's zone is at most 23:59, not {zone!r}")
    seconds = int(hours) * 3600 + int(minutes) * 60
    return -seconds if zone[0] == "-" else seconds
