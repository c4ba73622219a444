"""Envoy's access log as text, and Istio's, which is built on it.

``[2021-08-25T01:54:36.226Z] "GET /path HTTP/1.1" 404 NR ...``: the status is the first token behind
the request, 0 where the client was gone. Envoy escapes nothing, but no method, path or protocol of
a request holds a space, so that the first three tokens are the request whatever is in them.

Behind the status stand flags, in Istio's format a few tokens more, and then four numbers, of which
the second is the bytes sent, and four quoted fields (Envoy, DefaultFormatter in
source/common/formatter/substitution_formatter.cc; Istio, EnvoyTextLogFormat in
pilot/pkg/model/logging.go). A format of the operator's own may end otherwise: only the request and
its status are read then.
"""

from __future__ import annotations

import re

from function.access_log.entry import AccessLog
from function.access_log.request_line import is_method, is_protocol, split_target

_HEAD = re.compile(
    r"\[[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z\] "
    r'"([^ ]+) ([^ ]+) ([^ "]+)" ([0-9]{1,3})(?= |\s*\Z)'
)
# Flags, what Istio adds, bytes received, bytes sent, two durations, X-Forwarded-For, user agent,
# request id, authority, upstream host; then what Istio adds again: cluster, three addresses (the
# last is the client's), server name, route. A quote inside a field makes the line ambiguous.
_REST = re.compile(
    r' [^ ]+(?: [^ ]+ [^ ]+ "[^"]*")?'
    r' [0-9]{1,19} ([0-9]{1,19}) (?:[0-9]+|-) (?:[0-9]+|-) "([^"]*)" "([^"]*)"'
    r' "[^"]*" "[^"]*" "[^"]*"(?: [^ ]+ [^ ]+ [^ ]+ ([^ ]+) [^ ]+ [^ ]+)?\s*'
)


def parse(line: str) -> AccessLog | None:
    """Read a line in one of these formats; None where it is in none."""
    head = _HEAD.match(line)
    if head is None:
        return None
    method, target, protocol, status = head.groups()
    if not is_method(method) or not (protocol == "-" or is_protocol(protocol)):
        return None
    if method == "-":  # no request was understood, or the connection carried none
        path, query, method, protocol = "", "", "", ""
    else:
        path, query = split_target(target)
    rest = _REST.fullmatch(line, head.end())
    size, forwarded, agent, peer = rest.groups() if rest else (None, None, None, None)
    return AccessLog(
        method=method,
        path=path,
        query=query,
        status=int(status),
        protocol=_field(protocol),
        client=client(peer, forwarded),
        user="",
        user_agent=_field(agent),
        referer="",
        bytes=None if size is None else int(size),
    )


def client(peer: str | None, forwarded: str | None) -> str:
    """The client's address, without its port: the connection's, as Envoy made it out.

    Where the format has none, the last address of X-Forwarded-For, which is the one that Envoy
    added; those before it are the client's own claims.
    """
    if _field(peer):
        return host(_field(peer))
    return _field(forwarded).rpartition(",")[2].strip(" ")


def host(address: str) -> str:
    """``10.0.0.1:46520`` → ``10.0.0.1``, ``[::1]:46520`` → ``::1``; others stay as they are."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    name, _, port = address.rpartition(":")
    return name if name and ":" not in name and port.isdigit() else address


def _field(value: str | None) -> str:
    return "" if value is None or value == "-" else value
