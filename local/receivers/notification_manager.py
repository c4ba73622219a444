"""KubeSphere Notification Manager's side of POST /api/v2/alerts.

Mirrors kubesphere/notification-manager pkg/webhook/v1/handler.go with its decoder, json-iterator:
no field is required, an Alertmanager array is refused, and an alert without labels makes the
handler panic. It says 200 as soon as the alerts are in its queue. The status codes are exact; of
the decoder's messages, only those about the first byte are exact to their end.
"""

from __future__ import annotations

from typing import Any

from local.receivers.go_json import BrokenJsonError, encode, fields, first_document
from local.receivers.go_time import RFC3339, GoTimeError, parse
from local.receivers.http_messages import Alert, Answer, Request

PATH = "/api/v2/alerts"
_TEXT = "text/plain; charset=utf-8"
_ALERT = "template.Data.Alerts: []*template.Alert: template.Alert"


class UnreadableError(ValueError):
    """The body does not decode; the message is the decoder's."""


class NotificationManager:
    """Accepts the template.Data that Notification Manager reads. It keeps nothing itself."""

    def answer(self, request: Request) -> tuple[Answer, list[Alert]]:
        """Notification Manager's answer, and the alerts it would have queued."""
        if request.path.split("?")[0] != PATH:
            return Answer(404, "404 page not found\n", _TEXT), []
        if request.method != "POST":
            return Answer(405), []
        try:
            alerts = _decode(request.body)
        except UnreadableError as error:
            return _says(400, str(error)), []
        return _queue(alerts, request.arrived)


def _queue(alerts: list[dict[str, Any] | None], arrived: float) -> tuple[Answer, list[Alert]]:
    queued: list[Alert] = []
    for each in alerts:
        if each is None or _panics(each["labels"], each["annotations"]):
            return Answer(500, "Internal Server Error\n", _TEXT), queued
        queued.append(Alert(arrived, **{**each, "annotations": each["annotations"] or {}}))
    return _says(200, "Notification request accepted"), queued


def _panics(labels: dict[str, str] | None, annotations: dict[str, str] | None) -> bool:
    """The handler writes into the labels always, into the annotations of a metric's alert."""
    return labels is None or (annotations is None and labels.get("alerttype") == "metric")


def _says(status: int, message: str) -> Answer:
    return Answer(status, encode({"Status": status, "Message": message}), _TEXT)


def _decode(body: bytes) -> list[dict[str, Any] | None]:
    """The alerts of the body; raises UnreadableError with the decoder's message."""
    text = body.decode("utf-8", "replace")
    if not text.strip():
        raise UnreadableError("EOF")
    try:
        data = first_document(body)
    except BrokenJsonError as error:
        expected = 'template.Data.ReadString: expects " or n'
        raise UnreadableError(
            f"{expected}, but found {error.at or chr(0)}, {_place(text)}"
        ) from error
    if data is None:
        return []
    if not isinstance(data, dict):
        start = text.lstrip()[0]
        raise UnreadableError(f"readObjectStart: expect {{ or n, but found {start}, {_place(text)}")
    alerts = fields(data).get("alerts")
    if alerts is None:
        return []
    if not isinstance(alerts, list):
        raise UnreadableError(
            f"template.Data.Alerts: decode slice: expect [ or n, but found {alerts!r}"
        )
    return [_alert(each) for each in alerts]


def _place(text: str) -> str:
    return f"error found in #1 byte of ...|{text[:11]}|..., bigger context ...|{text[:51]}|..."


def _alert(sent: Any) -> dict[str, Any] | None:
    if sent is None:
        return None
    if not isinstance(sent, dict):
        raise UnreadableError(f"{_ALERT}: expect {{ or n, but found {_first(sent)}")
    found = fields(sent)
    return {
        "labels": _strings(found.get("labels"), "Labels"),
        "annotations": _strings(found.get("annotations"), "Annotations"),
        "starts_at": _time(found.get("startsat"), "StartsAt"),
        "ends_at": _time(found.get("endsat"), "EndsAt"),
    }


def _strings(sent: Any, name: str) -> dict[str, str] | None:
    if sent is None:
        return None
    if not isinstance(sent, dict):
        raise UnreadableError(
            f"{_ALERT}.{name}: ReadMapCB: expect {{ or n, but found {_first(sent)}"
        )
    return {key: _string(value, name) for key, value in sent.items()}


def _string(sent: Any, name: str) -> str:
    if sent is None:
        return ""
    if not isinstance(sent, str):
        raise UnreadableError(
            f'{_ALERT}.{name}: ReadString: expects " or n, but found {_first(sent)}'
        )
    return sent


def _time(sent: Any, name: str) -> str:
    if sent is None:
        return ""
    if not isinstance(sent, str):
        raise UnreadableError(f"{_ALERT}.{name}: Time.UnmarshalJSON: input is not a JSON string")
    try:
        parse(sent, RFC3339)
    except GoTimeError as error:
        raise UnreadableError(f"{_ALERT}.{name}: unmarshalerDecoder: {error}") from error
    return sent


def _first(sent: Any) -> str:
    return encode(sent)[0]
