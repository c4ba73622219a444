"""The ASGI application up to one of its steps, which STEP names, and 204 to all.

The difference between one step and the next is what a step costs in a server under load, where
other code has used the processor's caches in between.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from function import events, records
from function.errors import RecordError
from function.events import Event
from function.formats.json_text import JSON
from function.metrics import Metrics
from function.records import LogRecord
from function.rules.reload import RuleFile
from function.serving.asgi import Message, Receive, Scope, Send, _headers, _read
from function.settings import Settings

_settings = Settings.from_environ({})
_rules = RuleFile(_settings.rules_file, Metrics())


def _record(scope: Scope, body: bytes) -> LogRecord:
    [event] = events.read(_headers(scope["headers"]), body)
    if not isinstance(event, Event):
        raise event
    [record] = records.read(event.data, event.time)
    if isinstance(record, RecordError):
        raise record
    return record


STEPS: dict[str, Callable[[Scope, bytes], JSON]] = {
    "body": lambda _scope, _body: None,
    "headers": lambda scope, _body: _headers(scope["headers"]),
    "event": lambda scope, body: events.read(_headers(scope["headers"]), body),
    "record": _record,
    "access log": lambda scope, body: _record(scope, body).access_log,
    "rules": lambda scope, body: _rules.current().match(_record(scope, body)),
}
_step = STEPS[os.environ.get("STEP", "body")]
_START: Message = {"type": "http.response.start", "status": 204, "headers": []}
_BODY: Message = {"type": "http.response.body", "body": b""}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Do all steps up to the one that is asked for."""
    body, _ = await _read(receive, _settings.max_body_bytes)
    _step(scope, body)
    await send(_START)
    await send(_BODY)
