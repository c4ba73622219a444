r"""The HTTP request inside an access log line: Apache's and nginx's common and combined formats.

One anchored RE2 expression, so the status is where the format says and nowhere else, and a line
costs time linear in its length. It takes what is built on combined, too: a leading
``virtual-host:port`` (Apache's vhost_combined) and anything after the user agent (ingress-nginx,
the nginx image's ``main``, Traefik).

Quoted fields hold no bare quote: Apache writes ``\"``, nginx ``\x22``. Both write other bytes as
``\xhh``; these escapes are undone, percent-encoding is not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import re2

_QUOTED = rb'"((?:[^"\\]|\\.)*)"'
_TIME = rb"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"


def _options() -> re2.Options:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1  # bytes in, bytes out: a line may hold anything
    options.dot_nl = True
    options.log_errors = False
    return options


# Nineteen digits are enough for a size, and no more than int() takes.
# A client never starts with a hyphen; with that said, an IPv6 client cannot pass for a host:port.
_LINE = re2.compile(
    rb"(?:[^ ]+:\d+ )?([^ -][^ ]*) - (.*?) "
    + _TIME
    + b" "
    + _QUOTED
    + rb" (\d{3}|-) (\d{1,19}|-)(?: "
    + _QUOTED
    + b" "
    + _QUOTED
    + rb"(?: .*)?)?\s*",
    _options(),
)
# The expressions below see single fields that RE2 has cut out, and cannot backtrack.
_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_CONTROL = {b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b"f": b"\f"}
_METHOD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 §5.6.2, token
_PROTOCOL = re.compile(r"HTTP/[0-9]+(?:\.[0-9]+)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AccessLog:
    """One request as a web server logged it.

    ``path`` is what the client asked for, without the query and not percent-decoded: the path of
    an absolute URI, ``*`` of ``OPTIONS *``, ``host:port`` of CONNECT. ``query`` has no question
    mark. ``method``, ``path`` and ``protocol`` are empty where the client sent no request line,
    ``protocol`` also under HTTP/0.9. A field logged as ``-`` is empty; ``status`` and ``bytes``
    are None then.
    """

    method: str
    path: str
    query: str
    status: int | None
    protocol: str
    client: str
    user: str
    user_agent: str
    referer: str
    bytes: int | None


def parse(line: str) -> AccessLog | None:
    """Read an access log line; None where the line is in none of the formats."""
    match = _LINE.fullmatch(line.encode("utf-8", "replace"))
    if match is None:
        return None
    client, user, request, status, size, referer, user_agent = match.groups()
    method, path, query, protocol = _request(_text(request))
    return AccessLog(
        method=method,
        path=path,
        query=query,
        status=_number(status),
        protocol=protocol,
        client=_text(client),
        user=_text(user),
        user_agent=_text(user_agent),
        referer=_text(referer),
        bytes=_number(size),
    )


def _number(digits: bytes) -> int | None:
    return None if digits == b"-" else int(digits)


def _text(field: bytes | None) -> str:
    """Undo the log's escapes; ``-`` and a field that the format lacks are empty."""
    if field is None or field == b"-":
        return ""
    if b"\\" in field:
        field = _ESCAPE.sub(_unescaped, field)
    return field.decode("utf-8", "replace")


def _unescaped(match: re.Match[bytes]) -> bytes:
    code, character = match.groups()
    if code is not None:
        return bytes.fromhex(code.decode())
    return _CONTROL.get(character, character)


def _request(line: str) -> tuple[str, str, str, str]:
    """A request line → method, path, query, protocol; all empty where it is none."""
    method, _, rest = line.strip(" ").partition(" ")
    if not rest or not _METHOD.fullmatch(method):
        return "", "", "", ""
    target, _, protocol = rest.rpartition(" ")
    if not _PROTOCOL.fullmatch(protocol):
        target, protocol = rest, ""
    path, _, query = _origin_form(target.strip(" ")).partition("?")
    return method, path, query, protocol


def _origin_form(target: str) -> str:
    """``http://host/path?query`` → ``/path?query``; other targets stay as they are."""
    scheme, separator, rest = target.partition("://")
    if not separator or not scheme.isalpha():
        return target
    authority_end = min((rest + "/").find("/"), (rest + "?").find("?"))
    path = rest[authority_end:]
    return path if path.startswith("/") else "/" + path
