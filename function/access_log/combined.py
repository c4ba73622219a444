r"""Apache's and nginx's common and combined access log formats, and what is built on them.

``client - user [time] "request" status bytes "referer" "user agent"``, the last two only in
combined. A virtual host in front (Apache's vhost_combined) and anything behind (ingress-nginx, the
nginx image's ``main``, Traefik) are fine.

Quoted fields hold no bare quote: Apache writes ``\"``, nginx ``\x22``. A line that is not plain
(plain.py) is walked once, from one searched mark to the next, so that its cost is linear in its
length; the expressions below are as long as what they match and have nothing to go back to.
"""

from __future__ import annotations

import re

from function.access_log import plain
from function.access_log.entry import AccessLog
from function.access_log.request_line import read, unescaped

MARK = '] "'  # between time and request

_TIME = re.compile(plain.TIME + '"')
_TIME_LENGTH = len(" [22/Nov/2026:11:56:45 +0000")

# Nineteen digits are enough for a size, and no more than int() takes.
_NUMBERS = re.compile(r'" ([0-9]{3}|-) ([0-9]{1,19}|-)( ")?')

Fields = tuple[str, str, str, str, str]  # request, status, bytes, referer, user agent

_SPACE = "\t\n\f\r "
_ADDRESS = re.compile(r"[0-9A-Fa-f*]*[.:][0-9A-Fa-f.:*]*(?:%[^ ]*)?")


def parse(line: str) -> AccessLog | None:
    """Read a line in one of these formats; None where it is in none."""
    return plain.parse(line) or scan(line)


def scan(line: str) -> AccessLog | None:
    """Read a line, plain or not.

    The request is the first one that stands behind a time and has the rest of the line behind it.
    A user name may hold such a time, but its quotes are escaped, so that no request can follow.
    """
    line = line.rstrip(_SPACE)
    start = None
    mark = line.find(MARK)
    while mark >= 0:
        time = mark - _TIME_LENGTH
        if time > 0 and _TIME.match(line, time):
            start = start or origin(line)
            if start is None:
                return None
            client, user = start
            fields = _fields(line, mark + len(MARK)) if time >= user else None
            if fields is not None:
                return _entry(client, line[user:time], fields)
        mark = line.find(MARK, mark + 1)
    return None


def origin(line: str) -> tuple[str, int] | None:
    """The client, and where the user begins: behind ``client - ``, ``virtual-host:port client - ``.

    A client behind a virtual host never starts with a hyphen; with that said, an IPv6 client
    cannot pass for a host and port.
    """
    space = line.find(" ")
    client = line[:space]
    if line.startswith(" - ", space):
        return (client, space + 3) if client == "-" or client[:1] not in ("", "-") else None
    host, _, port = client.rpartition(":")
    if not (host and port.isascii() and port.isdigit()):
        return None
    end = line.find(" ", space + 1)
    client = line[space + 1 : end]
    if client[:1] in ("", "-") or not line.startswith(" - ", end):
        return None
    return client, end + 3


def first_time(line: str) -> tuple[int, int] | None:
    """Where the user ends and where the request's first quote stands: around the first time."""
    mark = line.find(MARK)
    while mark >= 0:
        time = mark - _TIME_LENGTH
        if time > 0 and _TIME.match(line, time):
            return time, mark + len(MARK) - 1
        mark = line.find(MARK, mark + 1)
    return None


def _fields(line: str, start: int) -> Fields | None:
    """What stands behind the request's first quote."""
    close = _closing_quote(line, start)
    numbers = _NUMBERS.match(line, close) if close >= 0 else None
    if numbers is None:
        return None
    status, size, more = numbers.groups()
    if more is None:
        return (line[start:close], status, size, "", "") if numbers.end() == len(line) else None
    referer = numbers.end()
    referer_close = _closing_quote(line, referer)
    if referer_close < 0 or not line.startswith('" "', referer_close):
        return None
    agent = referer_close + 3
    agent_close = _closing_quote(line, agent)
    if agent_close < 0 or line[agent_close + 1 : agent_close + 2] not in ("", " "):
        return None
    return line[start:close], status, size, line[referer:referer_close], line[agent:agent_close]


def _closing_quote(line: str, start: int) -> int:
    """Where the quoted field that starts there ends; -1 where it does not."""
    quote = line.find('"', start)
    while quote > start and line[quote - 1] == "\\":
        before = line[start:quote]
        if (len(before) - len(before.rstrip("\\"))) % 2 == 0:
            break
        start = quote + 1  # an escaped quote; what lies before it is not looked at again
        quote = line.find('"', start)
    return quote


def _entry(client: str, user: str, fields: Fields) -> AccessLog | None:
    if is_quoted(client, user):
        return None
    request, status, size, referer, agent = fields
    method, path, query, protocol = read(unescaped(request) if "\\" in request else request)
    return AccessLog(
        method,
        path,
        query,
        None if status == "-" else int(status),
        protocol,
        _text(client),
        _text(user),
        _text(agent),
        _text(referer),
        None if size == "-" else int(size),
    )


def is_quoted(client: str, user: str) -> bool:
    """Whether another program repeats the line: ``app.main - INFO - 10.0.0.1 - - [...``.

    The program then stands where the client would. A user name may hold `` - ``, too, so that it
    is believed behind an address.
    """
    return " - " in user and not _ADDRESS.fullmatch(client)


def _text(field: str) -> str:
    if field == "-":
        return ""
    return unescaped(field) if "\\" in field else field
