"""The HTTP request inside a log line: every access log format that is read, behind two functions.

``parse`` reads a line: Apache's and nginx's common and combined formats and what is built on them,
Envoy's and Istio's text, Traefik's, or an access log written as JSON. ``from_fields`` reads the
fields of a JSON access log that a shipper has decoded already. docs/records.md lists the formats.

A status is taken from where the format has it and nowhere else, and every line costs time linear
in its length, whatever a client wrote into it.
"""

from __future__ import annotations

from function.access_log import combined, envoy, json_fields, traefik
from function.access_log.entry import AccessLog
from function.access_log.json_fields import from_fields

__all__ = ["AccessLog", "from_fields", "parse"]


def parse(line: str) -> AccessLog | None:
    """Read an access log line; None where the line is in none of the formats."""
    first = line[:1]
    if first not in ("[", "{") and combined.MARK not in line:
        return None  # nearly every line that is not an access log
    if not line.isascii():
        line = line.encode("utf-8", "replace").decode("utf-8")  # no lone surrogates in any field
    if first == "[":
        return envoy.parse(line) or combined.parse(line)
    if first == "{":
        return json_fields.parse(line) or combined.parse(line)
    return combined.parse(line) or traefik.parse(line)
