"""Traefik's common log format, where what a client sent breaks it.

``client - user [time] "request" status bytes "referer" "user agent" count "router" "server" 0ms``
is combined with more behind, but Traefik escapes nothing (pkg/middlewares/accesslog,
logger_formatters.go): a quote in a user agent, and no reader of combined knows where it ends. A
client could hide its requests so. This takes such a line from both of its ends, between which the
client's two headers are left; no method, target or protocol that Traefik accepts over HTTP/1 holds
a space.
"""

from __future__ import annotations

import re

from function.access_log.combined import first_time, is_quoted, origin
from function.access_log.entry import AccessLog
from function.access_log.request_line import is_method, is_protocol, split_target

_START = re.compile(r'"([^ ]+) ([^ ]+) ([^ "]+)" ([0-9]{3}|-) ([0-9]{1,19}|-) (?=["-])')
_END = re.compile(r'(?:[0-9]+|-) (?:"[^" ]*"|-) (?:"[^" ]*"|-) [0-9]+ms')


def parse(line: str) -> AccessLog | None:
    """Read a line in this format; None where it is none."""
    line = line.rstrip()
    rest = line.rsplit(" ", 4) if line.endswith("ms") else ()
    if len(rest) < 5 or not _END.fullmatch(line, len(rest[0]) + 1):
        return None
    found, time = origin(line), first_time(line)
    if found is None or time is None:
        return None
    (client, user), (user_end, request) = found, time
    start = _START.match(line, request)
    if start is None or user > user_end or start.end() > len(rest[0]):
        return None
    if is_quoted(client, line[user:user_end]):
        return None
    method, target, protocol, status, size = start.groups()
    if not (is_method(method) and is_protocol(protocol)):
        return None
    path, query = split_target(target)
    referer, agent = _headers(line[start.end() : len(rest[0])])
    return AccessLog(
        method=method,
        path=path,
        query=query,
        status=None if status == "-" else int(status),
        protocol=protocol,
        client=_text(client),
        user=_text(line[user:user_end]),
        user_agent=agent,
        referer=referer,
        bytes=None if size == "-" else int(size),
    )


def _headers(text: str) -> tuple[str, str]:
    """``"referer" "user agent"``; empty where quotes inside leave open which is which."""
    parts = text.split('" "')
    if len(parts) != 2 or not (text.startswith('"') and text.endswith('"')):
        return "", ""
    return _text(parts[0][1:]), _text(parts[1][:-1])


def _text(field: str) -> str:
    return "" if field == "-" else field
