"""When a log line was written, from what a record says about it.

docs/decisions/0006-whose-time-a-record-carries.md has the reasons.
"""

from __future__ import annotations

from typing import Any

from function.formats import timestamps
from function.formats.json_text import JSON

MINUTE = 60 * timestamps.SECOND
MILLISECOND = timestamps.SECOND // 1_000
MICROSECOND = timestamps.SECOND // 1_000_000

# The day of Kubernetes' first commit. What is older is not the time of a container's line: a zero,
# an uptime, or a date that an application speaks of.
_EARLIEST = timestamps.parse("2014-06-06T00:00:00Z")
_EARLIEST_SECOND = _EARLIEST // timestamps.SECOND
_LAST_SECOND = timestamps.MAXIMUM // timestamps.SECOND


def written(raw: dict[str, Any], prefix: str | None, received: int | None) -> int | None:
    """When the line was written, in nanoseconds; ``received`` where the record does not tell.

    ``prefix`` is the time in a CRI prefix that was still before the line.

    `time` is the container runtime's, with the nanoseconds, and @timestamp is Fluent Bit's. `time`
    counts where both agree to the microsecond, for some filters write a wrong fraction. It counts,
    too, where Fluent Bit could not read it and @timestamp is the moment when that was noticed:
    @timestamp is over a minute later then, and the line is one that no application's own `time`
    can have come from.
    """
    timestamp = _moment(raw.get("@timestamp"))
    if timestamp is None:
        return _without_timestamp(raw, prefix, received)
    text = raw.get("time")
    if text is None:
        own = None if prefix is None else _moment(prefix)
        return own if own is not None and own < timestamp else timestamp
    time = _moment(text)
    if time is None:
        return timestamp
    later = timestamp - time
    if -MICROSECOND <= later <= MICROSECOND or (later > MINUTE and _is_docker_line(raw)):
        return time
    return timestamp


def _without_timestamp(raw: dict[str, Any], prefix: str | None, received: int | None) -> int | None:
    """The time of a record that is not Fluent Bit's JSON, or whose @timestamp is none.

    A CRI prefix's, Fluentd's `time`, Vector's `timestamp`, GELF's `_time` and `timestamp`.
    """
    if prefix is not None and "time" not in raw:
        own = _moment(prefix)
        if own is not None:
            return own
    for key in ("time", "timestamp"):
        moment = _moment(raw.get(key))
        if moment is not None:
            break
    else:
        moment = received
    if "short_message" in raw:  # GELF has milliseconds; `_time` is what `time` is elsewhere
        finer = _moment(raw.get("_time"))
        if finer is not None and (moment is None or abs(finer - moment) <= MILLISECOND):
            return finer
    return moment


def _is_docker_line(raw: dict[str, Any]) -> bool:
    """Whether `log` is what Docker's JSON file had: text with a newline that is not a JSON object.

    An application writes keys of a record only through Fluent Bit's Merge_Log, which takes them
    from a line that is a JSON object, and trims the newlines of their values.
    """
    log = raw.get("log")
    return isinstance(log, str) and log.endswith("\n") and not log.startswith("{")


def _moment(value: JSON) -> int | None:
    """A time in nanoseconds, from an RFC 3339 text or from seconds since 1970."""
    if isinstance(value, str):
        return _of_text(value)
    if isinstance(value, float) and _EARLIEST_SECOND <= value <= _LAST_SECOND:
        # A double holds microseconds of this century, no more.
        return round(value * 1_000_000) * 1_000
    if isinstance(value, int) and _EARLIEST_SECOND <= value <= _LAST_SECOND:
        return value * timestamps.SECOND
    return None


def _of_text(text: str) -> int | None:
    try:
        moment = timestamps.parse(text)
    except ValueError:
        return None
    return moment if moment >= _EARLIEST else None
