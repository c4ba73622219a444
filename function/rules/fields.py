"""The fields of a log record that rules and templates can name.

Reading a field gives its text, or None where a matcher on it cannot hold at all: an access log
field of a line that is not one, `log` of a record without text. Metadata that a record lacks
is the empty text, as an absent label is in Prometheus.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any

from function.access_log import AccessLog
from function.records import LogRecord

METADATA = ("namespace", "pod", "container", "image", "node")
ACCESS_LOG = AccessLog._fields
_NO_REQUEST = ("",) * len(ACCESS_LOG)
NUMERIC = frozenset({"status", "bytes"})
NAMES = (*METADATA, "log", *ACCESS_LOG)

# A path into the record: record.log_processed.level, record.kubernetes.labels."app.io/name"
_SEGMENT = r'(?:[A-Za-z_@][A-Za-z0-9_@-]*|"[^"]+")'
PATH = re.compile(rf"record(?:\.{_SEGMENT})+")
_SEGMENTS = re.compile(rf"\.({_SEGMENT})")

# What reading costs, cheapest first: matchers are tried in this order, so that most records are
# turned away before their line is looked at.
_METADATA_COST, _PATH_COST, _LOG_COST, _ACCESS_LOG_COST = range(4)


@dataclass(frozen=True, slots=True)
class Field:
    """One field: ``read`` gives its text, or None where no matcher on it can hold."""

    name: str
    read: Callable[[LogRecord], str | None]
    cost: int

    @property
    def numeric(self) -> bool:
        """Whether ``=`` and ``!=`` compare numbers."""
        return self.name in NUMERIC

    @property
    def repeats(self) -> bool:
        """Whether many records have the same value."""
        return self.name in METADATA


@lru_cache
def field(name: str) -> Field | None:
    """The field of that name or path; None where there is none."""
    if name in METADATA:
        return Field(name, attrgetter(name), _METADATA_COST)
    if name == "log":
        return Field(name, attrgetter("log"), _LOG_COST)
    if name in ACCESS_LOG:
        return Field(name, _access_log_reader(name), _ACCESS_LOG_COST)
    if PATH.fullmatch(name):
        return Field(name, _path_reader(name), _PATH_COST)
    return None


def values(record: LogRecord) -> dict[str, Any]:
    """All fields of a record by name, for templates; what it lacks is the empty text."""
    found: dict[str, Any] = {
        "namespace": record.namespace,
        "pod": record.pod,
        "container": record.container,
        "image": record.image,
        "node": record.node,
        "log": record.log or "",
        "record": record.raw,
    }
    request = record.access_log or _NO_REQUEST
    found.update(zip(ACCESS_LOG, request, strict=True))
    if None in request:
        found.update({name: "" for name in ACCESS_LOG if found[name] is None})
    return found


def _access_log_reader(name: str) -> Callable[[LogRecord], str | None]:
    read: Callable[[AccessLog], str | int | None] = attrgetter(name)

    def reader(record: LogRecord) -> str | None:
        request = record.access_log
        if request is None:
            return None
        value = read(request)
        return None if value is None else str(value)

    return reader


def _path_reader(path: str) -> Callable[[LogRecord], str | None]:
    keys = [segment.strip('"') for segment in _SEGMENTS.findall(path)]

    def reader(record: LogRecord) -> str | None:
        value: Any = record.raw
        for key in keys:
            if not isinstance(value, Mapping) or key not in value:
                return ""
            value = value[key]
        return _as_text(value)

    return reader


def _as_text(value: Any) -> str:
    """A JSON value as a matcher sees it: texts as they are, null as absent, the rest as JSON.

    What is nested too deeply to be written is absent, too.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    try:  # a date is not JSON, but YAML reads one in a rule's own tests
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    except RecursionError:
        return ""
