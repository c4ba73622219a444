"""The body of Alertmanager's POST /api/v2/alerts: a JSON array, read and validated as in Go.

Mirrors prometheus/alertmanager api/v2 (go-openapi's generated models and their validation),
version 0.25.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.receivers.go_json import BrokenJsonError, fields, first_document, kind
from local.receivers.go_time import (
    LOCAL,
    MINUTES,
    MINUTES_Z,
    RFC3339,
    SORTABLE,
    GoTimeError,
    parse,
)

ZERO_TIME = parse("0001-01-01T00:00:00Z", RFC3339)
_LAYOUTS = (RFC3339, LOCAL, MINUTES_Z, MINUTES, SORTABLE)  # go-openapi/strfmt's, in its order
_URI = re.compile(r"/|[a-zA-Z][a-zA-Z0-9+.-]*:")
_ANONYMOUS = (
    'struct { Annotations models.LabelSet "json:\\"annotations,omitempty\\""; '
    'EndsAt strfmt.DateTime "json:\\"endsAt,omitempty\\""; '
    'StartsAt strfmt.DateTime "json:\\"startsAt,omitempty\\"" }'
)


class RefusedBodyError(ValueError):
    """The body is refused as a whole; `status` is HTTP's, `code` is go-openapi's."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class CrashError(Exception):
    """Alertmanager's handler panics on this body and closes the connection."""


@dataclass(frozen=True, slots=True)
class PostableAlert:
    """One alert as posted; times in nanoseconds since 1970, ZERO_TIME where there is none."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: int
    ends_at: int
    generator_url: str
    sent_starts_at: str
    sent_ends_at: str


def postable_alerts(body: bytes) -> list[PostableAlert]:
    """The alerts of the body. Raises RefusedBodyError or CrashError."""
    if not body.strip():
        raise RefusedBodyError(422, 602, "alerts in body is required")
    try:
        documents = _documents(body)
        decoded = [_decode(each) for each in documents]
    except ValueError as error:
        message = f'parsing alerts body from "" failed, because {error}'
        raise RefusedBodyError(400, 400, message) from error
    return [_validated(position, each) for position, each in enumerate(decoded)]


def _documents(body: bytes) -> list[Any]:
    try:
        found = first_document(body)
    except BrokenJsonError as error:
        if not error.at:
            raise ValueError("unexpected EOF") from error
        raise ValueError(
            f"invalid character '{error.at}' looking for beginning of value"
        ) from error
    if found is None:
        return []
    if not isinstance(found, list):
        raise _mismatch(found, "value of type models.PostableAlerts")
    return found


def _decode(sent: Any) -> dict[str, Any]:
    if sent is None:
        raise CrashError
    if not isinstance(sent, dict):
        raise _mismatch(sent, f"value of type {_ANONYMOUS}")
    found = fields(sent)
    return {
        "annotations": _strings(found.get("annotations"), ".annotations"),
        "endsat": (_string(found.get("endsat"), ".endsAt"), _time(found.get("endsat"))),
        "startsat": (_string(found.get("startsat"), ".startsAt"), _time(found.get("startsat"))),
        "generatorurl": _string(found.get("generatorurl"), "Alert.generatorURL"),
        "labels": _strings(found.get("labels"), "Alert.labels"),
    }


def _validated(position: int, found: dict[str, Any]) -> PostableAlert:
    url = found["generatorurl"]
    if url and not _URI.match(url):
        message = f'{position}.generatorURL in body must be of type uri: "{url}"'
        raise RefusedBodyError(422, 601, message)
    if found["labels"] is None:
        raise RefusedBodyError(422, 602, f"{position}.labels in body is required")
    (sent_start, start), (sent_end, end) = found["startsat"], found["endsat"]
    annotations = found["annotations"] or {}
    return PostableAlert(found["labels"], annotations, start, end, url, sent_start, sent_end)


def _strings(sent: Any, field: str) -> dict[str, str] | None:
    if sent is None:
        return None
    if not isinstance(sent, dict):
        raise _mismatch(sent, f"struct field {field} of type models.LabelSet")
    return {name: _string(value, field) for name, value in sent.items()}


def _string(sent: Any, field: str) -> str:
    if sent is None:
        return ""
    if not isinstance(sent, str):
        raise _mismatch(sent, f"struct field {field} of type string")
    return _valid(sent)


def _valid(text: str) -> str:
    """Go strings hold no lone surrogates: its decoder puts U+FFFD in their place."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _time(sent: str | None) -> int:
    """The first layout that fits, else the last one's complaint; "" is 1970, null no time."""
    if sent is None:
        return ZERO_TIME
    if not sent:
        return 0
    for layout in _LAYOUTS[:-1]:
        try:
            return parse(sent, layout)
        except GoTimeError:
            continue
    return parse(sent, _LAYOUTS[-1])


def _mismatch(sent: Any, target: str) -> ValueError:
    return ValueError(f"json: cannot unmarshal {kind(sent)} into Go {target}")
