"""Where a request's microseconds go.

Alone: each layer called in this process, without a server and without a socket; the least of many
repetitions, in processor time, which neighbours on the machine cannot lower. Under load: servers
that do one step more than the one before, the last of them the ASGI server.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Coroutine
from typing import Any

from benchmarks import event
from benchmarks.capacity import Case
from benchmarks.limits import empty_asgi, empty_flask
from benchmarks.results import Run
from benchmarks.subjects import ASGI, EMPTY_ASGI, STEPS
from function import events, records
from function.metrics import Metrics
from function.records import LogRecord
from function.rules.reload import RuleFile
from function.serving import asgi, wsgi
from function.settings import Settings

KIND = "layers"
ALONE = "alone"
UNDER_LOAD = Case("under load", (EMPTY_ASGI, *STEPS, ASGI))
_REPEATS = 60
_CALLS = 100


def runs() -> list[Run]:
    """The layers alone, from the outside in, each with everything that it calls."""
    return [
        Run(KIND, ALONE, name, 0, {"us": _microseconds(call)}) for name, call in _layers().items()
    ]


def _layers() -> dict[str, Callable[[], object]]:
    head, _, body = event.request(8080, event.FIRST, matches=False).partition(b"\r\n\r\n")
    pairs = [line.partition(": ")[::2] for line in head.decode().splitlines()[1:]]
    headers = {name.lower(): value for name, value in pairs}
    settings = Settings.from_environ({})
    rules = RuleFile(settings.rules_file, Metrics())
    application = asgi.Function(settings)
    endpoint = application._endpoints.table["/"]["POST"]

    def matching() -> None:
        [fresh] = records.read(body, None)  # a record keeps what was parsed of it
        if isinstance(fresh, LogRecord):
            rules.current().match(fresh)

    return {
        "empty Flask": _wsgi(empty_flask.app, headers, body),
        "Flask server": _wsgi(wsgi.create_app(settings), headers, body),
        "empty ASGI": _asgi(empty_asgi.app, headers, body),
        "ASGI server": _asgi(application, headers, body),
        "endpoint: all behind the application": lambda: endpoint(headers, body),
        "event: headers to CloudEvent": lambda: events.read(headers, body),
        "record: JSON to record": lambda: records.read(body, None),
        "record and rules": matching,
    }


def _wsgi(app: Any, headers: dict[str, str], body: bytes) -> Callable[[], object]:
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input_terminated": True,
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
        "CONTENT_LENGTH": headers["content-length"],
    }

    def call() -> None:
        answer = app({**environ, "wsgi.input": io.BytesIO(body)}, lambda _status, _headers: None)
        list(answer)
        answer.close()

    return call


def _asgi(app: Any, headers: dict[str, str], body: bytes) -> Callable[[], object]:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": pairs}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(_message: dict[str, Any]) -> None:
        pass

    def call() -> None:
        _finish(app(scope, receive, send))

    return call


def _finish(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise RuntimeError("a record that matches nothing waited for something")


def _microseconds(call: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(_REPEATS):
        start = time.process_time()
        for _ in range(_CALLS):
            call()
        best = min(best, time.process_time() - start)
    return best / _CALLS * 1e6
