r"""Nearly every line of an access log, read by one expression; combined.py reads all lines.

In a plain line nothing is escaped, the client comes first, its user has no spaces, and it asked for
a path. Reading that takes half of the time.
"""

from __future__ import annotations

import re

from function.access_log.entry import AccessLog

TIME = r" \[[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{4}\] "

# Linear in the line's length: no part can match what the part behind it begins with. Nineteen
# digits are enough for a size, and no more than int() takes.
_LINE = re.compile(
    r"([^ \\-][^ \\]*) - ([^ \\]*)"  # client, user
    + TIME
    + r'"([A-Z]+) (/[^ "\\?]*)(?:\?([^ "\\]*))? (HTTP/[0-9]+(?:\.[0-9]+)?)"'
    + r' ([0-9]{3}) ([0-9]{1,19})(?: "([^"\\]*)" "([^"\\]*)"(?: .*)?)?',  # referer, user agent
    re.DOTALL,
)


def parse(line: str) -> AccessLog | None:
    """Read a plain line; None for any other."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    groups = found.groups("")
    client, user, method, path, query, protocol, status, size, referer, user_agent = groups
    return AccessLog(
        method,
        path,
        query,
        int(status),
        protocol,
        client,
        "" if user == "-" else user,
        "" if user_agent == "-" else user_agent,
        "" if referer == "-" else referer,
        int(size),
    )
