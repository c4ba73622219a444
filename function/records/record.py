"""One log line and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from function.access_log import AccessLog, from_fields
from function.access_log import parse as parse_access_log

# Where a shipper that decodes JSON lines puts the fields: Fluent Bit under the usual Merge_Log_Key,
# OpenShift, anything that puts the decoded line in the text's own place, an OTLP body.
_DECODED = ("log_processed", "structured", "log", "message", "body")


@dataclass(slots=True)  # frozen, it would take four times as long to make
class LogRecord:
    """One log line and where it came from.

    ``log`` is the line without its newline and without a CRI prefix; None where the record holds
    no text. ``time`` is in nanoseconds since 1970, None where nothing tells. The other fields are
    empty where the shipper did not say. ``raw`` is the whole record.
    """

    log: str | None
    time: int | None
    namespace: str
    pod: str
    container: str
    image: str
    node: str
    labels: Mapping[str, Any]
    raw: Mapping[str, Any]
    _access_log: AccessLog | None = field(default=None, init=False, repr=False, compare=False)
    _is_read: bool = field(default=False, init=False, repr=False, compare=False)

    @property
    def access_log(self) -> AccessLog | None:
        """The HTTP request that the record reports, looked for when first asked for.

        In the line, else in the fields of a JSON line that the shipper has decoded: under a key
        of their own, or at the record's top level (Fluent Bit, Merge_Log without Merge_Log_Key).
        """
        # By hand, because functools.cached_property of Python before 3.12 holds one lock for all
        # records, at which the threads of a busy pod queue.
        if not self._is_read:
            self._access_log = self._find_access_log()
            self._is_read = True  # last: another thread may look
        return self._access_log

    def _find_access_log(self) -> AccessLog | None:
        if self.log is not None:
            found = parse_access_log(self.log)
            if found is not None:
                return found
        for key in _DECODED:
            fields = self.raw.get(key)
            if isinstance(fields, dict):
                found = from_fields(fields)
                if found is not None:
                    return found
        return from_fields(self.raw)
