r"""A request line, ``GET /path?query HTTP/1.1``, and the escapes that web servers log it with."""

from __future__ import annotations

import re

_METHOD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 §5.6.2, token
_PROTOCOL = re.compile(r"HTTP/[0-9]+(?:\.[0-9]+)?", re.IGNORECASE)

# What nearly all requests are made of: known by a lookup, without an expression.
_METHODS = frozenset({"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"})
_PROTOCOLS = frozenset({"HTTP/1.1", "HTTP/2.0", "HTTP/1.0", "HTTP/2", "HTTP/3.0", "HTTP/3"})

# A run of escaped bytes is one match: clients that send one such byte send many.
_ESCAPES = re.compile(rb"((?:\\x[0-9A-Fa-f]{2})+)|\\(.)", re.DOTALL)
_CONTROL = {b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b"f": b"\f"}


def read(line: str) -> tuple[str, str, str, str]:
    """A request line → method, path, query, protocol; all empty where it is none."""
    tokens = line.split(" ", 3)
    if len(tokens) == 3 and tokens[0] in _METHODS and tokens[2] in _PROTOCOLS and tokens[1]:
        path, query = split_target(tokens[1])
        return tokens[0], path, query, tokens[2]
    method, _, rest = line.strip(" ").partition(" ")
    if not rest or not is_method(method):
        return "", "", "", ""
    target, _, protocol = rest.rpartition(" ")
    if not is_protocol(protocol):
        target, protocol = rest, ""
    path, query = split_target(target.strip(" "))
    return method, path, query, protocol


def is_method(text: str) -> bool:
    """Whether a request may begin with this; HTTP lets a client make up methods."""
    return text in _METHODS or _METHOD.fullmatch(text) is not None


def is_protocol(text: str) -> bool:
    """Whether this is ``HTTP/`` and a version, in capitals or not."""
    return text in _PROTOCOLS or _PROTOCOL.fullmatch(text) is not None


def split_target(target: str) -> tuple[str, str]:
    """A request target → path and query; of an absolute URI, ``http://host/path``, the path."""
    if not target.startswith("/"):
        target = _origin_form(target)
    path, _, query = target.partition("?")
    return path, query


def unescaped(field: str) -> str:
    r"""Undo the escapes of Apache (``\"``, ``\\``, ``\t``, ``\xhh``) and nginx (``\xHH``).

    Bytes that are not UTF-8 become U+FFFD. Mirrors ap_escape_logitem in Apache's server/util.c and
    ngx_http_log_escape in nginx's src/http/modules/ngx_http_log_module.c.
    """
    return _ESCAPES.sub(_unescaped, field.encode()).decode("utf-8", "replace")


def _unescaped(match: re.Match[bytes]) -> bytes:
    codes, character = match.groups()
    if codes is not None:
        return bytes.fromhex(codes.replace(b"\\x", b"").decode())
    return _CONTROL.get(character, character)


def _origin_form(target: str) -> str:
    """``http://host/path?query`` → ``/path?query``; other targets stay as they are."""
    scheme, separator, rest = target.partition("://")
    if not separator or not scheme.isalpha():
        return target
    authority_end = min((rest + "/").find("/"), (rest + "?").find("?"))
    path = rest[authority_end:]
    return path if path.startswith("/") else "/" + path
