"""Log lines as JSON, one object each, on standard error: an event name and its fields."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from function import timestamps

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


def exception(event: str, **fields: Any) -> None:
    """Write an event with the traceback of the exception being handled."""
    _LOGGER.exception(event, extra={"fields": fields})
