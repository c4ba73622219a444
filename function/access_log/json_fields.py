r"""Access logs that are written as JSON: Envoy's and Istio's, Traefik's, nginx's.

There is no standard for them: an operator names the keys. Known are the names that servers use by
themselves (Envoy, Traefik) or that their documentation shows (nginx, ingress-nginx, Istio). A
schema is recognised by its status key together with a key for the request, because ``status`` alone
stands in many a log that is none of a web server.

- Envoy, Istio: ``response_code``, and ``method``, which may be null where there was no request.
- Traefik: ``DownstreamStatus``, what the client got, and ``RequestLine`` or ``RequestMethod``.
  ``OriginStatus``, what the backend said, is never looked at.
- nginx: ``status``, and ``request``, the whole line, or a method and ``request_uri`` or ``uri``. A
  ``request`` that is not a request line, and a ``path`` or ``url``, count only beside a variable of
  nginx's like ``remote_addr``: clients do send garbage, but other programs mean other things by
  these words, and a program that calls another one logs its method, path and status.

The whole request line wins over method and path in keys of their own, which nginx writes decoded
and rewritten. A key may be missing, its value a number, a text, ``-`` or null.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import function.access_log.request_line as http
from function.access_log import envoy
from function.access_log.entry import AccessLog
from function.formats import json_text

# Where a line holds none of these, it need not be decoded.
_STATUS_KEYS = ('"status"', '"response_code"', '"DownstreamStatus"')

_BYTES = 10**19  # sizes are below

_ENVOY_PATH = (
    "x_envoy_original_path",
    "x-envoy-original-path",
    "x_envoy_origin_path",
    "x-envoy-origin-path",
    "path",
    ":path",
)
_NGINX_URI = ("request_uri", "uri")
_NGINX_PATH = ("request_uri", "path", "uri", "url", "request")  # where a variable stands beside it
_NGINX_QUERY = ("query_string", "args", "request_query", "query")
_NGINX_PROTOCOL = ("server_protocol", "request_proto", "protocol")
_NGINX_CLIENT = ("remote_addr", "client_ip", "client", "remote_ip")
_NGINX_SIZE = ("body_bytes_sent", "bytes_sent", "bytes", "size")
_USER_AGENT = ("http_user_agent", "user_agent", "user-agent", "userAgent", "ua", "agent")
_REFERER = ("http_referer", "http_referrer", "referer", "referrer")
# Variables that nobody but nginx names so.
_NGINX = frozenset(
    {
        *("remote_addr", "remote_user", "time_local", "time_iso8601", "body_bytes_sent"),
        *("request_length", "request_time", "http_user_agent", "http_referer", "http_referrer"),
        *("upstream_addr", "upstream_status", "upstream_response_time"),
    }
)

# What servers write into text that is meant to be JSON, although JSON has no such escapes:
# Apache's LogFormat, nginx's log_format without escape=json.
_NOT_JSON = re.compile(r"((?:\\x[0-9A-Fa-f]{2})+)|\\.", re.DOTALL)


def parse(line: str) -> AccessLog | None:
    """Read a line that is a JSON object; None where it is none, or no access log."""
    if not any(key in line for key in _STATUS_KEYS):
        return None
    fields = _object(line)
    return None if fields is None else from_fields(fields)


def from_fields(fields: Mapping[str, Any]) -> AccessLog | None:
    """Read the fields of a decoded access log; None where they are none of one."""
    if "response_code" in fields and ("method" in fields or ":method" in fields):
        return _envoy(fields, _status(fields["response_code"]))
    if "DownstreamStatus" in fields:
        return _traefik(fields, _status(fields["DownstreamStatus"]))
    if "status" in fields:
        return _nginx(fields, _status(fields["status"]))
    return None


def _object(line: str) -> dict[str, Any] | None:
    try:
        value = json_text.loads(line.encode())
    except json_text.NotJSON:
        if "\\x" not in line and "\\v" not in line:
            return None
        try:
            value = json_text.loads(_NOT_JSON.sub(_as_json, line).encode())
        except json_text.NotJSON:
            return None
    return value if isinstance(value, dict) else None


def _as_json(match: re.Match[str]) -> str:
    r"""``\xc3\xa9`` → ``é`` and ``\v`` → a vertical tab, as JSON writes them."""
    if match[1] is None:
        return "\\u000b" if match[0] == "\\v" else match[0]
    return "".join(
        f"\\u{ord(character):04x}" if character < " " or character in '"\\' else character
        for character in http.unescaped(match[0])
    )


def _envoy(fields: Mapping[str, Any], status: int | None) -> AccessLog | None:
    if status is None:
        return None
    method = _text(fields, ("method", ":method"))
    path, query = http.split_target(_text(fields, _ENVOY_PATH)) if method else ("", "")
    return AccessLog(
        method=method,
        path=path,
        query=query,
        status=status,
        protocol=_text(fields, ("protocol",)) if method else "",
        client=envoy.client(
            _text(fields, ("downstream_remote_address",)),
            _text(fields, ("x_forwarded_for", "x-forwarded-for")),
        ),
        user="",
        user_agent=_text(fields, _USER_AGENT),
        referer=_text(fields, _REFERER),
        bytes=_size(fields, ("bytes_sent",)),
    )


def _traefik(fields: Mapping[str, Any], status: int | None) -> AccessLog | None:
    line, method = fields.get("RequestLine"), _text(fields, ("RequestMethod",))
    if status is None or not (isinstance(line, str) or method):
        return None
    asked = http.read(line) if isinstance(line, str) else ("", "", "", "")
    if not asked[0]:
        path, query = http.split_target(_text(fields, ("RequestPath",)))
        asked = (method, path, query, _text(fields, ("RequestProtocol",)))
    return AccessLog(
        *asked[:3],
        status=status,
        protocol=asked[3],
        client=_text(fields, ("ClientHost",)) or envoy.host(_text(fields, ("ClientAddr",))),
        user=_text(fields, ("ClientUsername",)),
        user_agent=_text(fields, ("request_User-Agent",)),
        referer=_text(fields, ("request_Referer",)),
        bytes=_size(fields, ("DownstreamContentSize",)),
    )


def _nginx(fields: Mapping[str, Any], status: int | None) -> AccessLog | None:
    asked = None if status is None else _asked_of_nginx(fields)
    if asked is None:
        return None
    return AccessLog(
        *asked[:3],
        status=status,
        protocol=asked[3],
        client=_text(fields, _NGINX_CLIENT),
        user=_text(fields, ("remote_user",)),
        user_agent=_text(fields, _USER_AGENT),
        referer=_text(fields, _REFERER),
        bytes=_size(fields, _NGINX_SIZE),
    )


def _asked_of_nginx(fields: Mapping[str, Any]) -> tuple[str, str, str, str] | None:
    """Method, path, query and protocol; None where no key can be trusted to be a request."""
    line = fields.get("request")
    is_nginx = not _NGINX.isdisjoint(fields)
    asked = None
    if isinstance(line, str):
        asked = http.read(line)
        if asked[3] or (is_nginx and not line.startswith("/")):
            return asked  # a bare path is not a request line but Apache's %U
    method = _text(fields, ("request_method", "method"))
    target = _text(fields, _NGINX_PATH if is_nginx else _NGINX_URI)
    if http.is_method(method) and _is_target(target, method):
        path, query = http.split_target(target)
        query = query or _text(fields, _NGINX_QUERY).removeprefix("?")
        return method, path, query, _text(fields, _NGINX_PROTOCOL)
    return asked if is_nginx else None


def _is_target(text: str, method: str) -> bool:
    """Whether a request can ask for this: RFC 9112 §3.2 knows four forms."""
    return text.startswith("/") or text == "*" or "://" in text or method == "CONNECT"


def _status(value: object) -> int | None:
    """A status: 100 to 999, or 0 for none; as a number, a whole double or a text."""
    if isinstance(value, str):
        if not (1 <= len(value) <= 3 and value.isascii() and value.isdigit()):
            return None
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if value == 0 or (100 <= value <= 999 and value == int(value)) else None


def _size(fields: Mapping[str, Any], keys: tuple[str, ...]) -> int | None:
    """A number of bytes; None where the keys hold none."""
    for key in keys:
        value = fields.get(key)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if 0 <= value < _BYTES and value == int(value):
            return int(value)
    return None


def _text(fields: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    """The first of the keys that says something."""
    for key in keys:
        value = fields.get(key)
        if isinstance(value, str) and value and value != "-":
            return value
    return ""
