"""Prometheus Alertmanager's side of /api/v2/alerts, as version 0.25 answers.

Mirrors prometheus/alertmanager api/v2/api.go and types/types.go (Merge), and prometheus/common
model (Validate, Fingerprint). Routes, silences and filters are left out.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from local.receivers.alertmanager_body import (
    ZERO_TIME,
    CrashError,
    PostableAlert,
    RefusedBodyError,
    postable_alerts,
)
from local.receivers.go_json import encode
from local.receivers.go_time import SECOND, rfc3339_milliseconds
from local.receivers.http_messages import Alert, Answer, Request

PATH = "/api/v2/alerts"
RESOLVE_TIMEOUT = 300 * SECOND  # global.resolve_timeout, for alerts without an end
_JSON = "application/json"
_NAME = re.compile("[a-zA-Z_][a-zA-Z0-9_]*")
_FNV_OFFSET, _FNV_PRIME = 14695981039346656037, 1099511628211


@dataclass(frozen=True, slots=True)
class Stored:
    """An alert, times in nanoseconds; `timeout` says that its end is only resolve_timeout's."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: int
    ends_at: int
    updated_at: int
    timeout: bool
    generator_url: str


class Alertmanager:
    """Accepts arrays of alerts, merges those with equal labels, lists those that are active."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stored: dict[str, Stored] = {}

    def answer(self, request: Request) -> tuple[Answer, list[Alert]]:
        """Alertmanager's answer, and the alerts that it has stored."""
        path = request.path.split("?")[0]
        if path.rstrip("/") != PATH:
            return _refusal(404, 404, f"path {path} was not found"), []
        if request.method == "GET":
            return Answer(200, self.active(int(request.arrived * SECOND)), _JSON), []
        if request.method != "POST":
            message = f"method {request.method} is not allowed, but [POST,GET] are"
            return replace(_refusal(405, 405, message), headers={"Allow": "POST,GET"}), []
        return self._post(request)

    def active(self, now: int) -> str:
        """The JSON list of the alerts that have not ended at `now`, by fingerprint."""
        with self._lock:
            stored = sorted(self._stored.items())
        return encode([_gettable(key, each) for key, each in stored if each.ends_at > now]) + "\n"

    def _post(self, request: Request) -> tuple[Answer, list[Alert]]:
        media_type = request.headers.get("content-type", "") or "application/octet-stream"
        if media_type.split(";")[0].strip().lower() != _JSON:
            message = f'unsupported media type "{media_type}", only [application/json] are allowed'
            return _refusal(415, 415, message), []
        try:
            posted = postable_alerts(request.body)
        except RefusedBodyError as error:
            return _refusal(error.status, error.code, error.message), []
        except CrashError:
            return Answer(0), []
        return self._store(posted, request.arrived)

    def _store(self, posted: Iterable[PostableAlert], arrived: float) -> tuple[Answer, list[Alert]]:
        """Stores the valid alerts, also where others are not."""
        problems: list[str] = []
        accepted: list[Alert] = []
        for each in posted:
            alert = _completed(each, int(arrived * SECOND))
            if problem := _problem(alert):
                problems.append(problem)
                continue
            self._merge(alert)
            times = (each.sent_starts_at, each.sent_ends_at)
            accepted.append(Alert(arrived, alert.labels, alert.annotations, *times))
        if problems:
            return Answer(400, encode("; ".join(problems)) + "\n", _JSON), accepted
        return Answer(200), accepted

    def _merge(self, new: Stored) -> None:
        key = fingerprint(new.labels)
        with self._lock:
            old = self._stored.get(key)
            self._stored[key] = _merged(old, new) if old and _overlap(old, new) else new


def fingerprint(labels: Mapping[str, str]) -> str:
    """The identity of an alert: 64-bit FNV-1a over its sorted labels, as 16 hexadecimal digits."""
    value = _FNV_OFFSET
    for name in sorted(labels, key=str.encode):
        for byte in b"\xff".join((name.encode(), labels[name].encode(), b"")):
            value = ((value ^ byte) * _FNV_PRIME) & 0xFFFF_FFFF_FFFF_FFFF
    return f"{value:016x}"


def _completed(posted: PostableAlert, now: int) -> Stored:
    """The alert with the times that Alertmanager gives it, and without empty labels."""
    open_end = posted.ends_at == ZERO_TIME
    start = posted.starts_at
    if start == ZERO_TIME:
        start = now if open_end else posted.ends_at
    return Stored(
        labels={name: value for name, value in posted.labels.items() if value},
        annotations={name: value for name, value in posted.annotations.items() if value},
        starts_at=start,
        ends_at=now + RESOLVE_TIMEOUT if open_end else posted.ends_at,
        updated_at=now,
        timeout=open_end,
        generator_url=posted.generator_url,
    )


def _problem(alert: Stored) -> str | None:
    if alert.ends_at < alert.starts_at:
        return "start time must be before end time"
    if name := _bad_name(alert.labels):
        return f'invalid label set: invalid name "{name[0]}"'
    if not alert.labels:
        return "at least one label pair required"
    if name := _bad_name(alert.annotations):
        return f'invalid annotations: invalid name "{name[0]}"'
    return None


def _bad_name(names: Iterable[str]) -> list[str]:
    return [name for name in names if not _NAME.fullmatch(name)][:1]


def _overlap(old: Stored, new: Stored) -> bool:
    ends_within = old.starts_at < new.ends_at < old.ends_at
    starts_within = old.starts_at < new.starts_at < old.ends_at
    return ends_within or starts_within


def _merged(old: Stored, new: Stored) -> Stored:
    """The newer alert with the earlier start; an end that was only a time-out never shortens it."""
    start = min(old.starts_at, new.starts_at)
    keeps_end = old.ends_at > new.ends_at and not old.timeout
    return replace(new, starts_at=start, ends_at=old.ends_at if keeps_end else new.ends_at)


def _gettable(key: str, alert: Stored) -> dict[str, object]:
    url = {"generatorURL": alert.generator_url} if alert.generator_url else {}
    return {
        "annotations": dict(sorted(alert.annotations.items())),
        "endsAt": rfc3339_milliseconds(alert.ends_at),
        "fingerprint": key,
        "receivers": [{"name": "inbox"}],
        "startsAt": rfc3339_milliseconds(alert.starts_at),
        "status": {"inhibitedBy": [], "silencedBy": [], "state": "active"},
        "updatedAt": rfc3339_milliseconds(alert.updated_at),
        **url,
        "labels": dict(sorted(alert.labels.items())),
    }


def _refusal(status: int, code: int, message: str) -> Answer:
    return Answer(status, encode({"code": code, "message": message}), _JSON)
