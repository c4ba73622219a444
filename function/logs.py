"""Log lines as JSON, one object each, on standard error: an event name and its fields."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Hashable
from threading import Lock
from typing import Any

from function.formats import timestamps

_LOGGER = logging.getLogger("function")


class JSONFormatter(logging.Formatter):
    """A log record as one line of JSON: time, level, event, and the event's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the line; a traceback, where there is one, becomes a field."""
        line = {
            "time": timestamps.format(int(record.created * 1_000) * 1_000_000),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure(level: str) -> None:
    """Send this package's log lines to standard error from ``level`` (``info``) up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONFormatter())
    _LOGGER.handlers = [handler]
    _LOGGER.setLevel(level.upper())
    _LOGGER.propagate = False
    # It writes whole URLs, and a receiver's may be a secret.
    logging.getLogger("urllib3").propagate = False


def log(level: int, event: str, **fields: Any) -> None:
    """Write one event, ``log(logging.WARNING, "delivery_failed", reason="timeout")``."""
    _LOGGER.log(level, event, extra={"fields": fields})


def log_limited(level: int, event: str, **fields: Any) -> None:
    """Write an event, but at most once a second for each kind of it, and how many were left out.

    What the function logs is shipped, too, and may come back to it as a record: a line for each
    refusal could feed itself for ever.
    """
    left_out = _limiter.left_out((event, *(fields.get(name) for name in _KINDS)))
    if left_out is None:
        return
    if left_out:
        fields["left_out"] = left_out
    log(level, event, **fields)


_KINDS = ("status", "reason", "receiver", "address")  # fields with few values


class _Limiter:
    """When each kind of line may be written again, and how many were not since the last one."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._next: dict[Hashable, float] = {}
        self._left_out: Counter[Hashable] = Counter()

    def left_out(self, kind: Hashable) -> int | None:
        """How many lines of a kind were left out before this one; None: leave it out as well."""
        now = time.monotonic()
        with self._lock:
            if now < self._next.get(kind, 0):
                self._left_out[kind] += 1
                return None
            self._next[kind] = now + 1
            return self._left_out.pop(kind, 0)


_limiter = _Limiter()


def exception(event: str, **fields: Any) -> None:
    """Write an event with the traceback of the exception being handled, at most once a second."""
    left_out = _limiter.left_out((event, *fields.values()))
    if left_out is not None:
        _LOGGER.exception(event, extra={"fields": {**fields, "left_out": left_out}})
