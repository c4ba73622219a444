"""The moments at which a log was written, out of the log itself.

Reads what the function reads: Kafka values of Fluent Bit and others, one JSON a line; and text with
a time in it: access logs (``[25/Aug/2021:01:54:36 +0000]``) and lines with an RFC 3339 time.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from function import records
from function.errors import RecordError
from function.formats import timestamps
from function.records import LogRecord
from tuning import traffic
from tuning.traffic import Traffic, TrafficError

_GZIP = b"\x1f\x8b"
_CLF = re.compile(rb"\[(\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4})\]")
_RFC3339 = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_LONGEST = 7 * 86_400.0  # seconds


def read(path: Path) -> Traffic:
    """Traffic with the log's own times, the first of them at 0; raises TrafficError."""
    try:
        data = path.read_bytes()
        if data[:2] == _GZIP:
            data = gzip.decompress(data)
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TrafficError(f"{path}: cannot be read: {reason}") from None
    lines = [line for line in data.splitlines() if line.strip()]
    times = sorted(time for line in lines for time in _times(line))
    if not times:
        raise TrafficError(
            f"{path}: none of its {len(lines)} lines has a time that can be read: want JSON log"
            " records, access log lines, or lines with a time such as 2021-08-25T01:54:37Z"
        )
    if times[-1] - times[0] > _LONGEST:
        raise TrafficError(f"{path}: its times span more than a week: cut out what matters")
    unread = len(lines) - len(times)
    name = path.name if unread <= 0 else f"{path.name} ({unread} lines without a time left out)"
    return traffic.at([time - times[0] for time in times], name)


def _times(line: bytes) -> Iterator[float]:
    """Seconds since 1970 of each record in a line."""
    if line.lstrip()[:1] in (b"{", b"["):
        try:
            found = records.read(line, received=None)
        except RecordError:
            found = []
        moments = [each.time for each in found if isinstance(each, LogRecord)]
        yield from (moment / timestamps.SECOND for moment in moments if moment is not None)
        if found:
            return
    moment = _in_text(line)
    if moment is not None:
        yield moment


def _in_text(line: bytes) -> float | None:
    try:
        if clf := _CLF.search(line):
            text = clf[1].decode("ascii")
            return datetime.strptime(text, "%d/%b/%Y:%H:%M:%S %z").timestamp()
        if rfc := _RFC3339.search(line):
            return timestamps.parse(rfc[0].decode("ascii")) / timestamps.SECOND
    except ValueError:
        return None
    return None
